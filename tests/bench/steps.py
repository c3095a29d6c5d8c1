"""What is measured, one function a figure."""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postolka import example, home, lock, tools, vm
from postolka.debs import Debs
from postolka.errors import PostolkaError
from postolka.store import Store
from tests import checkouts
from tests.bench import plain
from tests.bench.figures import Figure, Goal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from postolka.lock import Lock

MEMORY_MIB = 1024
_HITS = 5
#: Sets of the lock that are needed whatever is measured.
_MEASURED = ("image", "kernel", "tools")
#: A baked template, changed by a comment: the root, the image and the disk are made anew.
_TEMPLATE = "pyinfra_deploys/postfix/rootfs/etc/postfix/master.cf.j2"


@dataclass(frozen=True, slots=True)
class Bench:
    """A checkout and a generator's directory to measure in."""

    checkout: Path
    home: Path

    @classmethod
    def of(cls, checkout: Path, directory: Path) -> Bench:
        """Return one whose home, which is made, has the machine's packages and nothing else."""
        directory.mkdir()
        (directory / "debs").symlink_to(home.debs())
        return cls(checkout, directory)

    def postolka(self, *words: str) -> str:
        """Run the command with these words, show its progress, and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "postolka", *words],
            env={
                **os.environ,
                "PYTHONPATH": str(self.checkout),
                "POSTOLKA_HOME": str(self.home),
            },
            cwd=self.checkout,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise PostolkaError("bench", f"postolka {' '.join(words)} has failed")
        return done.stdout

    def build(self, *words: str) -> dict[str, Any]:
        """Build the checkout's image and return what `--json` prints."""
        answer: dict[str, Any] = json.loads(self.postolka("build", "--json", *words))
        return answer

    def change(self) -> None:
        """Change a template by a comment."""
        with (self.checkout / _TEMPLATE).open("a", encoding="utf-8") as template:
            template.write("# Changed.\n")


def fetch(locked: Lock) -> None:
    """Have every package in the cache, read once: no figure depends on the network or on that."""
    Debs(home.debs()).fetch([p for p in locked.packages if set(p.sets) & set(_MEASURED)], say)


def mmdebstrap(locked: Lock, work: Path) -> Figure:
    """Measure the yardstick."""
    debs = Debs(home.debs())
    toolbox = tools.realise(locked, "tools", Store(home.store()), debs, say)
    plain.prepare(locked, debs, work)
    # What it makes stays until all is measured: whenever an ext4 without a journal makes a file, it
    # passes over each inode that was freed within the last minutes, one by one.
    return measure(
        "mmdebstrap",
        "plain mmdebstrap, the image's packages",
        lambda: plain.install(locked, toolbox, debs, work),
    )


def measure(
    name: str,
    label: str,
    work: Callable[[], object],
    *,
    yardstick: float | None = None,
    goal: Goal | None = None,
) -> Figure:
    """Measure the seconds that `work` takes; without a `yardstick` they are one themselves."""
    say(label)
    seconds, cpu = _timed(work)
    return Figure(
        name=name,
        label=label,
        value=seconds,
        cpu_seconds=cpu,
        yardstick=yardstick or seconds,
        goal=goal,
    )


def cold(bench: Bench, yardstick: float) -> Figure:
    """Measure a build with nothing but the packages."""
    return measure(
        "cold",
        "ours from cached packages, to the disk",
        bench.build,
        yardstick=yardstick,
        goal=Goal(most=0.6, of="ratio"),
    )


def hit(bench: Bench, yardstick: float) -> Figure:
    """Measure a build of what is in the store; the median of some."""
    say("store hit")
    times = [_timed(bench.build) for _ in range(_HITS)]
    return Figure(
        name="hit",
        label="ours again, from the store",
        value=statistics.median(seconds for seconds, _ in times),
        cpu_seconds=statistics.median(cpu for _, cpu in times),
        yardstick=yardstick,
        goal=Goal(most=0.3),
    )


def changed(bench: Bench, yardstick: float) -> Figure:
    """Measure a build after a change of one template."""
    bench.change()
    return measure(
        "changed",
        "ours after a changed template",
        bench.build,
        yardstick=yardstick,
        goal=Goal(most=12),
    )


def changed_root(bench: Bench, yardstick: float) -> Figure:
    """Measure the same up to what a container boots."""
    bench.change()
    return measure(
        "changed-root",
        "ours after a changed template, to a container's root",
        lambda: bench.build("--root"),
        yardstick=yardstick,
        goal=Goal(most=4),
    )


def container(bench: Bench, yardstick: float, user_data: Path) -> Figure:
    """Measure the boot of the root in a container."""
    say("a container")
    name = f"bench-{os.getpid()}-container"
    words = [
        "container",
        "run",
        bench.build()["id"],
        "--name",
        name,
        "--user-data",
        str(user_data),
        "--detach",
    ]
    seconds, _ = _timed(lambda: bench.postolka(*words))
    bench.postolka("container", "stop", name)
    return Figure(
        name="container",
        label="container, power-on to ready",
        value=seconds,
        yardstick=yardstick,
    )


def machine(bench: Bench, yardstick: float, user_data: Path) -> Iterator[Figure]:
    """Measure the boot of a virtual machine, and the memory that it uses then."""
    built = bench.build()
    # Whether KVM works on this machine is tried once, and not part of a boot.
    has_kvm = vm.has_kvm(Path(built["disk"]))
    (bench.home / "kvm").write_text("yes" if has_kvm else "no", encoding="ascii")
    how = "KVM" if has_kvm else "without KVM"
    say(f"a virtual machine of {MEMORY_MIB} MiB, {how}")
    name = f"bench-{os.getpid()}"
    words = ["vm", "run", built["id"], "--name", name, "--memory", str(MEMORY_MIB), "--detach"]
    words += ["--user-data", str(user_data)]
    seconds, _ = _timed(lambda: bench.postolka(*words))
    try:
        memory = bench.postolka("vm", "ssh", name, "cat", "/proc/meminfo")
    finally:
        bench.postolka("vm", "stop", name)
    yield Figure(
        name="vm",
        label=f"virtual machine of {MEMORY_MIB} MiB {how}, power-on to ready",
        value=seconds,
        yardstick=yardstick,
    )
    kib = {key: int(size) for key, size in re.findall(r"^(\w+): +(\d+) kB$", memory, re.MULTILINE)}
    yield Figure(
        name="memory",
        label="memory in use there, of the machine's",
        value=(kib["MemTotal"] - kib["MemAvailable"]) / 1024,
        unit="MiB",
        yardstick=MEMORY_MIB,
    )


def all_of(work: Path) -> Iterator[Figure]:
    """Yield every figure of Postolka's and the yardstick, measured in the directory `work`."""
    bench, locked = prepared(work)
    plainly = mmdebstrap(locked, work / "plain")
    yield plainly
    for step in (cold, hit, changed_root, changed):
        yield step(bench, plainly.value)
    example.new_instance(work / "instance")
    user_data = work / "instance/user-data"
    yield container(bench, plainly.value, user_data)
    yield from machine(bench, plainly.value, user_data)


def prepared(work: Path) -> tuple[Bench, Lock]:
    """Return a copy of the checkout to measure in, below `work`, and its lock."""
    work.mkdir()
    locked = lock.parse((home.CHECKOUT / "postolka.lock").read_text(encoding="utf-8"))
    bench = Bench.of(checkouts.copy(work / "checkout", locked), work / "home")
    fetch(locked)
    return bench, locked


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that `work` takes, and those of processor time of its processes."""
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    seconds, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu


def say(line: str) -> None:
    """Show what is measured now."""
    print(f"bench: {line}", file=sys.stderr)  # noqa: T201 - progress
