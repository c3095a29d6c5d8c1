"""`postolka dns`: the same records in each form, and bad input in one form."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from postolka import cli, home, listening
from postolka.instance import dns, webforms
from tests.unit import instances
from tests.unit.golden import EXAMPLE, check

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return the path of an instance's user-data."""
    path = tmp_path / "user-data"
    path.write_bytes(instances.made().user_data)
    return str(path)


def test_zone_is_what_instance_new_writes(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To the byte, from user-data and from the document alone."""
    alone = tmp_path / "instance.yaml"
    alone.write_bytes(instances.yaml_data())
    for path in (file, str(alone)):
        assert cli.main(["dns", "zone", path]) == 0
        assert capsys.readouterr().out == instances.made().zone


def test_table_is_for_people() -> None:
    """Values in one piece, hosts as a form for the zone wants them."""
    found = dns.reverse(EXAMPLE.hostname, EXAMPLE.addresses)
    found += dns.records(EXAMPLE, listening.ports())
    check("dns", "table", webforms.table(webforms.rows(EXAMPLE, found), ttl_seconds=300))


def test_json_has_all_of_both(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The same from either verb: a long value split for the zone file, and whole."""
    assert cli.main(["dns", "table", file, "--json", "--ttl", "3600"]) == 0
    printed = capsys.readouterr().out
    assert cli.main(["dns", "zone", file, "--json", "--ttl", "3600"]) == 0
    assert capsys.readouterr().out == printed
    found = json.loads(printed)
    fields = {"zone", "host", "name", "type", "ttl", "data", "value", "why", "advice"}
    assert all(set(row) == fields and row["ttl"] == 3600 for row in found)
    (rsa,) = (row for row in found if row["value"].startswith("v=DKIM1; k=rsa; p="))
    assert '" "' in rsa["data"]
    assert rsa["value"] == "".join(rsa["data"].strip('"').split('" "'))
    assert rsa["zone"] == "example.test"
    assert rsa["host"] + ".example.test." == rsa["name"]
    reverse = [row["host"] for row in found if row["type"] == "PTR"]
    assert reverse[0] == "25.2.0.192.in-addr.arpa"
    assert {row["host"] for row in found if row["type"] == "MX"} == {"@", "mail"}


def test_server_elsewhere_has_a_zone_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A host that isn't below any of its mail domains."""
    path = tmp_path / "instance.yaml"
    path.write_bytes(instances.dumped(instances.data(hostname="mx1.hoster.example")))
    assert cli.main(["dns", "table", str(path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    places = {(row["zone"], row["host"]) for row in rows}
    assert {("hoster.example", "mx1"), ("hoster.example", "_25._tcp.mx1")} <= places
    assert ("example.test", "@") in places


def test_port_that_is_off_has_no_records(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The checkout's settings count: what the image doesn't serve isn't published."""
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data/all.py").write_text("dovecot_imap = False\n")
    monkeypatch.setattr(home, "CHECKOUT", tmp_path)
    assert cli.main(["dns", "zone", file]) == 0
    text = capsys.readouterr().out
    assert "_imaps._tcp." in text
    assert "_imap._tcp." not in text
    assert "_143._tcp." not in text


@pytest.mark.parametrize("ttl", ["0", "-1", "1h", "604801", ""])
def test_bad_ttl_is_refused(file: str, ttl: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the form of every error, with nothing on standard output."""
    assert cli.main(["dns", "zone", file, f"--ttl={ttl}"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f'postolka: --ttl: "{ttl}" is not a number of seconds')


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["check", "--resolver", "dns.example"], '--resolver: "dns.example" is not an IP address'),
        (["zone", "--resolver", "192.0.2.1"], "--resolver: nobody is asked without --domain"),
    ],
)
def test_bad_resolver_is_refused(
    file: str, words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name would have to be resolved first; and an option that does nothing is a mistake."""
    assert cli.main(["dns", *words, file]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"postolka: {problem}")


@pytest.mark.parametrize("action", ["zone", "table", "check"])
def test_bad_data_are_refused(
    action: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No file, a directory, and data with problems."""
    bad = tmp_path / "bad"
    bad.write_bytes(instances.dumped(instances.data(hostname="Mail")))
    for path, why in ((tmp_path / "none", "No such file"), (tmp_path, "Is a dir"), (bad, "host")):
        assert cli.main(["dns", action, str(path)]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"postolka: {path}: ")
        assert why in said.err
