"""A stock Debian 13 machine in a container, and the mirror in the lab that its apt fetches from.

The machine is what an installer or a cloud leaves: systemd, apt, an SSH server that lets root in by
a key, an ordinary user, and none of the rooms' packages. Both are made of the locked packages.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import subprocess
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from postolka import container, machines, namespace, seed
from postolka.lab import world
from postolka.layers import repository
from postolka.run import run
from postolka.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.debs import Debs
    from postolka.lab.client import Lab
    from postolka.lock import Lock
    from postolka.machines import Machine
    from postolka.store import Store
    from postolka.tools import Tools

#: The mirror's name in the lab; its address is one that nobody else there uses.
MIRROR = "deb.mirror.test"
_MIRROR_HOST = world.stranger(80)
_SET = "image"
_SSH_SECONDS = 60
PACKAGES = (
    "apt",
    "ca-certificates",
    "dbus",
    "iproute2",
    "libpam-systemd",
    "login",
    "netbase",
    "openssh-server",
    "passwd",
    "procps",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
    "tzdata",
    "udev",
)
# $1 is the root. The user is the first one of an installation or, by that name, of a cloud's image.
_FINISH = """\
set -eu
chroot "$1" useradd --create-home --shell /bin/bash debian
chroot "$1" systemctl enable systemd-networkd.service
rm -f "$1"/etc/ssh/ssh_host_*
: >"$1/etc/machine-id"
echo stock >"$1/etc/hostname"
"""


def root(lock: Lock, tools: Tools, store: Store, debs: Debs, more: tuple[str, ...] = ()) -> Path:
    """Return the root that every stock machine begins with, made if the store hasn't got it.

    `more`: names of further packages of the image's, configured as Debian does it.
    """
    packages = lock.of(_SET)

    def make(path: Path) -> None:
        debs.fetch(packages, print)
        repository.write(packages, debs, path / "repository", lock.source_date_epoch)
        source = f"deb [trusted=yes] copy:///build/repository {repository.SUITE} main"
        argv = ["mmdebstrap", "--mode=root", "--variant=apt", "--format=directory"]
        argv += [f"--include={','.join((*PACKAGES, *more))}", f"--customize-hook={_FINISH}"]
        argv += ['--aptopt=APT::Install-Recommends "false"']
        tools.run(
            [*argv, repository.SUITE, "/build/out/root", source],
            binds={
                "/build/repository": path / "repository",
                f"/build/repository/{repository.POOL}": debs.directory,
            },
            writes={"/build/out": path},
        )

    hashes = [[p.name, p.sha256] for p in packages]
    key = digest(["stock", 1, tools.key, hashes, (*PACKAGES, *more), _FINISH])
    return store.realise("stock", key, make) / "root"


@contextlib.contextmanager
def mirror(lab: Lab, lock: Lock, debs: Debs, directory: Path) -> Iterator[list[str]]:
    """Serve the locked packages by HTTP in the lab; yield the paths asked for so far."""
    repository.write(lock.of(_SET), debs, directory, lock.source_date_epoch)
    (directory / repository.POOL).rmdir()
    (directory / repository.POOL).symlink_to(debs.directory.absolute())
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, _: str, *words: object) -> None:
            asked.append(str(words[0]))

    handler = functools.partial(Handler, directory=str(directory))
    address = (_MIRROR_HOST.ipv4, 80)
    with ThreadingHTTPServer(address, handler, bind_and_activate=False) as server:
        server.socket.close()
        server.socket = namespace.new_socket(lab.strangers, _MIRROR_HOST.ipv4)
        server.server_bind()
        server.server_activate()
        lab.publish("mirror", f"{MIRROR}. 300 IN A {_MIRROR_HOST.ipv4}\n")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()
            lab.publish("mirror", "")


@contextlib.contextmanager
def running(request: container.Request) -> Iterator[Machine]:
    """Boot a machine whose last layer is `root`'s, and yield it once root can log in by its key."""
    with machines.starting("container", request.name) as directory:
        key = seed.write(directory, directory.name, None).key
        own = directory / "own"
        _write_own(own, key.with_suffix(".pub").read_text(encoding="ascii"))
        request = dataclasses.replace(request, layers=[own, *request.layers], is_writable=True)
        machine = dataclasses.replace(container.start(directory, request), user="root")
        machines.save(machine)
    try:
        wait_for_ssh(machine)
        yield machine
    finally:
        machines.stop(machine.name)


def wait_for_ssh(machine: Machine) -> None:
    """Return when a login succeeds; fails after a minute."""
    deadline = time.monotonic() + _SSH_SECONDS
    while True:
        done = subprocess.run(
            [*machine.ssh(), "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode == 0:
            return
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.2)


def _write_own(own: Path, public_key: str) -> None:
    """Write what its operator or its provider has put on this one machine."""
    files = {
        "root/.ssh/authorized_keys": public_key,
        "etc/apt/sources.list": f"deb [trusted=yes] http://{MIRROR}/ {repository.SUITE} main\n",
        "etc/resolv.conf": f"nameserver {world.RESOLVER.ipv4}\n",
    }
    own.mkdir(mode=0o755)
    for name, text in files.items():
        path = own / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    (own / "etc/ssh").mkdir()
    run(["ssh-keygen", "-A", "-f", str(own)])
    for path in (own / "root", own / "root/.ssh"):
        path.chmod(0o700)
