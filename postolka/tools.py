"""The tools root: trixie's build tools, unpacked from locked packages, and how to run one.

A root is unpacked only: no maintainer script runs, so the host needs apt, dpkg-deb and util-linux
and nothing else, and the same packages give the same root on every host. What runs in it sees a
fixed host name, fixed paths, no network and nothing of the host but the given binds; it writes to
memory and to the given outputs, and dies with the process that started it.
"""

from __future__ import annotations

import concurrent.futures
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import clock
from postolka.errors import PostolkaError
from postolka.run import CommandError, run
from postolka.store import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from postolka.debs import Debs
    from postolka.lock import Lock, Package
    from postolka.store import Store

#: Raised when this module makes another root from the same packages.
FORMAT = 2
HOSTNAME = "postolka"
#: Links that update-alternatives would have made.
_ALTERNATIVES = {
    "usr/bin/awk": "mawk",
    "usr/bin/which": "which.debianutils",
}
#: The variable TAR_OPTIONS: what nobody reads there, a third of all files.
TAR_OPTIONS = "--anchored " + " ".join(
    f"--exclude=./usr/share/{name}" for name in ("doc", "info", "lintian", "locale", "man")
)
# As `dpkg-deb --extract`, which takes no notice of that variable. $1 package, $2 root, then how to
# enter where dpkg-deb is. Where that fails, tar finds no end of the archive.
_EXTRACT = """
package=$1 root=$2
shift 2
"$@" dpkg-deb --fsys-tarfile - <"$package" |
    tar --extract --preserve-permissions --warning=no-timestamp --directory "$root"
"""
#: trixie's dpkg-deb and its libraries. Once they are unpacked, they unpack the rest: liblzma 5.8
#: takes two thirds of the time that Debian 12's takes, or less.
_UNPACKER = ("dpkg", "libbz2-1.0", "libc6", "liblzma5", "libmd0", "libzstd1", "zlib1g")
_MERGED = ("bin", "lib", "lib64", "sbin")

# $1 root, then hostname, then triples MODE SOURCE TARGET, then "--" and the command.
# The root is the lower side of an overlay: a store path is never written to. The overlay's upper
# side is a tmpfs on the root's own /tmp, a directory that is sure to exist and to be empty.
# The shell stays, as the first process of its namespace: when it is killed with its parent, so is
# everything in it. The command itself may lose that (prctl(2), PR_SET_PDEATHSIG: a program that
# changes its group, as dnsmasq does, is no longer killed with its parent).
_ENTER = rf"""
set -eu
umask 022
ulimit -n 1024
root=$1 name=$2; shift 2
mount --make-rprivate /
mount -t tmpfs -o mode=0755 postolka "$root/tmp"
echo "$name" >/proc/sys/kernel/hostname
cd "$root/tmp"
mkdir upper work new
mount -t overlay -o "lowerdir=$root,upperdir=$root/tmp/upper,workdir=$root/tmp/work" postolka new
cd new
mount -t proc proc proc
mount -t tmpfs -o mode=0755 postolka dev
mkdir -m 1777 dev/shm
for node in null zero full random urandom tty; do
    : >dev/$node
    mount --bind /dev/$node dev/$node
done
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
while [ "$1" != -- ]; do
    if [ -d "$2" ]; then
        mkdir -p ".$3"
    else
        mkdir -p ".${{3%/*}}"
        : >".$3"
    fi
    mount --bind "$2" ".$3"
    if [ "$1" = ro ]; then mount -o remount,bind,ro ".$3"; fi
    shift 3
done
shift
unset OLDPWD PWD
status=0
{clock.ENTER}
chroot . "$@" || status=$?
exit $status
"""


@dataclass(frozen=True, slots=True)
class Tools:
    """An unpacked root and the hash of what is in it."""

    root: Path
    key: str

    def run(  # noqa: PLR0913 - each keyword is one property of a process
        self,
        argv: Sequence[str],
        *,
        binds: Mapping[str, Path] | None = None,
        writes: Mapping[str, Path] | None = None,
        network: bool = False,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
        timeout_seconds: float | None = None,
    ) -> bytes:
        """Run `argv` in the root and return its standard output; root's rights are needed.

        `binds` maps paths inside to files and directories of the host, read-only; `writes`
        likewise, writable. Other arguments and errors as for `postolka.run.run`.
        """
        whole = self.argv(argv, binds=binds, writes=writes, network=network)
        try:
            return run(
                whole,
                stdin=stdin,
                environment=environment,
                log=log,
                timeout_seconds=timeout_seconds,
            )
        except CommandError as error:
            raise CommandError(argv, error.status, error.output, log) from error

    def argv(
        self,
        argv: Sequence[str],
        *,
        binds: Mapping[str, Path] | None = None,
        writes: Mapping[str, Path] | None = None,
        network: bool = False,
        hostname: str = HOSTNAME,
    ) -> list[str]:
        """Return the command with which the host runs `argv` in the root.

        With `network` the command stays in the network namespace that it is started in.
        """
        mounts = [("ro", path, where) for where, path in (binds or {}).items()]
        mounts += [("rw", path, where) for where, path in (writes or {}).items()]
        command = ["setpriv", "--pdeathsig", "KILL", "--"]
        command += ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc"]
        command += [] if network else ["--net"]
        command += ["--", "sh", "-c", _ENTER, "postolka", str(self.root.resolve()), hostname]
        for mode, path, where in mounts:
            command += [mode, str(path.resolve()), where]
        return [*command, "--", *argv]


def key(lock: Lock, name: str) -> str:
    """Return the hash of all that the root of the set `name` is made from."""
    packages = [[p.name, p.version, p.architecture, p.sha256] for p in lock.of(name)]
    return digest(["unpacked root", FORMAT, packages])


def realise(
    lock: Lock, name: str, store: Store, debs: Debs, progress: Callable[[str], None]
) -> Tools:
    """Return the unpacked root of the set `name` (tools or lab), made if it isn't in the store."""
    packages = lock.of(name)

    def make(path: Path) -> None:
        debs.fetch(packages, progress)
        progress(f"unpacking {len(packages)} packages of the {name} root")
        _unpack(packages, debs, path)
        _complete(path)
        _clamp(path, lock.source_date_epoch)

    hashed = key(lock, name)
    return Tools(root=store.realise(name, hashed, make), key=hashed)


def _unpack(packages: Sequence[Package], debs: Debs, root: Path) -> None:
    """Unpack every package, on all processors; base-files first, it makes /bin -> usr/bin."""
    root.mkdir(mode=0o755)
    order = {"base-files": 0, **dict.fromkeys(_UNPACKER, 1)}
    # The largest ones first, so that no processor ends with a long one alone.
    queue = sorted(packages, key=lambda package: -package.size)

    def unpack(package: Package) -> None:
        enter = [] if package.name in order else ["chroot", str(root)]
        words = ["sh", "-euc", _EXTRACT, "extract", str(debs.path(package)), str(root), *enter]
        run(words, environment={"TAR_OPTIONS": TAR_OPTIONS})

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for step in range(3):
            list(pool.map(unpack, [p for p in queue if order.get(p.name, 2) == step]))
    for name in _MERGED:
        if not (root / name).is_symlink():
            raise PostolkaError(str(root), f"/{name} is no link into /usr: a package replaced it")


def _complete(root: Path) -> None:
    """Add the few files that maintainer scripts would have made."""
    etc = root / "etc"
    accounts = root / "usr/share/base-passwd"
    for name in ("passwd", "group"):
        shutil.copy(accounts / f"{name}.master", etc / name)
    with (etc / "passwd").open("a") as passwd:
        passwd.write("_apt:*:42:65534::/nonexistent:/usr/sbin/nologin\n")
    shutil.copy(root / "usr/share/libc-bin/nsswitch.conf", etc / "nsswitch.conf")
    texts = {
        "hosts": f"127.0.0.1 localhost {HOSTNAME}\n::1 localhost\n",
        "hostname": f"{HOSTNAME}\n",
    }
    for name, text in texts.items():
        (etc / name).write_text(text)
        (etc / name).chmod(0o644)  # whatever the caller's umask
    for link, target in _ALTERNATIVES.items():
        if not (root / link).is_symlink():
            (root / link).symlink_to(target)


def _clamp(root: Path, epoch: int) -> None:
    """Give what is younger than the lock, and every directory, the lock's date."""
    for parent, folders, files in os.walk(root):
        for name in [*files, *folders, "."]:
            path = Path(parent, name)
            if name == "." or path.lstat().st_mtime > epoch:
                os.utime(path, (epoch, epoch), follow_symlinks=False)
