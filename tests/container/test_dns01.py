"""Answers to an authority in the DNS: there for everybody when the client goes on, then gone."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import dns.tsig
import pytest

from postolka import home, namespace
from postolka.lab import world
from tests.container.primary import Primary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.lab.client import Lab

_NAME, _ALIAS = "mail.dns01.example", "alias.dns01.example"
_ELSEWHERE = "answers.elsewhere.example"
_ANSWER = "an-answer_of-43-characters-as-authorities-see"
_SECRET = b"a secret of the test, no other's"
_ADDRESS = world.stranger(53).ipv4
#: As the hook runs it; a server's own resolver is on loopback, here it is the lab's.
_PROGRAM = f"""
import sys
import dns.resolver
dns.resolver.default_resolver = dns.resolver.Resolver(configure=False)
dns.resolver.default_resolver.nameservers = ["{world.RESOLVER.ipv4}"]
from postolka.acme import dns01
sys.exit(dns01.main())
"""


@pytest.fixture(scope="module")
def primary(lab: Lab) -> Iterator[Primary]:
    """Have a name server that takes updates of zones of the lab."""
    zone = f"_acme-challenge.{_ALIAS}. 300 IN CNAME {_ELSEWHERE}.\n"
    zone += "".join(f"{name}. 300 IN A 203.0.113.90\n" for name in (_NAME, "elsewhere.example"))
    lab.publish("dns01", zone)
    found = Primary(lab, _ADDRESS, dns.tsig.Key("test", _encoded(_SECRET), dns.tsig.HMAC_SHA512))
    with found.serving():
        yield found
    lab.publish("dns01", "")


def _encoded(secret: bytes) -> str:
    return base64.b64encode(secret).decode("ascii")


def _run(lab: Lab, desk: Path, step: str, name: str, secret: bytes = _SECRET) -> tuple[int, str]:
    told = {"server": _ADDRESS, "key_name": "test", "algorithm": "hmac-sha512"}
    (desk / "update.json").write_text(json.dumps({**told, "secret": _encoded(secret)}))
    command = [*namespace.argv(lab.strangers), sys.executable, "-c", _PROGRAM, step, name, _ANSWER]
    done = subprocess.run(
        command,
        cwd=home.CHECKOUT,
        env={**os.environ, "RUNTIME_DIRECTORY": str(desk)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("name", "place"), [(_NAME, f"_acme-challenge.{_NAME}"), (_ALIAS, _ELSEWHERE)]
)
def test_answer_is_live_until_it_was_looked_at(
    lab: Lab, primary: Primary, tmp_path: Path, name: str, place: str
) -> None:
    """Under the name, or where an alias leads."""
    assert _run(lab, tmp_path, "begin", name) == (0, "")
    assert lab.lookup(place, "TXT") == [_ANSWER.encode("ascii")]
    assert _run(lab, tmp_path, "done", name) == (0, "")
    assert lab.lookup(place, "TXT") == []
    assert f'{place}. 60 IN TXT "{_ANSWER}"' in primary.taken


def test_wrong_key_is_told(lab: Lab, primary: Primary, tmp_path: Path) -> None:
    """With the name server that doesn't take it; nothing is published."""
    before = list(primary.taken)
    code, said = _run(lab, tmp_path, "begin", _NAME, b"another secret, of nobody's at all")
    assert code == 1
    assert said.startswith(f"{_NAME}: {_ADDRESS}: ")
    assert primary.taken == before
