"""What the agent does to the running machine, apart from writing files."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CONSOLE = Path("/dev/console")
#: What is shown, where, and so on up to --; then the command.
_SHOW = """
while [ "$1" != -- ]; do
    mount --bind "$1" "$2"
    shift 2
done
shift
exec "$@"
"""
_SELINUX = Path("/sys/fs/selinux/enforce")


class System(Protocol):
    """The machine as the agent sees it; tests have one of their own."""

    def ids(self, user: str, group: str) -> tuple[int, int]:
        """Return uid and gid of two names."""

    def is_bound(self, target: Path) -> bool:
        """Say whether something is mounted at `target`."""

    def bind(self, source: Path, target: Path) -> None:
        """Show `source` at `target`, read-only, unless something is mounted there already."""

    def unbind(self, target: Path) -> None:
        """Undo `bind`."""

    def relabel(self, paths: Sequence[Path]) -> None:
        """Give everything below `paths` the SELinux labels of its place."""

    def set_hostname(self, name: str) -> None:
        """Make `name` the kernel's hostname."""

    def load_flows(self, rules: str) -> None:
        """Tell the firewall which ports the instance's data name."""

    def check(self, argv: Sequence[str], shown: Mapping[Path, Path]) -> str:
        """Run a checker that finds each directory in place of another; return what it says."""

    def tell(self, verb: str, units: Sequence[str]) -> None:
        """Have systemd do something with units, in their order; a failure is theirs."""

    def say(self, text: str) -> None:
        """Write lines to the console, each marked as ours."""


class Machine:
    """The real one."""

    def ids(self, user: str, group: str) -> tuple[int, int]:
        """Return uid and gid of two names. Raises PostolkaError for an unknown one."""
        try:
            return pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid
        except KeyError as error:
            raise PostolkaError(
                "accounts", f"{error.args[0]}; the image has no such name"
            ) from None

    def is_bound(self, target: Path) -> bool:
        """Look into the kernel's table: a bind mount of one's own file system has no other sign."""
        table = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
        return any(line.split(" ")[4] == str(target) for line in table.splitlines())

    def bind(self, source: Path, target: Path) -> None:
        """Bind-mount `source` over `target`, alone: what is mounted below stays behind.

        Read-only: /etc is what image and data say, until the agent says otherwise.
        """
        if not self.is_bound(target):
            _run("mount", "--bind", "--options=ro", str(source), str(target))

    def unbind(self, target: Path) -> None:
        """Unmount `target`."""
        if self.is_bound(target):
            _run("umount", str(target))

    def relabel(self, paths: Sequence[Path]) -> None:
        """Run restorecon where SELinux is on."""
        if _SELINUX.exists():
            _run("restorecon", "-RF", *map(str, paths))

    def set_hostname(self, name: str) -> None:
        """Set it in the kernel only: the image's /etc/hostname stays as it is."""
        if socket.gethostname() != name:
            socket.sethostname(name)

    def load_flows(self, rules: str) -> None:
        """Have nft take them, all or none. Without the firewall's table this fails.

        As an argument, since nft's SELinux domain reads no files of ours.
        """
        _run("nft", rules)

    def check(self, argv: Sequence[str], shown: Mapping[Path, Path]) -> str:
        """Bind-mount each directory over the other where nobody else sees it, and run `argv`.

        Return what it says, or its exit status; nothing where all is well.
        """
        pairs = [str(path) for pair in shown.items() for path in pair]
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-ec", _SHOW, "check", *pairs, "--", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        said = done.stdout.decode(errors="replace").strip()
        return said or (f"exit status {done.returncode}" if done.returncode else "")

    def tell(self, verb: str, units: Sequence[str]) -> None:
        """Run systemctl once for all, so that it keeps their order; their states tell the rest."""
        if units:
            argv = ["systemctl", verb, *units]
            subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)

    def say(self, text: str) -> None:
        """Write to standard output (the journal) and to the console, if there is one."""
        lines = "".join(f"postolka: {line}\n" for line in text.splitlines())
        os.write(1, lines.encode())
        try:
            console = os.open(_CONSOLE, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            return
        try:
            os.write(console, lines.replace("\n", "\r\n").encode())
        except OSError:
            pass
        finally:
            os.close(console)


def _run(*argv: str) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        error = done.stderr.decode(errors="replace").strip()
        raise PostolkaError(argv[0], f"exit status {done.returncode}: {error or ' '.join(argv)}")
