"""Work that timers start: whether each job's last run came to its end.

A job that can't reach its server tries again by itself (Restart=), so it is no failed unit.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from postolka.errors import Problem
from postolka.instance.checks.check import Check, Figure, count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_TRIGGERS = (".timer", ".path")
_PROPERTIES = ("Id", "ActiveState", "SubState", "Result", "Triggers")


def check(names: Iterable[str]) -> Check:
    """Look at what the timers (and paths) among the units `names` start."""
    triggers = [name for name in names if name.endswith(_TRIGGERS)]
    # Some have a timer and a path.
    jobs = dict.fromkeys(job for item in _show(triggers) for job in item["Triggers"].split())
    return judge(_show(list(jobs)))


def judge(jobs: Sequence[Mapping[str, str]]) -> Check:
    """Judge jobs by what `systemctl show` prints of each."""
    problems, warnings = [], []
    for job in jobs:
        result = job["Result"]
        if job["ActiveState"] == "failed":
            problems.append(Problem(job["Id"], f"failed ({result}): journalctl -u {job['Id']}"))
        elif job["SubState"].startswith("auto-restart") and result != "success":
            text = f"its last run failed ({result}), and it will try again"
            warnings.append(Problem(job["Id"], f"{text}: journalctl -u {job['Id']}"))
    bad = {item.path for item in (*problems, *warnings)}
    return Check(
        name="jobs",
        text=f"{count(len(jobs), 'job')} by timers, {len(bad) or 'none'} unsuccessful",
        problems=tuple(problems),
        warnings=tuple(warnings),
        figures=tuple(
            Figure(name="job_ok", value=job["Id"] not in bad, labels={"unit": job["Id"]})
            for job in jobs
        ),
    )


def _show(names: Sequence[str]) -> list[dict[str, str]]:
    if not names:
        return []
    argv = ["systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--", *names]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    blocks = done.stdout.strip().split("\n\n") if done.stdout.strip() else []
    empty = dict.fromkeys(_PROPERTIES, "")
    return [empty | dict(line.split("=", 1) for line in block.splitlines()) for block in blocks]
