"""Certificates from an authority on a machine: what is served, kept, and tried again."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from postolka.acme import steps
from postolka.errors import PostolkaError, ProblemsError
from postolka.instance import agent, applying, chain, keys
from postolka.instance.acme import plan, served, trust, wishes
from postolka.instance.acme.record import Record
from postolka.instance.authority import Acme
from postolka.instance.checks import tls
from postolka.instance.parse import parse
from tests.unit import instances
from tests.unit.agentroot import Recorder, make, offer
from tests.unit.authority import HOST, OTHERS, Authority, enabled, resolver

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.instance.model import Instance
    from postolka.instance.paths import Paths

_BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
_NOW = _BEGIN.timestamp()
_DAY = 86400.0
_OWNER = (os.getuid(), os.getgid())


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Return an authority."""
    return Authority()


@pytest.fixture
def instance() -> Instance:
    """Return an instance that orders from an authority."""
    return parse(instances.dumped(enabled()))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return its machine, configured, with a web server, and nothing ordered yet."""
    made = make(tmp_path / "root")
    house = json.loads(made.house.read_text())
    house["ports"] = [{"number": 443, "name": "https", "domain_hosts": ["mta-sts", "autoconfig"]}]
    made.house.write_text(json.dumps(house))
    for directory in (made.certificates, made.acme_desk):
        directory.mkdir(parents=True)
    offer(made, instances.dumped(enabled()))
    agent.boot(made, Recorder())
    return made


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Daemons are up at once; there are none."""
    monkeypatch.setattr(applying, "_settle", lambda *_: [])
    monkeypatch.setattr(
        "postolka.instance.status.read", lambda *_: type("Status", (), {"units": ()})()
    )


def _bring(paths: Paths, authority: Authority, order: str) -> None:
    """Be the client whose authority is content."""
    found = x509.load_pem_x509_csr((paths.acme_desk / f"{order}.csr").read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    tls_ = parse(paths.kept.read_bytes()).tls
    key = tls_.next_key if order == plan.NEXT else tls_.key
    made = authority.certificate(key, names.get_values_for_type(x509.DNSName), _BEGIN, 90)
    (paths.acme_desk / f"{order}-cert.pem").write_bytes(chain.pem([made, authority.root]))


def _served(paths: Paths) -> x509.Certificate:
    return chain.load((paths.tls / "certificate.pem").read_bytes())[0]


def _desk(paths: Paths) -> set[str]:
    return {path.stem for path in paths.acme_desk.glob("*.csr")}


def test_first_certificate_is_served_before_the_second_is_ordered(
    paths: Paths, authority: Authority
) -> None:
    """It outlives a boot, and who shows it is told."""
    steps.prepare(paths, _NOW, resolver(), _OWNER)
    assert _desk(paths) == {plan.FIRST, plan.ALL}
    _bring(paths, authority, plan.FIRST)
    system = Recorder()
    steps.take(paths, _NOW, system, plan.FIRST)
    assert chain.names(_served(paths)) == (HOST,)
    assert ("try-reload-or-restart", "postfix.service") in system.told
    assert Record.load(paths).next == _NOW
    _bring(paths, authority, plan.ALL)
    steps.take(paths, _NOW, system, plan.ALL)
    assert chain.names(_served(paths)) == (HOST, *OTHERS)
    agent.boot(paths, Recorder())
    assert chain.names(_served(paths)) == (HOST, *OTHERS)
    steps.prepare(paths, _NOW, resolver(), _OWNER)
    assert _desk(paths) == set()
    record = Record.load(paths)
    assert (record.failures, record.error, record.next) == (0, "", _NOW + _DAY)


def test_authority_that_fails_is_asked_later(paths: Paths) -> None:
    """What is served stays; the wait is kept, and grows."""
    before = _served(paths)
    for failures in (1, 2):
        steps.prepare(paths, _NOW, resolver(), _OWNER)
        (paths.acme_desk / "host.log").write_text("uacme: failed to fetch directory\n")
        steps.take(paths, _NOW, Recorder(), plan.FIRST)
        steps.take(paths, _NOW, Recorder(), plan.ALL)
        record = Record.load(paths)
        assert (record.failures, record.error) == (failures, "failed to fetch directory")
        assert record.next == plan.retry(failures, _NOW)
    assert _served(paths) == before
    check = tls.check(paths.tls / "certificate.pem", HOST, _NOW, record)
    (warning,) = check.warnings
    assert warning.text == (
        "the order failed, 2 times in a row, tried again in 30 min: failed to fetch directory"
    )


def test_name_that_the_authority_cant_prove_is_left_out(paths: Paths, authority: Authority) -> None:
    """Once, and for a day; it can't fail the others."""
    steps.prepare(paths, _NOW, resolver(), _OWNER)
    _bring(paths, authority, plan.FIRST)
    steps.take(paths, _NOW, Recorder(), plan.FIRST)
    (paths.acme_desk / "refused").write_text(f"{OTHERS[0]}\n")
    (paths.acme_desk / "all.log").write_text("uacme: no challenge completed\n")
    steps.take(paths, _NOW, Recorder(), plan.ALL)
    steps.prepare(paths, _NOW + 900, resolver(), _OWNER)
    _bring(paths, authority, plan.ALL)
    steps.take(paths, _NOW + 900, Recorder(), plan.ALL)
    assert chain.names(_served(paths)) == (HOST, OTHERS[1])
    (warning,) = tls.check(paths.tls / "certificate.pem", HOST, _NOW, Record.load(paths)).warnings
    assert warning.text.startswith(f"is without {OTHERS[0]}: the authority couldn't prove it")
    steps.prepare(paths, _NOW + 2 * _DAY, resolver(), _OWNER)
    assert _desk(paths) == {plan.ALL}


def test_nothing_is_ordered_until_the_host_leads_here(paths: Paths) -> None:
    """A new machine waits for its records, and says so."""
    steps.prepare(paths, _NOW, resolver(**{f"{HOST}.": {}}), _OWNER)
    assert _desk(paths) == set()
    record = Record.load(paths)
    assert (record.failures, record.next) == (0, _NOW + 300)
    (warning,) = tls.check(paths.tls / "certificate.pem", HOST, _NOW, record).warnings
    assert (
        warning.text == f"none is ordered, tried again in 5 min: {HOST} has no address in the DNS"
    )


def test_certificate_that_no_daemon_takes_is_put_away(
    paths: Paths, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one is served again."""
    before = _served(paths)
    steps.prepare(paths, _NOW, resolver(), _OWNER)
    _bring(paths, authority, plan.FIRST)
    applied = applying.apply
    failing = [True]

    def apply(*arguments: Any, **keywords: Any) -> applying.Applied:  # noqa: ANN401
        done = applied(*arguments, **keywords)
        if failing.pop() if failing else False:
            raise PostolkaError("new data", "postfix.service: failed")
        return done

    monkeypatch.setattr(applying, "apply", apply)
    steps.take(paths, _NOW, Recorder(), plan.FIRST)
    assert _served(paths) == before
    assert Record.load(paths).error == "new data: postfix.service: failed"


def test_roll_over_finds_the_next_keys_certificate(paths: Paths, authority: Authority) -> None:
    """Ordered before, so that there is no time without one."""
    wishes.make(paths, wishes.NEXT)
    steps.prepare(paths, _NOW, resolver(), _OWNER)
    assert _desk(paths) == {plan.FIRST, plan.ALL, plan.NEXT}
    for order in (plan.FIRST, plan.ALL, plan.NEXT):
        _bring(paths, authority, order)
        steps.take(paths, _NOW, Recorder(), order)
    assert wishes.read(paths) == ""
    values = enabled(serial=instances.data()["serial"] + 1)
    old = values["tls"]["key"]
    values["tls"] = {
        "key": values["tls"]["next_key"],
        "next_key": keys.encode(ec.generate_private_key(ec.SECP256R1())),
    }
    applying.apply(paths, Recorder(), instances.dumped(values), where="test")
    assert not chain.is_self_signed(_served(paths))
    found = (paths.tls / "certificate.pem").read_bytes()
    assert chain.problem(chain.load(found), values["tls"]["key"], HOST) is None
    assert served.file(paths, old).exists()
    served.sweep(paths, parse(instances.dumped(values)), _NOW + 91 * _DAY)
    assert not served.file(paths, old).exists()


def test_wish_is_ordered_although_nothing_is_due(paths: Paths, authority: Authority) -> None:
    """Once."""
    steps.prepare(paths, _NOW, resolver(), _OWNER)
    for order in (plan.FIRST, plan.ALL):
        _bring(paths, authority, order)
        steps.take(paths, _NOW, Recorder(), order)
    wishes.make(paths, wishes.RENEW)
    steps.prepare(paths, _NOW, resolver(), _OWNER)
    assert _desk(paths) == {plan.ALL}
    _bring(paths, authority, plan.ALL)
    before = _served(paths)
    steps.take(paths, _NOW, Recorder(), plan.ALL)
    assert _served(paths) != before
    assert wishes.read(paths) == ""


def test_authority_that_is_off_is_asked_nothing(paths: Paths) -> None:
    """And status says nothing of it."""
    paths.kept.write_bytes(instances.yaml_data())
    steps.prepare(paths, _NOW, resolver(), _OWNER)
    assert _desk(paths) == set()
    record = Record.load(paths)
    assert not record.is_on
    check = tls.check(paths.tls / "certificate.pem", HOST, _NOW, record)
    assert check.warnings == ()


def test_own_certificate_that_has_ended_isnt_taken(paths: Paths, authority: Authority) -> None:
    """New data with it are refused; those that are in use stay so, and status tells."""
    values = instances.data()
    begin = datetime.now(UTC) - timedelta(days=9)
    for days in (10, 8):
        values["serial"] += 1
        made = authority.certificate(values["tls"]["key"], [HOST], begin, days)
        der = base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()
        values["tls"]["certificate"] = [der]
        if days < 9:
            with pytest.raises(ProblemsError, match=rf"tls\.certificate: {HOST} has ended"):
                applying.apply(paths, Recorder(), instances.dumped(values), where="test")
            paths.kept.write_bytes(instances.dumped(values))
        applying.apply(paths, Recorder(), instances.dumped(values), where="test")
        assert _served(paths) == made


def test_record_that_cant_be_read_stops_nothing(paths: Paths) -> None:
    """It says no more than when to look again."""
    paths.acme_record.write_text("{")
    assert Record.load(paths) == Record(is_on=False)


def test_chain_is_trusted_by_those_who_know_its_root(
    paths: Paths, authority: Authority, instance: Instance
) -> None:
    """Debian's list or the instance's own; for the host's name, and in its time."""
    made = authority.certificate(instance.tls.key, [HOST], _BEGIN, 90)
    served.put(paths, instance.tls.key, chain.pem([made]))
    assert not trust.is_trusted(paths, instance, _NOW)
    paths.authorities.parent.mkdir(parents=True)
    paths.authorities.write_bytes(chain.pem([Authority().root, authority.root]))
    assert trust.is_trusted(paths, instance, _NOW + _DAY)
    assert not trust.is_trusted(paths, instance, _NOW + 91 * _DAY)
    assert not trust.is_trusted(paths, replace(instance, hostname="x.test"), _NOW + _DAY)
    assert not trust.is_trusted(paths, replace(instance, acme=Acme()), _NOW + _DAY)
