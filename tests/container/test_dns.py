"""`postolka dns` against real name servers: the lab's signed zones and its validating resolver."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from postolka import cli, live, namespace
from postolka.lab import world
from tests.container.conftest import new_instance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.acceptance import Subject
    from postolka.lab.client import Lab
    from tests.container.conftest import Instance

_OLD = "old.example"
_LIVE = f"""\
{_OLD}. 300 IN MX 10 {world.OUTSIDE.name}.
{_OLD}. 300 IN TXT "v=spf1 include:_spf.{_OLD} ~all"
{_OLD}. 300 IN TXT "site-verification=1234"
_spf.{_OLD}. 300 IN TXT "v=spf1 ip4:198.51.100.0/24 -all"
"""


@pytest.fixture
def record(lab: Lab) -> Iterator[Lab]:
    """Return a lab in which further records may be published; afterwards they are gone."""
    yield lab
    lab.publish("test-dns", "")


def _run(lab: Lab, *words: str) -> int:
    return _command(lab, "dns", *words)


def _command(lab: Lab, *words: str) -> int:
    """Run the command as somebody outside does, with the lab's resolver."""
    with namespace.entered(lab.strangers):
        return cli.main([*words, "--resolver", world.RESOLVER.ipv4])


def _records(zone: str) -> set[str]:
    return {line for line in zone.splitlines() if line and not line.startswith(";")}


def _check(
    capsys: pytest.CaptureFixture[str], lab: Lab, file: str, *words: str
) -> tuple[int, dict[str, Any]]:
    code = _run(lab, "check", file, "--json", *words)
    return code, json.loads(capsys.readouterr().out)


def test_published_zone_of_a_server_is_as_it_should_be_until_it_is_changed(
    subject: Subject, instance: Instance, record: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0, and DNSSEC holds; after a change 3, with what is expected and what is found."""
    file = str(instance.directory / "user-data")
    capsys.readouterr()
    assert _run(record, "check", file) == 0
    said = capsys.readouterr().out
    assert "none of them wrong" in said
    assert f"DNSSEC of {subject.server.name}: the resolver vouches for it" in said
    code, report = _check(capsys, record, file)
    assert (code, report["differences"]) == (0, [])
    assert report["dnssec"] == {subject.domain: True, subject.server.name: True}
    record.publish("test-dns", f"{subject.domain}. 300 IN MX 5 {world.SINK.name}.\n")
    code, report = _check(capsys, record, file)
    assert code == 3
    assert report["differences"] == [
        {
            "name": f"{subject.domain}.",
            "type": "MX",
            "expected": [f"10 {subject.server.name}."],
            "found": [f"10 {subject.server.name}.", f"5 {world.SINK.name}."],
            "failure": "",
        }
    ]


def test_reverse_name_is_looked_at(
    subject: Subject, instance: Instance, record: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though its zone belongs to somebody else."""
    record.unname(subject.address)
    try:
        assert _run(record, "check", str(instance.directory / "user-data")) == 3
    finally:
        record.unname()
    assert (
        f"PTR\n  expected  {subject.server.name}.\n  found     nothing\n" in capsys.readouterr().out
    )


def test_address_that_is_missing_is_told(
    tmp_path: Path, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the data name none, any would do: there is no value to expect."""
    new_instance(tmp_path / "files", "nowhere.example")
    assert _run(lab, "check", str(tmp_path / "files/user-data")) == 3
    said = capsys.readouterr().out
    missing = "mail.nowhere.example. A: an address of the server is missing, A or AAAA\n"
    assert f"  found     nothing\n{missing}29 record sets looked up, 28 of them wrong\n" in said


def test_domain_that_others_send_for_goes_on_working(
    tmp_path: Path, record: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is live is read, built upon, published, and then as it should be."""
    record.publish("test-dns", _LIVE)
    files = tmp_path / "files"
    file = str(files / "user-data")
    existing = (file, "--domain", "existing")
    words = ["--domain", "existing", "--address", "203.0.113.77", "-o", str(files)]
    assert _command(record, "instance", "new", _OLD, *words) == 0
    assert f"warning: {_OLD}: its SPF record" not in capsys.readouterr().err
    assert _run(record, "zone", *existing) == 0
    zone = capsys.readouterr().out
    assert zone == (files / "zone").read_text()
    spf = f'{_OLD}. 300 IN TXT "v=spf1 a:mail.{_OLD} include:_spf.{_OLD} ~all"\n'
    assert spf in zone
    assert (
        f"; Mail for {_OLD} comes here. Publish it last, and the SRV records with it: until" in zone
    )
    assert _check(capsys, record, *existing)[0] == 3
    record.publish("test-dns", zone)
    code, report = _check(capsys, record, *existing)
    assert (code, report["differences"]) == (0, [])
    assert any("p=quarantine" in str(line) for line in report["advice"])
    code, report = _check(capsys, record, file)
    assert code == 3
    assert {(item["name"], item["type"]) for item in report["differences"]} == {
        (f"{_OLD}.", "TXT"),
        (f"_dmarc.{_OLD}.", "TXT"),
        (f"{_OLD}.", "CAA"),
    }
    assert _command(record, "instance", "rotate-dkim", *existing) == 0
    rotated = (files / "zone").read_text()
    assert _records(rotated) > _records(zone)
    record.publish("test-dns", zone + spf.replace("~all", "-all"))
    assert _run(record, "zone", *existing) == 1
    assert f"postolka: {_OLD}: has 2 SPF records" in capsys.readouterr().err


def test_what_can_not_be_had_is_told(
    instance: Instance,
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Signatures that don't hold are no missing record, and a silent resolver is no difference."""
    with namespace.entered(lab.strangers):
        ask = live.resolver(world.RESOLVER.ipv4)
        assert ask(f"{world.BOGUS}.", "A").failure == "its DNSSEC signatures don't hold"
        assert ask(f"{world.OUTSIDE.name}.", "A") == live.Answer(
            values=(world.OUTSIDE.ipv4,), is_authentic=True
        )
        assert ask("nobody.example.", "A") == live.Answer(is_authentic=True)
        unsigned = live.resolver(world.HOSTS_DNS.ipv4)
        assert not unsigned(f"{world.OUTSIDE.name}.", "A").is_authentic
        assert unsigned("elsewhere.org.", "A").failure == "REFUSED"
    monkeypatch.setattr(live, "_SECONDS", 1.0)
    silent = world.stranger(7).ipv4
    capsys.readouterr()
    with namespace.entered(lab.strangers):
        words = ["check", str(instance.directory / "user-data"), "--resolver", silent]
        assert cli.main(["dns", *words]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{silent}" in said.err
    assert ": no answer about mail.example.test. A in 1 s\nhint: " in said.err
