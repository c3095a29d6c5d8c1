"""The generator beside those that make the same otherwise: mmdebstrap, mkosi, Packer over SSH."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import home, tools
from postolka.debs import Debs
from postolka.store import Store
from tests.bench import another, memory, mkosi, provision, steps
from tests.bench.figures import Figure, Goal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.lock import Lock
    from postolka.tools import Tools
    from tests.bench.steps import Bench

_MOST_MIB = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    """What all of them share."""

    work: Path
    lock: Lock
    """The checkout's, with the other package."""
    bench: Bench
    mirror: Path
    mkosi: Tools
    yardstick: float


def all_of(work: Path) -> Iterator[Figure]:
    """Yield every figure of the peers and of ours beside them, measured in the directory `work`."""
    bench, locked = steps.prepared(work)
    floor = steps.mmdebstrap(locked, work / "plain")
    yield floor
    debs, more = Debs(home.debs()), another.added(locked)
    beside = _Beside(
        work=work,
        lock=more,
        bench=bench,
        mirror=work / "mirror",
        mkosi=tools.realise(locked, mkosi.PROGRAM, Store(home.store()), debs, steps.say),
        yardstick=floor.value,
    )
    mkosi.write_mirror(more.of(mkosi.CONTENT), debs, beside.mirror, locked.source_date_epoch)
    # Ours before mkosi, which removes so many files that whoever makes some after it pays for that
    # (`steps.mmdebstrap`).
    yield steps.cold(bench, floor.value)
    yield steps.changed(bench, floor.value)
    ours = _with_more(beside)
    for theirs in _mkosi(beside, locked):
        yield theirs
    # The last one of theirs is after the same change.
    yield replace(ours, goal=Goal(most=0.4, of=theirs))
    yield _memory(beside)
    if provision.is_possible():
        yield _packer(beside)
    else:
        steps.say("no packer on PATH, so no figure of it; hint: Debian 12 has one in apt")


def _mkosi(beside: _Beside, locked: Lock) -> Iterator[Figure]:
    """Measure mkosi from the packages, and what it makes anew after a change."""
    image = mkosi.Image(work=beside.work / "mkosi", mirror=beside.mirror)
    for name, label, lock, text in (
        ("mkosi", "mkosi, the same kind of image from the packages", locked, "A mail server."),
        ("mkosi-changed", "mkosi after a changed file, with its cache", locked, "Another one."),
        ("mkosi-listed", "mkosi after another package in the list", beside.lock, "Another one."),
    ):
        mkosi.describe(image, lock, text)
        yield steps.measure(
            name, label, lambda: image.build(beside.mkosi), yardstick=beside.yardstick
        )


def _with_more(beside: _Beside) -> Figure:
    """Measure a build after the package list was changed."""
    another.write(beside.bench.checkout, beside.lock)
    return steps.measure(
        "listed",
        "ours after another package in the list",
        beside.bench.build,
        yardstick=beside.yardstick,
    )


def _memory(beside: _Beside) -> Figure:
    """Measure the memory of a build with nothing but the packages; its time isn't measured."""
    steps.say("memory of a cold build")
    bench = steps.Bench.of(beside.bench.checkout, beside.work / "watched")
    with memory.watched() as peak:
        bench.build()
    return Figure(
        name="build-memory",
        label="memory of ours from cached packages, at its peak",
        value=peak.size_bytes / (1 << 20),
        unit="MiB",
        goal=Goal(most=_MOST_MIB),
    )


def _packer(beside: _Beside) -> Figure:
    """Measure Packer's qemu builder, without the making of the disk that it boots."""
    steps.say("a stock machine for Packer")
    configured = Path(beside.bench.build()["root_layers"][0])
    machine = provision.prepare(
        beside.work / "packer",
        beside.lock.wanted["image"],
        configured / "etc",
        mirror=beside.mirror,
        mkosi=beside.mkosi,
        toolbox=tools.realise(
            beside.lock, "tools", Store(home.store()), Debs(home.debs()), steps.say
        ),
    )
    how = "KVM" if machine.has_kvm else "without KVM"
    return steps.measure(
        "packer",
        f"Packer, a machine provisioned over SSH, {how}",
        machine.build,
        yardstick=beside.yardstick,
    )
