"""The one place that drives pyinfra: what it would do to a fresh machine, and doing it to a root.

pyinfra is imported inside the functions only, since an answer from the store needs none of it.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any, cast

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pyinfra.api.command import PyinfraCommand
    from pyinfra.api.host import Host
    from pyinfra.api.state import State

_TAIL_LINES = 20


def plan(deploy: Callable[..., None], *arguments: object) -> list[dict[str, Any]]:
    """Return every operation of `deploy(*arguments)` with its commands, as for a fresh machine.

    Nothing is run. Plain data, ready for JSON: file contents and standard input as SHA-256.

    Raises what rendering raises, and PostolkaError for a command that can't be planned.
    """
    from pyinfra.context import ctx_host, ctx_state  # noqa: PLC0415

    state, host = _state("@fake/plan", {"fake_delay": 0.0, "fake_delay_jitter": 0.0})
    _add(state, deploy, *arguments)
    steps = []
    with ctx_state.use(state), ctx_host.use(host):
        for operation in host.op_hash_order:
            generator = state.ops[host][operation].command_generator
            steps.append(
                {
                    "name": _name(state, operation),
                    "commands": [_described(command) for command in generator()],
                }
            )
    return steps


def apply(root: Path, log: Path, deploy: Callable[..., None], *arguments: object) -> int:
    """Run `deploy(*arguments)` on the root file system in `root`; return how much it changed.

    That is the number of operations that ran any command. pyinfra's own log goes to `log`.

    Raises PostolkaError with the operation, the command and the end of its output.
    """
    from gevent import get_hub  # noqa: PLC0415
    from pyinfra import logger  # noqa: PLC0415
    from pyinfra.api.exceptions import PyinfraError  # noqa: PLC0415
    from pyinfra.api.operations import run_ops  # noqa: PLC0415

    handler, said = logging.FileHandler(log), _Said(logging.ERROR)
    logger.addHandler(handler)
    logger.addHandler(said)
    logger.setLevel(logging.INFO)
    # gevent would print a traceback of its own for what is raised here anyway.
    hub = get_hub()
    stream, hub.exception_stream = hub.exception_stream, None
    try:
        state, host = _state(f"@rootfs{root}", {})
        _add(state, deploy, *arguments)
        try:
            run_ops(state)
        except PyinfraError as error:
            text = f"{error}{_tail(said.lines)}"
            raise _failure(state, host, log) or PostolkaError("pyinfra", text) from error
        finally:
            host.disconnect()
        return sum(
            state.ops[host][operation].operation_meta.did_change()
            for operation in host.op_hash_order
        )
    finally:
        hub.exception_stream = stream
        logger.removeHandler(handler)
        logger.removeHandler(said)
        handler.close()


class _Said(logging.Handler):
    """Keeps what pyinfra says, for where it raises without a reason."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _tail(lines: Sequence[str]) -> str:
    return "".join(f"\n  | {line}" for line in lines[-_TAIL_LINES:])


def _state(name: str, data: dict[str, Any]) -> tuple[State, Host]:
    """Return a connected State with one host: pyinfra tells operations apart by their index."""
    from pyinfra.api.config import Config  # noqa: PLC0415
    from pyinfra.api.connect import connect_all  # noqa: PLC0415
    from pyinfra.api.exceptions import PyinfraError  # noqa: PLC0415
    from pyinfra.api.inventory import Inventory  # noqa: PLC0415
    from pyinfra.api.state import State  # noqa: PLC0415

    inventory = Inventory(([name], data))  # type: ignore[no-untyped-call]
    config = Config(FAIL_PERCENT=0)  # type: ignore[no-untyped-call]
    state = State(inventory, config, check_for_changes=False)
    try:
        connect_all(state)
    except PyinfraError as error:
        raise PostolkaError(name, f"pyinfra can't connect: {error}") from error
    return state, next(iter(state.inventory))


def _add(state: State, deploy: Callable[..., None], *arguments: object) -> None:
    from pyinfra.api.deploy import add_deploy  # noqa: PLC0415

    add_deploy(state, deploy, *arguments)


def _name(state: State, operation: str) -> str:
    return ", ".join(sorted(map(str, state.op_meta[operation].names)))


def _described(command: PyinfraCommand) -> dict[str, Any]:
    from pyinfra.api.command import FileUploadCommand, StringCommand  # noqa: PLC0415
    from pyinfra.api.util import get_file_io  # noqa: PLC0415

    arguments = {name: value for name, value in command.connector_arguments.items() if value}
    stdin = arguments.pop("_stdin", None)
    described: dict[str, Any] = {}
    if isinstance(command, StringCommand):
        described = {"run": command.get_raw_value()}
    elif isinstance(command, FileUploadCommand):
        with get_file_io(command.src, "rb") as source:
            described = {"put": command.dest, "content": _sha256(source.read())}
    if not described or arguments:
        raise PostolkaError("plan", f"no way to tell what {command!r} does: {arguments}")
    if stdin is not None:
        text = stdin if isinstance(stdin, str) else "\n".join(cast("Iterable[str]", stdin))
        described["stdin"] = _sha256(text.encode())
    return described


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _failure(state: State, host: Host, log: Path) -> PostolkaError | None:
    """Return what went wrong in the operation that didn't succeed."""
    for operation in host.op_hash_order:
        meta = state.ops[host][operation].operation_meta
        if meta.is_complete() and meta.did_error():
            commands = meta._commands or []  # noqa: SLF001 - there is no public name
            command = str(commands[-1]) if commands else "(no command)"
            tail = _tail([*meta.stdout_lines, *meta.stderr_lines])
            problem = f"failed: {command[:500]}{tail}"
            return PostolkaError(_name(state, operation), problem, hint=f"the log is in {log}")
    return None
