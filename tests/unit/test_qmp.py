"""The power button: what QEMU is told, and what its answers mean."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from postolka import qmp

if TYPE_CHECKING:
    from pathlib import Path

_EVENT = {"event": "RESUME", "timestamp": {"seconds": 1, "microseconds": 2}}


async def _talk(socket: Path, answers: list[dict[str, object]]) -> list[str]:
    """Press the button of a QEMU that gives `answers`, then hangs up; return what it was told."""
    told: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"QMP": {"version": {}, "capabilities": []}}\r\n')
        for answer in answers:
            told.append(json.loads(await reader.readline())["execute"])
            # An event may come at any time.
            writer.write(
                json.dumps(_EVENT).encode() + b"\r\n" + json.dumps(answer).encode() + b"\r\n"
            )
            await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(serve, socket):
        await qmp.power_down(socket)
    return told


def test_power_button_is_pressed_after_the_negotiation(tmp_path: Path) -> None:
    """QEMU takes no command before qmp_capabilities."""
    told = asyncio.run(_talk(tmp_path / "qmp", [{"return": {}}, {"return": {}}]))
    assert told == ["qmp_capabilities", "system_powerdown"]


def test_refused_command_is_an_error(tmp_path: Path) -> None:
    """The reason is QEMU's own."""
    answers: list[dict[str, object]] = [
        {"return": {}},
        {"error": {"class": "GenericError", "desc": "no such button"}},
    ]
    with pytest.raises(OSError, match="no such button"):
        asyncio.run(_talk(tmp_path / "qmp", answers))


def test_machine_that_ends_meanwhile_is_an_error(tmp_path: Path) -> None:
    """Its socket is closed in the middle, or gone."""
    with pytest.raises((EOFError, ConnectionError)):
        asyncio.run(_talk(tmp_path / "qmp", [{"return": {}}]))
    with pytest.raises(FileNotFoundError):
        asyncio.run(qmp.power_down(tmp_path / "nothing"))
