"""What `make bench` works out of what it measures, and what it changes to measure it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from postolka import home, lock
from tests.bench import another, memory
from tests.bench.figures import Figure, Goal, table

_MIB = 1 << 20
_ROLLUP = """\
55d4c0a00000-7ffd4b7f9000 ---p 00000000 00:00 0                          [rollup]
Rss:               11384 kB
Pss:                7168 kB
Pss_Anon:           6000 kB
"""
_MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 22 0:31 / /root/tmp rw shared:7 - tmpfs postolka rw,mode=755
41 22 0:32 / /root/tmp/new rw - overlay postolka rw
"""


def _figure(name: str, value: float, **more: object) -> Figure:
    return Figure(name=name, label=name, value=value, **more)  # type: ignore[arg-type]


def test_goal_of_the_value_is_a_limit_in_its_unit() -> None:
    assert _figure("memory", 2048, unit="MiB", goal=Goal(most=2048)).is_reached
    assert not _figure("memory", 2049, unit="MiB", goal=Goal(most=2048)).is_reached


def test_goal_of_the_ratio_is_a_part_of_the_yardstick() -> None:
    assert _figure("cold", 59, yardstick=100, goal=Goal(most=0.6, of="ratio")).is_reached
    assert not _figure("cold", 61, yardstick=100, goal=Goal(most=0.6, of="ratio")).is_reached


def test_goal_may_be_a_part_of_another_figure() -> None:
    """It is judged by that one, whatever the yardstick of the table is."""
    theirs = _figure("theirs", 200, yardstick=100)
    ours = _figure("ours", 70, yardstick=100, goal=Goal(most=0.4, of=theirs))
    assert ours.ratio == 0.7
    assert ours.judged == 0.35
    assert ours.is_reached
    assert ours.as_data()["goal"] == "0.40 of theirs"
    assert table([theirs, ours]).splitlines()[-1].split() == [
        "ours", "70.0", "s", "0.700", "x", "0.40", "of", "theirs", "reached,", "0.35",
    ]  # fmt: skip


def test_figure_without_a_goal_is_neither_reached_nor_missed() -> None:
    figure = _figure("mmdebstrap", 90, yardstick=90)
    assert figure.is_reached is None
    assert figure.as_data()["judged"] is None


def test_list_with_another_package_needs_nothing_that_the_lock_has_not() -> None:
    """The lock has that package, and no image wants it already."""
    locked = lock.parse((home.CHECKOUT / "postolka.lock").read_text(encoding="utf-8"))
    more = another.added(locked)
    for name in ("image", "mkosi-image"):
        before, after = ({p.name for p in each.of(name)} for each in (locked, more))
        assert after - before == {another.NAME}
        assert set(more.wanted[name]) - set(locked.wanted[name]) == {another.NAME}
    assert [p.sha256 for p in more.packages] == [p.sha256 for p in locked.packages]
    assert lock.parse(lock.serialise(more)).of("image") == more.of("image")


def test_share_of_a_process_is_read_in_bytes() -> None:
    assert memory.share(_ROLLUP) == 7 * _MIB
    assert memory.share("") == 0


def test_file_systems_of_memory_are_told_from_others() -> None:
    assert list(memory.tmpfs(_MOUNTS)) == [(os.makedev(0, 31), "/root/tmp")]


def test_memory_of_what_a_child_starts_is_seen() -> None:
    """The peak holds what a grandchild has, and is the most of all looks."""
    hold = f"held = b'x' * {64 * _MIB}; print(flush=True); input()"
    script = '"$@"; true'
    with memory.watched() as peak:
        argv = ["sh", "-c", script, "sh", sys.executable, "-c", hold]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            deadline = time.monotonic() + 30
            while peak.size_bytes < 64 * _MIB and time.monotonic() < deadline:
                time.sleep(0.01)
            child.communicate(b"\n")
    assert 64 * _MIB <= peak.size_bytes < 512 * _MIB
