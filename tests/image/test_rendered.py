"""An example instance in the built root: each daemon's own checker has nothing to say about it.

The image's agent renders the files, in the image's root, and mounts them where the daemons look.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from postolka import identity
from postolka.instance import document
from postolka.lab import userdata
from pyinfra_deploys import server
from pyinfra_deploys.connectors.rootfs import Root
from tests.image.overlay import mounted

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.build import Built

# The words after it are the checker's.
_BOOT = """
set -eu
mkdir /dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts
ln -s pts/ptmx /dev/ptmx
ip link set lo up
nft -f /etc/nftables.conf
cd /usr/lib/tmpfiles.d
systemd-tmpfiles --create postolka-*.conf
cd /
cat >/run/postolka/incoming/instance.yaml
postolka-instance render >/run/said || { cat /run/said; exit 1; }
exec "$@"
"""
# $1 is a file, $2 a line for its end, the rest a checker's words.
_SPOIL = """
{ cat "$1"; echo "$2"; } >/run/spoilt
mount --bind /run/spoilt "$1"
shift 2
exec "$@"
"""
# The words after it are a checker's command each.
_EACH = """
for command in "$@"; do
  sh -c "$command" >/run/said 2>&1 </dev/null
  printf '%s: %s\\0' "$?" "$(cat /run/said)"
done
"""
#: By the words that a checker is known by.
_CHECKERS = {" ".join(argv): argv for room in server.all_rooms() for argv in room.checkers}


@pytest.fixture(name="rendered", scope="module")
def _rendered(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the root as a machine has it, writable."""
    with mounted(built.root_layers, tmp_path_factory.mktemp("rendered")) as path:
        yield path


def _example(*, is_in_lab: bool) -> bytes:
    """Return instance data with both families' addresses and more than one mailbox."""
    request = identity.Request(
        domain="example.test",
        hostname="mail.example.test",
        addresses=("192.0.2.25", "2001:db8::25"),
        accounts=("alice", "bob"),
    )
    made = identity.make(request, serial=2026010101, ports=()).user_data
    data = userdata.amend(made) if is_in_lab else made
    return document.part(data, where="example")


def _boot(root: Path, data: bytes, argv: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
    return Root(root).run(["sh", "-c", _BOOT, "boot", *argv], stdin=data, timeout_seconds=60)


@pytest.fixture(name="said", scope="module", params=[False, True], ids=["internet", "lab"])
def _said(rendered: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return what each checker ends with and says, asked one after the other in one machine."""
    argv = ["sh", "-c", _EACH, "each", *map(shlex.join, _CHECKERS.values())]
    done = _boot(rendered, _example(is_in_lab=request.param), tuple(argv))
    return dict(zip(_CHECKERS, done.stdout.decode().split("\0"), strict=False))


@pytest.mark.parametrize("checker", _CHECKERS)
def test_checker_has_nothing_to_say(said: dict[str, str], checker: str) -> None:
    """No error, no warning; with the internet's DNS root and with another one."""
    assert said[checker] == "0: "


@pytest.mark.parametrize(
    ("checker", "file", "line"),
    [
        ("postfix check", "/etc/postfix/main.cf", "smtpd_tls_chain_files"),
        ("postconf", "/etc/postfix/main.cf", "no_such_parameter = 1"),
        ("doveconf", "/etc/dovecot/dovecot.conf", "no_such_setting = 1"),
        ("named-checkconf", "/etc/bind/named.conf", "no-such-option yes;"),
        ("opendkim.conf", "/etc/opendkim.conf", "NoSuchSetting yes"),
        ("nft -c", "/etc/nftables.conf", "no such statement"),
    ],
)
def test_checker_would_find_a_mistake(rendered: Path, checker: str, file: str, line: str) -> None:
    """One wrong line in a file, and the same call isn't silent any more."""
    (words,) = (argv for name, argv in _CHECKERS.items() if checker in name)
    argv = ("sh", "-ec", _SPOIL, "spoil", file, line, *words)
    done = _boot(rendered, _example(is_in_lab=False), argv)
    assert done.returncode or done.stdout + done.stderr
