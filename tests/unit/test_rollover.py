"""`postolka instance rotate-tls`: the next key in use, and never without a TLSA record."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from postolka import cli, rollover
from postolka.errors import PostolkaError
from postolka.home import CHECKOUT
from postolka.instance.parse import parse
from postolka.live import Answer
from pyinfra_deploys.room import Port
from tests.unit import instances
from tests.unit.authority import HOST, Authority

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.instance.model import Instance

_EXAMPLE = CHECKOUT / "cloud-init/examples/every-field.yaml"
_PORTS = (
    Port(number=25, name="smtp", tls="starttls"),
    Port(number=993, name="imaps", tls="implicit"),
)


@pytest.mark.parametrize("form", ["user-data", "document", "one line"])
def test_next_key_takes_the_place(form: str) -> None:
    """With a new next one and a higher serial; all else stays."""
    values = instances.data()
    data = {
        "user-data": instances.made().user_data,
        "document": instances.yaml_data(),
        "one line": instances.dumped(values),
    }[form]
    old = parse(data)
    found = rollover.roll_over(data, where="test", serial=1)
    assert found.instance.tls.key == old.tls.next_key
    assert found.instance.tls.next_key not in (old.tls.key, old.tls.next_key)
    assert found.instance.serial == old.serial + 1
    assert found.instance.domains == old.domains
    assert str(old.tls.key) not in found.data.decode()


def test_certificate_for_the_old_key_goes() -> None:
    """Comments stay."""
    data = _EXAMPLE.read_bytes()
    assert parse(data).tls.certificate
    found = rollover.roll_over(data, where="test", serial=1)
    assert found.instance.tls.certificate == ()
    assert "the certificate is gone, which was for the old key" in found.done
    assert data.count(b"\n#") == found.data.count(b"\n#")


def test_certificate_on_one_line_goes() -> None:
    """JSON is YAML, too."""
    values = instances.data()
    made = Authority().certificate(values["tls"]["key"], [HOST], datetime.now(UTC), 90)
    der = made.public_bytes(serialization.Encoding.DER)
    values["tls"]["certificate"] = [base64.b64encode(der).decode()]
    found = rollover.roll_over(instances.dumped(values), where="test", serial=1)
    assert found.instance.tls.certificate == ()


def _instance() -> Instance:
    return parse(instances.yaml_data())


def test_records_without_the_next_key_are_named() -> None:
    """Of any port; a name without TLSA records has no DANE to break."""
    present, coming = _instance().tls.spki_sha256
    live = {
        f"_25._tcp.{HOST}.": (f"3 1 1 {present}", f"3 1 1 {coming.upper()}"),
        f"_993._tcp.{HOST}.": (f"3 1 1 {present}",),
    }

    def ask(name: str, _: str) -> Answer:
        return Answer(values=live.get(name, ()))

    assert rollover.unpublished(_instance(), _PORTS, ask) == [f"_993._tcp.{HOST}"]
    live.clear()
    assert rollover.unpublished(_instance(), _PORTS, ask) == []


def test_records_that_cant_be_known_stop_it() -> None:
    """To go on blindly could cut off all mail that DANE protects."""
    with pytest.raises(PostolkaError, match="SERVFAIL"):
        rollover.unpublished(_instance(), _PORTS, lambda *_: Answer(failure="SERVFAIL"))


def test_command_writes_data_and_zone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says what comes first."""
    file = tmp_path / "user-data"
    file.write_bytes(instances.made().user_data)
    old = parse(file.read_bytes())
    assert cli.main(["instance", "rotate-tls", str(file), "--force"]) == 0
    new = parse(file.read_bytes())
    assert new.tls.key == old.tls.next_key
    assert file.stat().st_mode & 0o777 == 0o600
    zone = (tmp_path / "zone").read_text()
    assert all(digest in zone for digest in new.tls.spki_sha256)
    assert old.tls.spki_sha256[0] not in zone
    said = capsys.readouterr().err
    assert "next: postolka-instance apply on the server; only then publish" in said
