"""The image layer: the finished root as EROFS with SELinux labels, its dm-verity tree, its hash.

Finishing turns an installed Debian into one that many machines boot read-only: nothing that names a
machine or the builder, `/var` as the first content of the state partition, one date for all files.

    root.erofs    labels inside (the policy's own file_contexts, under the names that files get)
    root.verity   dm-verity's hash tree
    roothash      its root, 64 hexadecimal digits
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import shutil
import uuid
from typing import TYPE_CHECKING

from postolka import __version__
from postolka.instance.templates import attributes, environment
from postolka.layers.context import PASSING_UPPER, writable
from postolka.layers.inputs import BOOT, sources
from postolka.run import run
from postolka.store import digest
from postolka.trees import content, entries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from postolka.layers.context import Context

#: Raised when this module makes another result from the same inputs.
FORMAT = 2
#: Files that only an image has; a stock machine that carries the rooms hasn't.
FILES = BOOT / "root"
FACTORY = "usr/share/factory/var"
#: Package data are a fact of the image, so they change with it and not with the state partition.
_PACKAGE_DATA = "usr/lib/sysimage/dpkg"
_CONTEXTS = "etc/selinux/default/contexts/files/file_contexts"
#: What the state partition's labels are of, as sha256sum(1) says it: usr/libexec/postolka/labels
#: compares.
_LABELLED = "var/.labels"
_POLICY = "etc/selinux/default/policy"

# Measured on the mail set, 2 cores: lz4 in 64 KiB clusters is within 2 s of the fastest, and
# reading it costs the machine least (zstd: a sixth smaller, three times slower to make).
COMPRESSION = ("-zlz4", "-C65536")

# mkfs.erofs waits for ever when its disk is full, so somebody else has to look: at less than 1 MiB
# of free blocks, which are of 4 KiB.
_UNLESS_FULL = """
"$@" &
while kill -0 $! 2>/dev/null; do
    if [ "$(stat --file-system --format %a /out)" -lt 256 ]; then
        kill $!
        echo "$1: No space left on device" >&2
        exit 1
    fi
    sleep 0.1
done
wait $!
"""

#: What must not be in an image: another machine's, the builder's, or a compiler's.
LEFTOVERS = (
    "boot/*", "initrd.img*", "vmlinuz*", "run/*", "tmp/*", "var/tmp/*",
    "etc/.pwd.lock", "etc/*-", "etc/aliases.db", "etc/machine-id", "etc/mysql/debian.cnf",
    "etc/ssh/ssh_host_*", "etc/ssl/certs/ssl-cert-snakeoil.pem",
    "etc/ssl/private/ssl-cert-snakeoil.key", "etc/bind/rndc.key",
    "var/backups/*", "var/cache/apt/*", "var/cache/debconf/*", "var/cache/ldconfig/*",
    "var/lib/apt/lists/*", "var/lib/dbus/machine-id", "var/lib/dpkg/*-old",
    "var/lib/selinux", "usr/share/selinux", "var/lib/systemd/random-seed",
    "var/log/alternatives.log", "var/log/apt", "var/log/dpkg.log", "var/log/journal/*",
)  # fmt: skip


def image(context: Context, lower: Sequence[Path], *, name: str = "image") -> Path:
    """Return the layer's store path. `lower`: the trees that make the root, highest first.

    A tree that lies directly in a store path counts by that path's name; an overlay's by content,
    so that a step which changed nothing lets this one answer from the store.
    """
    inputs = {
        "layer": ["image", FORMAT, COMPRESSION, LEFTOVERS],
        "id": context.id,
        "version": version(context),
        "epoch": context.lock.source_date_epoch,
        "settings": context.settings.as_data(),
        "tools": context.tools.key,
        "files": sources(FILES),
        "lower": [
            entries(path) if path.name == "upper" else [path.parent.name, path.name]
            for path in lower
        ],
    }
    key = digest(inputs)

    def make(out: Path) -> None:
        context.progress("image: finishing the root")
        out.mkdir()
        with writable(context, lower, out / "changes", PASSING_UPPER) as root:
            finish(root, context)
            context.progress("image: writing the file system")
            _write_erofs(context, root, out, key)
        shutil.rmtree(out / "changes")
        # Hashed here, beside the tree: the store's record then knows its hash.
        written = out / "root.erofs"
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            hashed = beside.submit(content, written, written.lstat(), context.store.hashes)
            _write_verity(context, out, key)
            hashed.result()

    return context.store.realise(name, key, make)


def version(context: Context) -> str:
    """Return IMAGE_VERSION: the release, then what tells two builds of it apart.

    systemd-sysupdate and systemd-boot order images by it; no "+", which counts boots there.
    """
    return f"{__version__}-{context.id[:8]}"


def finish(root: Path, context: Context) -> None:
    """Turn the merged, writable tree `root` into the image's."""
    for pattern in LEFTOVERS:
        for path in root.glob(pattern):
            _remove(path)
    _identify(root, context)
    _install(root, context)
    _move_packages(root)
    _move_var(root)


def _identify(root: Path, context: Context) -> None:
    """Say which image this is, and leave open which machine."""
    with (root / "usr/lib/os-release").open("a", encoding="utf-8") as release:
        release.write(os_release(context))
    # Empty: the next boot's id comes from the firmware, and PID 1 binds it over this file.
    _write(root, "etc/machine-id", "")
    _write(root, "etc/hostname", "localhost\n")
    _write(root, "etc/fstab", "")
    # No step that systemd takes after an update of /usr is due: all were taken here.
    nanoseconds = context.lock.source_date_epoch * 10**9
    for directory in ("etc", "var"):
        _write(root, f"{directory}/.updated", f"TIMESTAMP_NSEC={nanoseconds}\n")
    contexts = sorted((root / _CONTEXTS).parent.glob("file_contexts*"))
    known = hashlib.sha256(b"".join(path.read_bytes() for path in contexts)).hexdigest()
    _write(root, _LABELLED, f"{known}  -\n")


def os_release(context: Context) -> str:
    """Return the lines that os-release gets beside Debian's."""
    return f"IMAGE_ID=postolka\nIMAGE_VERSION={version(context)}\nBUILD_ID={context.id}\n"


def _install(root: Path, context: Context) -> None:
    names = {"settings": attributes(context.settings.as_data())}
    for path in sorted(FILES.rglob("*")):
        where = str(path.relative_to(FILES))
        if path.is_symlink():
            _write(root, where, "")
            (root / where).unlink()
            (root / where).symlink_to(path.readlink())
        elif path.suffix == ".j2":
            template = environment().from_string(path.read_text(encoding="utf-8"))
            _write(root, where.removesuffix(".j2"), template.render(names))
        elif path.is_file():
            mode = 0o755 if os.access(path, os.X_OK) else 0o644
            _write(root, where, path.read_text(encoding="utf-8"), mode)


def _move_packages(root: Path) -> None:
    target = root / _PACKAGE_DATA
    target.parent.mkdir(parents=True, exist_ok=True)
    run(["mv", "--no-target-directory", str(root / "var/lib/dpkg"), str(target)])
    (root / "var/lib/dpkg").symlink_to(f"/{_PACKAGE_DATA}")


def _move_var(root: Path) -> None:
    """Make /var, /home and root's home mount points, and their content the factory's."""
    (root / FACTORY).parent.mkdir(parents=True, exist_ok=True)
    for source, target in (("var", ""), ("home", "/home"), ("root", "/roothome")):
        moved = root / source
        status = moved.stat()
        run(["mv", "--no-target-directory", str(moved), f"{root}/{FACTORY}{target}"])
        moved.mkdir()
        moved.chmod(status.st_mode & 0o7777)


def _write_erofs(context: Context, root: Path, out: Path, key: str) -> None:
    (policy,) = (root / _POLICY).iterdir()
    epoch = str(context.lock.source_date_epoch)
    # Every label must be one that the policy knows.
    check = ["setfiles", "-c", f"/root/{_POLICY}/{policy.name}", f"/root/{_CONTEXTS}"]
    context.tools.run(check, binds={"/root": root}, log=context.log)
    context.tools.run(
        [
            "sh", "-euc", _UNLESS_FULL, "sh",
            "mkfs.erofs", "--quiet", *COMPRESSION, "-T", epoch, "-U", _uuid(key, "root"),
            f"--file-contexts=/root/{_CONTEXTS}", "/out/root.erofs", "/root",
        ],
        binds={"/root": root},
        writes={"/out": out},
        log=context.log,
    )  # fmt: skip


def _write_verity(context: Context, out: Path, key: str) -> None:
    context.tools.run(
        [
            "veritysetup", "format", "--salt", hashlib.sha256(key.encode()).hexdigest(),
            "--uuid", _uuid(key, "verity"), "--root-hash-file", "/out/roothash",
            "/out/root.erofs", "/out/root.verity",
        ],
        writes={"/out": out},
        log=context.log,
    )  # fmt: skip


def _uuid(key: str, name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{key} {name}"))


def _write(root: Path, where: str, text: str, mode: int = 0o644) -> None:
    path = root / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
