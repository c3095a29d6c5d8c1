"""Status: unit states as systemd means them, open ports, and one word for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from postolka.errors import Problem
from postolka.instance import firewall, units
from postolka.instance.checks.check import Check, Figure
from postolka.instance.status import Status

if TYPE_CHECKING:
    from pathlib import Path

_GONE = {
    "LoadState": "loaded",
    "ActiveState": "inactive",
    "Result": "success",
    "ConditionResult": "no",
    "ConditionTimestampMonotonic": "0",
    "InactiveEnterTimestampMonotonic": "0",
    "Type": "simple",
}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"ActiveState": "active"}, "active"),
        ({"ActiveState": "reloading"}, "active"),
        ({"ActiveState": "activating"}, "starting"),
        ({"ActiveState": "failed"}, "failed"),
        ({"LoadState": "not-found"}, "failed"),
        ({"LoadState": "masked"}, "failed"),
        ({}, "starting"),
        ({"ConditionTimestampMonotonic": "9"}, "skipped"),
        (
            {
                "ConditionTimestampMonotonic": "9",
                "ConditionResult": "yes",
                "Type": "oneshot",
                "InactiveEnterTimestampMonotonic": "10",
            },
            "active",
        ),
    ],
)
def test_state_is_what_systemd_means(changes: dict[str, str], state: str) -> None:
    """A unit that hasn't been tried yet isn't one that a condition skipped."""
    assert units.state(_GONE | changes) == state


def test_listening_ports_are_read_from_the_kernel(tmp_path: Path) -> None:
    """Listeners of both families, not connections."""
    net = tmp_path / "net"
    net.mkdir()
    head = "  sl  local_address rem_address   st\n"
    (net / "tcp").write_text(f"{head} 0: 00000000:0019 00000000:0000 0A\n")
    (net / "tcp6").write_text(
        f"{head} 0: {'0' * 32}:03E1 {'0' * 32}:0000 0A\n 1: {'0' * 32}:1234 {'0' * 32}:0019 01\n"
    )
    (net / "udp").write_text(f"{head} 0: 0100007F:0035 00000000:0000 07\n")
    assert units.listening(tmp_path) == {("tcp", 25), ("tcp", 993), ("udp", 53)}


def _status(**changes: Any) -> Status:  # noqa: ANN401
    values: dict[str, Any] = {
        "state": "ready",
        "report": {"data": "good", "serial": 7, "hostname": "mail.example.test", "problems": []},
        "units": (units.Unit("postfix.service", "active"),),
        "ports": ({"number": 25, "protocol": "tcp", "name": "smtp", "is_open": True},),
        "image": {"IMAGE_VERSION": "3"},
    }
    return Status(**values | changes)


def test_ready_server_has_no_problem() -> None:
    """Nothing red, and the whole of it fits a screen."""
    assert _status().problems == ()
    assert str(_status()).splitlines()[0] == "state     ready"
    assert set(_status().as_data()) == {
        "state", "hostname", "serial", "data", "problems", "warnings", "units", "ports", "firewall",
        "image", "checks",
    }  # fmt: skip


def test_firewall_is_told_in_a_line() -> None:
    """What it stopped; each rule's own number is for programs."""
    text = b'{"nftables": [{"counter": {"name": "in.dropped", "packets": 4, "bytes": 99}}]}'
    status = _status(firewall=firewall.packets(text))
    assert "firewall  4 dropped, 0 over the limit, 0 kept in" in str(status).splitlines()
    assert status.as_data()["firewall"] == {"in.dropped": 4}
    assert "firewall" not in str(_status())


def test_everything_wrong_is_listed() -> None:
    """Data, units and ports, each by its name."""
    status = _status(
        state="failed",
        report={"data": "refused", "problems": [{"path": "hostname", "text": "is bad"}]},
        units=(units.Unit("a.service", "failed"), units.Unit("b.service", "starting")),
        ports=({"number": 25, "protocol": "tcp", "name": "smtp", "is_open": False},),
    )
    found = [str(problem) for problem in status.problems]
    assert found == [
        "hostname: is bad",
        "a.service: failed",
        "b.service: isn't up",
        "tcp port 25: nothing listens",
    ]


def test_what_was_looked_at_besides_is_told() -> None:
    """A line for each check, and its problems and warnings among all others."""
    check = Check(
        name="queue",
        text="3 mails",
        problems=(Problem("queue", "too many"),),
        warnings=(Problem("queue", "old"),),
        figures=(Figure(name="queue_mails", value=3, labels={"queue": "hold"}),),
    )
    lines = str(_status(checks=(check,))).splitlines()
    assert lines[-3:] == ["queue     3 mails", "problem   queue: too many", "warning   queue: old"]
    data = _status(checks=(check,)).as_data()
    assert data["problems"] == [{"path": "queue", "text": "too many"}]
    figure = {"name": "queue_mails", "labels": {"queue": "hold"}, "value": 3}
    assert data["checks"] == [{"name": "queue", "text": "3 mails", "figures": [figure]}]


def test_waiting_machine_does_not_miss_its_ports() -> None:
    """Without data they are meant to be shut."""
    shut = {"number": 25, "protocol": "tcp", "name": "smtp", "is_open": False}
    assert _status(state="waiting", ports=(shut,)).problems == ()
