"""How hardened a machine is in the eyes of lynis(8), which is brought along and looks as root."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests import checkouts

if TYPE_CHECKING:
    from postolka.machines import Machine

#: The lock's programs that have it.
_SET = "clients"
_PLACE, _REPORT = "/run/lynis", "/run/lynis/report"
#: It takes what lies beside it where it isn't installed.
_PARTS = (
    ("usr/share/lynis", "include", "db"),
    ("usr/sbin", "lynis"),
    ("etc/lynis", "default.prf", "plugins"),
)
_AUDIT = (
    f"cd {_PLACE} && ./lynis audit system --quick --quiet --no-colors --report-file {_REPORT}"
    f" --logfile {_PLACE}/log >/dev/null; cat {_REPORT}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What it found."""

    index: int
    """Its hardening index, of 100."""
    warnings: tuple[str, ...]
    """Test and text, with bars between."""
    suggestions: tuple[str, ...]
    """Likewise."""

    def __str__(self) -> str:
        lines = [f"lynis' hardening index: {self.index} of 100"]
        lines += [f"  {text}" for text in (*self.warnings, *self.suggestions)]
        return "\n".join(lines)


def audit(machine: Machine) -> Audit:
    """Have it look."""
    root = checkouts.unpacked(_SET).root
    argv = ["tar", "--create", "--owner=root", "--group=root"]
    for folder, *names in _PARTS:
        argv += [f"--directory={root / folder}", *names]
    packed = subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout
    unpack = f"sudo sh -c 'mkdir {_PLACE} && tar --extract --directory={_PLACE}'"
    subprocess.run([*machine.ssh(), unpack], input=packed, check=True)
    done = subprocess.run(
        [*machine.ssh(), "sudo", "sh"], input=_AUDIT, stdout=subprocess.PIPE, text=True, check=True
    )
    return read(done.stdout)


def read(report: str) -> Audit:
    """Read its report: a line a fact, name=value."""
    found = re.findall(r"(?m)^([^=#]+)=(.*)$", report)
    (index,) = (value for name, value in found if name == "hardening_index")
    return Audit(
        index=int(index),
        warnings=tuple(value for name, value in found if name == "warning[]"),
        suggestions=tuple(value for name, value in found if name == "suggestion[]"),
    )
