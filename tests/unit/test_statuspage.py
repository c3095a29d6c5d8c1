"""Status as a page: who may see it, and what it shows."""

from __future__ import annotations

import io
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from postolka.errors import Problem
from postolka.home import CHECKOUT
from postolka.instance import admins, statuspage, units
from postolka.instance.checks.check import Check
from postolka.instance.paths import Paths
from postolka.instance.status import Status
from pyinfra_deploys import status as room

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = CHECKOUT / "pyinfra_deploys/status/rootfs"
_STATUS = Status(
    state="ready",
    report={"data": "good", "serial": 7, "hostname": "mail.example.test"},
    units=(units.Unit("postfix.service", "active"), units.Unit("x.service", "failed")),
    ports=({"number": 25, "protocol": "tcp", "name": "smtp", "is_open": True},),
    image={"IMAGE_VERSION": "3"},
    checks=(Check(name="queue", text="3 <mails>", warnings=(Problem("dns", "<script>"),)),),
    firewall={"in.dropped": 1795564813},
)


def _texts(data: object) -> Iterator[str]:
    """Yield every text and number in plain data, but not what names them."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key == "figures" or isinstance(value, bool):
                continue
            yield from _texts(value)
    elif isinstance(data, list):
        for item in data:
            yield from _texts(item)
    else:
        yield str(data)


def test_page_has_all_that_status_has() -> None:
    """Every text of `status --json`, and nothing in one means something in HTML."""
    page = statuspage.page(Paths(root=_ROOT), _STATUS)
    for text in _texts(_STATUS.as_data()):
        assert text.replace("<", "&lt;").replace(">", "&gt;") in page
    assert "<mails>" not in page
    assert "<script" not in page
    assert "in.dropped" in page


def test_page_can_do_nothing() -> None:
    """No script, no form, nothing from elsewhere."""
    page = statuspage.page(Paths(root=_ROOT), _STATUS)
    for word in ("<script", "<form", "<a ", "http:", "https:", "<img", "url("):
        assert word not in page


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (f"Basic {b64encode(b'admin@a.test:a:b').decode()}", ("admin@a.test", "a:b")),
        (f"basic  {b64encode('ä@a.test:ü'.encode()).decode()}", ("ä@a.test", "ü")),
        ("", None),
        ("Bearer abc", None),
        ("Basic", None),
        ("Basic not base64", None),
        (f"Basic {b64encode(b'no colon').decode()}", None),
        (f"Basic {b64encode(bytes([255]) + b':x').decode()}", None),
    ],
)
def test_credentials_are_read(header: str, found: tuple[str, str] | None) -> None:
    """RFC 7617; what is none lets nobody in."""
    assert statuspage.credentials(header) == found


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"", b"404"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /status/../x HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /status/ HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /status/ HTTP/1.1\r\nHost: x\r\n\r\n", b"401"),
        (b"HEAD /status/?a=b HTTP/1.1\r\nAuthorization: Bearer x\r\n\r\n", b"401"),
    ],
)
def test_stranger_is_told_nothing(request_: bytes, code: bytes) -> None:
    """Without a password nothing is looked at: there is no machine here that could be."""
    said = statuspage.answer(io.BytesIO(request_))
    assert said.startswith(b"HTTP/1.1 " + code)
    assert len(said.partition(b"\r\n\r\n")[2]) < 20


@pytest.mark.parametrize(
    "stored",
    [
        "$2b$12$PostolkaPostolkaPostoO5wjtVYPowdzvwu3NNztxkwetvv2qq2q",
        "$6$postolka$gMRuXcKZikTX/bXSJ0nQSTYW10tZvz7zoKKBdqzHWRKDlf728cOvUQUEzzdpVAVbkHwX8TUJxWrOGhd9gg/mb.",
    ],
)
def test_password_is_checked_as_it_was_hashed(stored: str) -> None:
    """By the schemes that instance data may have; what can't be hashed is no password."""
    assert admins.crypt("nobody", stored) == stored
    assert admins.crypt("somebody", stored) != stored
    assert admins.crypt("nobody\0", stored) == "*"


def test_page_can_be_switched_off() -> None:
    """status.page is what its socket waits for."""
    (unit,) = [unit for unit in room.UNITS if "statuspage" in unit.name]
    assert unit.setting == "status.page"
    assert unit.needs_instance
