"""`@rootfs/PATH`: a root file system in a directory, without anything in it running.

Every command gets namespaces of its own (mounts, processes, host name, IPC, network) with /proc,
/sys, /dev and /run in place, and an environment made from nothing. Files go in and out through such
a command as well, so that no link inside the root can lead outside. What a command leaves running
is killed when it ends. Nothing is mounted for anybody else to see, or to be left behind.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from pyinfra import logger
from pyinfra.api.exceptions import ConnectError, InventoryError
from pyinfra.api.output import echo
from pyinfra.api.util import get_file_io
from pyinfra.connectors.base import BaseConnector
from pyinfra.connectors.util import (
    CommandOutput,
    OutputLine,
    extract_control_arguments,
    make_unix_command_for_host,
)
from typing_extensions import override

from postolka import clock
from postolka.errors import PostolkaError
from postolka.run import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from io import IOBase

    from pyinfra.api.arguments import ConnectorArguments
    from pyinfra.api.command import StringCommand
    from typing_extensions import Unpack

# Run by the host's shell in the new namespaces: $1 is the root, the rest is the command. What a
# command costs is mostly the programs that are started here, so one mount(8) makes all mounts. The
# last of them covers the list.
_ENTER = f"""
set -eu
umask 022
cd "$1"; shift
mount -t tmpfs -o mode=0755,nosuid,noexec tmpfs dev
mkdir dev/shm
for name in null zero full random urandom tty; do : >"dev/$name"; done
echo "
proc proc proc nosuid,nodev,noexec
sysfs sys sysfs ro,nosuid,nodev,noexec
tmpfs run tmpfs mode=0755,nosuid,nodev
/dev/null dev/null none bind
/dev/zero dev/zero none bind
/dev/full dev/full none bind
/dev/random dev/random none bind
/dev/urandom dev/urandom none bind
/dev/tty dev/tty none bind
tmpfs dev/shm tmpfs mode=1777,nosuid,nodev
" >dev/shm/fstab
mount --all --fstab dev/shm/fstab
cp --no-dereference /dev/fd /dev/stdin /dev/stdout /dev/stderr dev
mkdir -m 1777 run/lock
echo localhost >/proc/sys/kernel/hostname
unset OLDPWD PWD
{clock.ENTER}
exec chroot . "$@"
"""
_MOUNT_POINTS = ("proc", "sys", "dev", "run")


class Root:
    """A root file system in the directory `path`, to run commands in. The caller must be root."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def check(self) -> None:
        """Raise PostolkaError unless `path` holds a root file system that can be entered."""
        for name in _MOUNT_POINTS:
            point = self.path / name
            if point.is_symlink() or not point.is_dir():
                problem = f"not a root file system: {name} is not a directory"
                raise PostolkaError(str(self.path), problem)
        done = self.run(["true"])
        if done.returncode:
            problem = f"can't be entered: {done.stderr.decode(errors='replace').strip()}"
            raise PostolkaError(str(self.path), problem)

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout_seconds: float | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `argv` in the root and return its status and output; no status is an error.

        Raises subprocess.TimeoutExpired.
        """
        return subprocess.run(
            [
                *("setpriv", "--pdeathsig", "KILL", "--"),
                *(
                    "unshare",
                    "--mount",
                    "--pid",
                    "--fork",
                    "--kill-child",
                    "--uts",
                    "--ipc",
                    "--net",
                ),
                *("--", "sh", "-c", _ENTER, "rootfs", str(self.path), *argv),
            ],
            input=stdin,
            capture_output=True,
            check=False,
            env={**ENVIRONMENT, **clock.variables()},
            cwd="/",
            timeout=timeout_seconds,
        )


class RootfsConnector(BaseConnector):
    """pyinfra's side of Root: `@rootfs/srv/root` is the directory /srv/root."""

    handles_execution = True
    root: Root

    @override
    @staticmethod
    def make_names_data(name: str | None = None) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """Yield one host named after its directory."""
        if not name:
            raise InventoryError("@rootfs/ needs a directory")
        path = f"/{name.lstrip('/')}"
        yield f"@rootfs{path}", {"rootfs_directory": path}, ["@rootfs"]

    @override
    def connect(self) -> None:
        """See whether the directory can be entered."""
        self.root = Root(Path(self.host.data.rootfs_directory))
        try:
            self.root.check()
        except PostolkaError as error:
            raise ConnectError(str(error)) from error

    @override
    def run_shell_command(
        self,
        command: StringCommand,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Unpack[ConnectorArguments],
    ) -> tuple[bool, CommandOutput]:
        """Run `command` by the root's shell; standard error comes after standard output."""
        control = extract_control_arguments(arguments)
        text = make_unix_command_for_host(self.state, self.host, command, **arguments)
        logger.debug("--> Running in %s: %s", self.root.path, text)
        if print_input:
            echo(f"{self.host.print_prefix}>>> {text}", err=True)
        try:
            done = self.root.run(
                ["sh", "-c", text.get_raw_value()],
                stdin=_bytes(control.get("_stdin")),
                timeout_seconds=control.get("_timeout") or None,
            )
        except subprocess.TimeoutExpired as error:
            raise TimeoutError from error
        output = CommandOutput(
            [
                OutputLine(buffer, line)
                for buffer, data in (("stdout", done.stdout), ("stderr", done.stderr))
                for line in data.decode(errors="surrogateescape").splitlines()
            ]
        )
        if print_output:
            for line in output.output_lines:
                echo(f"{self.host.print_prefix}{line}", err=True)
        return done.returncode in (control.get("_success_exit_codes") or [0]), output

    @override
    def put_file(
        self,
        filename_or_io: str | IOBase,
        remote_filename: str,
        remote_temp_filename: str | None = None,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Unpack[ConnectorArguments],
    ) -> bool:
        """Write a file in the root; a new one is 0644. Links are followed inside the root only."""
        with get_file_io(cast("str | IO[Any]", filename_or_io), "rb") as source:
            content = source.read()
        if isinstance(content, str):
            content = content.encode()
        done = self.root.run(["sh", "-c", 'cat >"$1"', "put", remote_filename], stdin=content)
        self._checked(done, remote_filename)
        return True

    @override
    def get_file(
        self,
        remote_filename: str,
        filename_or_io: str | IOBase,
        remote_temp_filename: str | None = None,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Unpack[ConnectorArguments],
    ) -> bool:
        """Read a file of the root; links are followed inside the root only."""
        done = self.root.run(["cat", "--", remote_filename])
        self._checked(done, remote_filename)
        with get_file_io(cast("str | IO[Any]", filename_or_io), "wb") as sink:
            sink.write(done.stdout)
        return True

    def _checked(self, done: subprocess.CompletedProcess[bytes], name: str) -> None:
        if done.returncode:
            problem = done.stderr.decode(errors="replace").strip()
            raise OSError(f"{self.host.name}: {name}: {problem}")


def _bytes(stdin: str | Iterable[str] | None) -> bytes:
    """Return what pyinfra's `_stdin` stands for: text, or a list of lines."""
    if not stdin:
        return b""
    lines = [stdin] if isinstance(stdin, str) else stdin
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines).encode()
