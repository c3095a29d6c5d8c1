"""What status looks at besides units and ports: each light goes on where it should, and only there.

The inputs are what the programs print, or real files.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from postolka.errors import Problem
from postolka.instance import certificate
from postolka.instance.checks import (
    clock,
    disk,
    filters,
    jobs,
    mailqueue,
    memory,
    network,
    signing,
    tls,
)
from postolka.instance.checks.check import DAY_SECONDS, HOUR_SECONDS, Check, Figure, duration
from postolka.instance.parse import parse
from postolka.instance.units import Unit
from pyinfra_deploys.settings import Settings
from tests.unit import instances

if TYPE_CHECKING:
    from pathlib import Path

_NOW = 1000.0 * DAY_SECONDS
_HOST = "mail.example.test"
_SETTINGS = asdict(Settings())
_MIB = 1 << 20
_MAIL = (
    b'{"queue_name": "%s", "queue_id": "4cRjTz1", "arrival_time": %d, "message_size": 300, '
    b'"forced_expire": false, "sender": "a@b.test", "recipients": [{"address": "c@d.test", '
    b'"delay_reason": "connect to d.test[192.0.2.1]:25: Connection timed out"}]}'
)


def _said(check: Check) -> list[str]:
    return [f"problem {item}" for item in check.problems] + [
        f"warning {item}" for item in check.warnings
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (90, "90 s"), (121, "2 min"), (7300, "2 h"), (3 * DAY_SECONDS, "3 days")],
)
def test_times_are_told_in_one_unit(seconds: float, text: str) -> None:
    """As people say them."""
    assert duration(seconds) == text


def test_queue_is_counted() -> None:
    """By its parts, and how old the oldest mail is."""
    lines = [_MAIL % (b"deferred", _NOW - HOUR_SECONDS), _MAIL % (b"hold", _NOW - 60)]
    check = mailqueue.judge(lines, _SETTINGS["status"], _NOW)
    assert check.text == "2 mails (1 deferred, 1 hold), the oldest for 60 min"
    assert _said(check) == []
    figures = {(item.name, *item.labels.values()): item.value for item in check.figures}
    assert figures["queue_mails", "deferred"] == figures["queue_mails", "hold"] == 1
    assert figures["queue_mails", "active"] == 0
    assert figures["queue_oldest_seconds",] == HOUR_SECONDS
    assert mailqueue.judge([], _SETTINGS["status"], _NOW).text == "empty"


def test_queue_over_its_limits_is_red() -> None:
    """Settings status_queue_mails and status_queue_hours."""
    limits = {"queue_mails": 2, "queue_hours": 3}
    young = _MAIL % (b"active", _NOW)
    assert _said(mailqueue.judge([young] * 2, limits, _NOW)) == []
    (said,) = _said(mailqueue.judge([young] * 3, limits, _NOW))
    assert said.startswith("problem queue: 3 mails wait, more than 2")
    old = _MAIL % (b"deferred", _NOW - 4 * HOUR_SECONDS)
    (said,) = _said(mailqueue.judge([old], limits, _NOW))
    assert said.startswith("problem queue: a mail has waited for 4 h")


def test_domain_without_keys_is_red() -> None:
    """It was made in SQL alone; the command is said that makes its keys."""
    instance = parse(instances.yaml_data())
    assert signing.judge(instance, ["example.test"]).text == "1 domain, 2 keys"
    assert _said(signing.judge(instance, ["example.test"])) == []
    (said,) = _said(signing.judge(instance, ["example.test", "pa.test"]))
    add = "sudo postolka-instance domain add pa.test"
    assert said == f"problem domain pa.test: has no DKIM keys: {add}"


def _certificate(*names: str, days: tuple[int, int]) -> x509.Certificate:
    """Return one of an authority's, that begins and ends so many days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.fromtimestamp(_NOW, UTC)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(name("subject"))
        .issuer_name(name("Authority"))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(item) for item in names])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(key, hashes.SHA256())


@pytest.mark.parametrize(
    ("names", "days", "said"),
    [
        ([_HOST], (-60, 30), []),
        ([_HOST], (-71, 19), ["warning certificate: ends in 19 days"]),
        # Of an authority whose certificates hold for days.
        ([_HOST], (-3, 3), []),
        ([_HOST], (-90, -3), ["problem certificate: has ended 3 days ago"]),
        ([_HOST], (1, 90), ["problem certificate: isn't valid yet; is the clock right?"]),
        (["a.test"], (0, 90), [f"problem certificate: isn't for {_HOST}, but a.test"]),
        ([], (0, 90), [f"problem certificate: isn't for {_HOST}, but nobody"]),
    ],
)
def test_certificate_is_judged(names: list[str], days: tuple[int, int], said: list[str]) -> None:
    """By its names and its end: a quarter of its time has to be left."""
    check = tls.judge(_certificate(*names, days=days), _HOST, _NOW)
    assert _said(check) == said
    assert ", by Authority, until 19" in check.text


def test_own_certificate_is_good(tmp_path: Path) -> None:
    """It is self-signed and has no end; none at all is a problem."""
    file = tmp_path / "certificate.pem"
    (problem,) = tls.check(file, _HOST, _NOW).problems
    assert problem.text == f"{file} can't be read"
    file.write_text(certificate.self_signed(parse(instances.yaml_data()).tls.key, (_HOST,)))
    check = tls.check(file, _HOST, datetime.now(UTC).timestamp())
    assert _said(check) == []
    assert check.text == f"{_HOST}, self-signed, until 9999-12-31"


def _aged(path: Path, days: float) -> None:
    path.touch()
    os.utime(path, (_NOW - days * DAY_SECONDS,) * 2)


def test_signatures_are_missing_until_fetched(tmp_path: Path) -> None:
    """What the image brings doesn't count."""
    (tmp_path / "postolka.ndb").touch()
    (tmp_path / "freshclam.dat").touch()
    (found,) = filters.signatures(tmp_path, 0).warnings
    assert str(found).startswith("virus signatures: missing")


@pytest.mark.parametrize(("days", "said"), [(1, []), (6, []), (8, ["8 days old"])])
def test_old_signatures_are_told(tmp_path: Path, days: int, said: list[str]) -> None:
    """The newest counts, and its makers publish every day."""
    _aged(tmp_path / "main.cvd", 400)
    _aged(tmp_path / "daily.cld", days)
    found = filters.signatures(tmp_path, _NOW).warnings
    assert [problem.text.partition(":")[0] for problem in found] == said


def test_rules_that_nobody_could_ask_for_are_told(tmp_path: Path) -> None:
    """An answer counts, also that there is nothing new; without a channel none is missed."""
    mark, channels = tmp_path / "asked", tmp_path / "channels"
    channels.write_text("# Made by a template\n\n")
    assert _said(filters.rules(mark, channels, _NOW)) == []
    channels.write_text("# Made by a template\nupdates.spamassassin.org -\n")
    (said,) = _said(filters.rules(mark, channels, _NOW))
    assert said.startswith("warning spam rules: the image's")
    _aged(mark, 6)
    assert _said(filters.rules(mark, channels, _NOW)) == []
    _aged(mark, 8)
    (said,) = _said(filters.rules(mark, channels, _NOW))
    assert said.startswith("warning spam rules: no answer for 8 days")


def _space(free_mib: int, free_inodes: int = 90, inodes: int = 100) -> os.statvfs_result:
    block = 4096
    blocks, free = 10_000 * _MIB // block, free_mib * _MIB // block
    return os.statvfs_result((block, block, blocks, free, free, inodes, 0, free_inodes, 0, 255))


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (_space(5000), []),
        (_space(5000, inodes=0, free_inodes=0), []),
        (_space(900), ["warning disk: 9 % of its space left, less than 10"]),
        (_space(5000, 9), ["warning disk: 9 % of its inodes left, less than 10"]),
        (_space(5000, 0), ["problem disk: no inode is free; mail is put off"]),
        (_space(70), ["problem disk: 70 MiB are free; mail is put off with 452"]),
    ],
)
def test_disk_is_judged(space: os.statvfs_result, said: list[str]) -> None:
    """By what is left (setting status_disk_percent), and by what Postfix asks for."""
    assert _said(disk.judge(space, _SETTINGS)) == said


def test_clock_needs_a_server_that_tells_the_time(tmp_path: Path) -> None:
    """Since the boot, and within a day; a container has its host's."""
    mark = tmp_path / "synchronized"
    active = [Unit(clock.UNIT, "active")]
    (said,) = _said(clock.check(mark, active, _NOW))
    assert said.startswith("warning clock: no server has told the time since the boot")
    assert _said(clock.check(mark, [Unit(clock.UNIT, "skipped")], _NOW)) == []
    _aged(mark, 0.5)
    assert _said(clock.check(mark, active, _NOW)) == []
    _aged(mark, 2)
    (said,) = _said(clock.check(mark, active, _NOW))
    assert said.startswith("warning clock: no server has told the time for 2 days")


def test_memory_limits_are_counted() -> None:
    """By unit, as systemd's messages in the journal name it."""
    lines = [b'{"UNIT": "opendkim.service"}', b'{"UNIT": "opendkim.service"}', b'{"X": "user"}']
    check = memory.judge(lines)
    assert [item.path for item in check.warnings] == ["another", "opendkim.service"]
    assert "2 times in the last day" in check.warnings[1].text
    assert [item.value for item in check.figures] == [3]
    assert _said(memory.judge([])) == []


def _job(active: str, sub: str, result: str) -> dict[str, str]:
    return {"Id": "x.service", "ActiveState": active, "SubState": sub, "Result": result}


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (_job("inactive", "dead", "success"), []),
        (_job("activating", "start", "success"), []),
        (
            _job("activating", "auto-restart", "exit-code"),
            ["warning x.service: its last run failed (exit-code), and it will try again"],
        ),
        (_job("failed", "failed", "timeout"), ["problem x.service: failed (timeout)"]),
    ],
)
def test_jobs_are_judged(job: dict[str, str], said: list[str]) -> None:
    """One that goes on trying only warns."""
    check = jobs.judge([job])
    assert [text.rpartition(": ")[0] for text in _said(check)] == said
    assert [item.value for item in check.figures] == [not said]


def _left(file: Path, *, age: float, serial: int = 7) -> Check:
    """Leave what a lookout found; return it."""
    problem = Problem("dns", "is\x1b[2Jwrong")
    figure = Figure(name="dns_record_sets", value=3, labels={"zone": "a.test"})
    found = Check(name="dns", text="3 record sets", warnings=(problem,), figures=(figure,))
    file.write_text(json.dumps({"at": _NOW - age, "serial": serial, "checks": [found.whole()]}))
    return found


def test_what_the_lookout_found_is_shown_with_its_age(tmp_path: Path) -> None:
    """Everything of it, but nothing that steers a terminal: others may have written it."""
    file = tmp_path / "found.json"
    left = _left(file, age=600)
    found, about = network.checks(file, 7, _NOW)
    assert found.text == "3 record sets (10 min ago)"
    assert _said(found) == ["warning dns: is?[2Jwrong"]
    assert found.figures == left.figures
    assert (about.text, _said(about)) == ("looked 10 min ago", [])
    *_, about = network.checks(file, 8, _NOW)
    assert "with the data of serial 7" in about.text


def test_lookout_that_looks_no_more_is_told(tmp_path: Path) -> None:
    """Nor is what can't be read taken for good; before the first look there is nothing to tell."""
    file = tmp_path / "found.json"
    (about,) = network.checks(file, 7, _NOW)
    assert "hasn't looked yet" in about.text
    assert _said(about) == []
    _left(file, age=4 * HOUR_SECONDS)
    *_, about = network.checks(file, 7, _NOW)
    assert _said(about)[0].startswith("warning lookout: hasn't looked for 4 h")
    for text in ("", "[]", '{"checks": []}', '{"at": 1, "serial": 1, "checks": [{}]}'):
        file.write_text(text)
        (about,) = network.checks(file, 7, _NOW)
        assert _said(about)[0].startswith("warning lookout: left nothing that can be read")
