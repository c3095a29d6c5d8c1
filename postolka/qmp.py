"""Talk to a running QEMU by its machine protocol.

https://www.qemu.org/docs/master/interop/qmp-spec.html
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


async def power_down(socket: Path) -> None:
    """Press the machine's power button (ACPI). Raises OSError or EOFError where QEMU is gone."""
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        await reader.readline()  # its greeting
        # The first command has to be this one, and leaves the negotiation.
        for command in ("qmp_capabilities", "system_powerdown"):
            writer.write(json.dumps({"execute": command}).encode("ascii") + b"\n")
            await writer.drain()
            await _answer(reader)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> None:
    """Read as far as the answer to a command; events may come before it."""
    while line := await reader.readline():
        message = json.loads(line)
        if "error" in message:
            raise OSError(message["error"].get("desc"))
        if "return" in message:
            return
    raise EOFError
