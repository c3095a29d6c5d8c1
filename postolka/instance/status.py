"""What an operator wants to know first: does it serve, on which data, and what is wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from postolka.errors import Problem
from postolka.instance import firewall, units
from postolka.instance.checks import every
from postolka.instance.house import load_house

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from postolka.instance.checks.check import Check
    from postolka.instance.paths import Paths

#: waiting: no good data yet, SSH only; starting: daemons aren't all there yet.
State = Literal["waiting", "starting", "ready", "failed"]

_DATA = {
    "good": "the platform's data",
    "kept": "the platform gave none at this boot; the last good data are in use",
    "refused": "the platform's data are wrong; the last good data are in use",
    "bad": "the platform's data are wrong, and there never were good ones",
    "older": "the platform's data are older; the machine's own are in use",
    "missing": "none yet",
    "applied": "applied on the machine since it booted",
    "": "not looked at yet",
}
#: Packets that the firewall let through in neither direction, by its counters.
_STOPPED = {"in.dropped": "dropped", "in.limited": "over the limit", "out.refused": "kept in"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The instance as it is now."""

    state: State
    report: Mapping[str, Any]
    """As the agent left it; empty before it ran."""
    units: tuple[units.Unit, ...]
    ports: tuple[Mapping[str, Any], ...]
    """number, protocol, name and is_open of each port that the image serves."""
    image: Mapping[str, str]
    checks: tuple[Check, ...] = ()
    """What else was looked at; empty where only units and ports were."""
    exceeded: tuple[str, ...] = ()
    """Logins that sent too much in the last hour."""
    firewall: Mapping[str, int] = field(default_factory=dict)
    """How many packets each of its rules has met; empty where it wasn't asked."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong."""
        data = [Problem(item["path"], item["text"]) for item in self.report.get("problems", ())]
        failed = [Problem(unit.name, "failed") for unit in self.units if unit.state == "failed"]
        late = [Problem(unit.name, "isn't up") for unit in self.units if unit.state == "starting"]
        shut = [
            Problem(f"{port['protocol']} port {port['number']}", "nothing listens")
            for port in self.ports
            if not port["is_open"]
        ]
        over = [Problem(login, "has sent too much; its mail is put off") for login in self.exceeded]
        if self.state == "waiting":
            return (*data, *failed)
        found = [problem for check in self.checks for problem in check.problems]
        return (*data, *failed, *late, *shut, *over, *found)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What isn't as it should be, and keeps the server from nothing: an upstream is down."""
        data = [Problem(item["path"], item["text"]) for item in self.report.get("warnings", ())]
        return (*data, *(warning for check in self.checks for warning in check.warnings))

    def as_data(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return {
            "state": self.state,
            "hostname": self.report.get("hostname"),
            "serial": self.report.get("serial"),
            "data": self.report.get("data"),
            "problems": [{"path": item.path, "text": item.text} for item in self.problems],
            "warnings": [{"path": item.path, "text": item.text} for item in self.warnings],
            "units": [{"name": unit.name, "state": unit.state} for unit in self.units],
            "ports": [dict(port) for port in self.ports],
            "firewall": dict(self.firewall),
            "checks": [check.as_data() for check in self.checks],
            "image": dict(self.image),
        }

    def __str__(self) -> str:
        report = self.report
        data = report.get("data", "")
        if data == "refused" and self.state == "waiting":
            data = "bad"
        up = sum(unit.is_up for unit in self.units)
        opened = [f"{port['number']}/{port['protocol']}" for port in self.ports if port["is_open"]]
        lines = [
            f"state     {self.state}",
            f"hostname  {report.get('hostname') or '-'}",
            f"data      {_DATA[data]} (serial {report.get('serial') or '-'})",
            f"units     {up} of {len(self.units)} up",
            f"ports     {' '.join(opened) or '-'}",
            f"image     {self.image.get('IMAGE_VERSION') or self.image.get('BUILD_ID') or '-'}",
        ]
        if self.firewall:
            met = (f"{self.firewall.get(name, 0)} {word}" for name, word in _STOPPED.items())
            lines.append(f"firewall  {', '.join(met)}")
        lines += [f"{check.name:9} {check.text}" for check in self.checks]
        lines += [f"problem   {item}" for item in self.problems]
        lines += [f"warning   {item}" for item in self.warnings]
        return "\n".join(lines)


def read(paths: Paths, *, for_people: bool = False) -> Status:
    """Look at the machine; for people at everything, which may take seconds."""
    house = load_house(paths)
    report = _report(paths)
    is_configured = paths.configured.exists()
    found = units.states(
        [
            unit["name"]
            for unit in house["units"]
            if is_configured or not unit["needs_instance"]
            if unit["name"] not in _OWN
        ]
    )
    opened = units.listening()
    ports = tuple(
        {
            "number": port["number"],
            "protocol": port["protocol"],
            "name": port["name"],
            "is_open": (port["protocol"], port["number"]) in opened,
        }
        for port in house["ports"]
    )
    return Status(
        state=_state(report, found, ports, is_configured=is_configured),
        report=report,
        units=tuple(found),
        ports=ports,
        image=_image(paths.root / "etc/os-release"),
        checks=every.check(paths, house, found, report) if for_people and is_configured else (),
        firewall=firewall.counters() if for_people else {},
        exceeded=_exceeded(paths),
    )


def _exceeded(paths: Paths) -> tuple[str, ...]:
    """Return the logins over their limit, as far as the asker may know."""
    try:
        return tuple(json.loads(paths.exceeded.read_bytes()))
    except (FileNotFoundError, PermissionError):
        return ()


def _report(paths: Paths) -> dict[str, Any]:
    """Return what the agent left, with what is wrong with a database elsewhere."""
    report: dict[str, Any] = json.loads(paths.report.read_bytes()) if paths.report.exists() else {}
    if paths.database_problem.exists():
        text = paths.database_problem.read_text(encoding="utf-8")
        report["problems"] = [*report.get("problems", ()), {"path": "database", "text": text}]
    return report


#: The unit that asks this question can't be part of the answer.
_OWN = ("postolka-ready.service",)


def _state(
    report: Mapping[str, Any],
    found: list[units.Unit],
    ports: tuple[Mapping[str, Any], ...],
    *,
    is_configured: bool,
) -> State:
    if any(unit.state == "failed" for unit in found):
        return "failed"
    if not report or any(unit.state == "starting" for unit in found):
        return "starting"
    if not is_configured:
        return "waiting"
    return "ready" if all(port["is_open"] for port in ports) else "starting"


def _image(release: Path) -> dict[str, str]:
    """Return what os-release says about the image (os-release(5))."""
    if not release.exists():
        return {}
    pairs = (line.partition("=") for line in release.read_text(encoding="utf-8").splitlines())
    wanted = ("IMAGE_ID", "IMAGE_VERSION", "BUILD_ID")
    return {name: value.strip("\"'") for name, _, value in pairs if name in wanted}
