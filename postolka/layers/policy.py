"""The SELinux policy layer: Debian's default policy with the rooms' modules, compiled.

Made from one package and the rooms' `policy.cil`, outside any root and on a host without SELinux,
so it is built beside the packages and doesn't change with them. Debian's modules, as CIL, are a
store path of their own, which changes with Debian only.
"""

from __future__ import annotations

import bz2
import shutil
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError
from postolka.layers.context import in_memory
from postolka.lock import REFRESH
from postolka.run import run
from postolka.store import digest
from pyinfra_deploys import server

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.layers.context import Context

#: Raised when this module makes another result from the same inputs.
FORMAT = 3
PACKAGE = "selinux-policy-default"
BOOLEANS = {
    # systemd-tmpfiles makes what the rooms' tmpfiles.d name, of any type.
    "systemd_tmpfiles_manage_all": 1,
}
# The newest version that trixie's kernel reads: a newer one would be converted at each boot. The
# module store is thrown away, so compressing it would only take time.
_SEMANAGE = """\
module-store = direct
expand-check = 0
policy-version = 33
bzip-blocksize = 0
"""
_PACKAGED = "usr/share/selinux/default"
_CONF, _ACTIVE = "etc/selinux/semanage.conf", "var/lib/selinux/default/active"
# semodule would do the same, one by one.
_CONVERT = """
cd /packaged
printf '%s\\n' *.pp | xargs -P "$(nproc)" -I NAME /usr/libexec/selinux/hll/pp NAME /modules/NAME
"""
# -p: the policy below that root; -n: don't load it into a kernel; -B: compile what its store holds.
_COMPILE = ("semodule", "-p", "/policy", "-n", "-s", "default", "-B")
#: Of Debian's modules and ours in that store; a module of the same name with a higher one wins.
_BASE_PRIORITY, _OWN_PRIORITY = 100, 400


def policy(context: Context) -> Path:
    """Return the layer's store path; `upper` in it lies over the packages' root."""
    modules = {
        room.name: (room.folder / "policy.cil").read_text(encoding="utf-8")
        for room in server.all_rooms()
        if (room.folder / "policy.cil").exists()
    }
    base = _base(context)
    compile_ = [*_COMPILE, *([] if context.settings.base.selinux_dontaudit else ["-D"])]

    def make(out: Path) -> None:
        context.progress(f"policy: compiling the modules of {len(modules)} rooms")
        installed = out / "upper/etc/selinux"
        installed.mkdir(parents=True)
        with in_memory(context) as root:
            run(["cp", "--archive", f"{base / 'policy'}/.", str(root)])
            (root / _CONF).write_text(_SEMANAGE, encoding="ascii")
            for name, text in modules.items():
                _store(root, _OWN_PRIORITY, f"postolka_{name}", text.encode())
            booleans = "".join(f"{name}={value}\n" for name, value in BOOLEANS.items())
            (root / _ACTIVE / "booleans.local").write_text(booleans, encoding="ascii")
            context.tools.run(compile_, writes={"/policy": root}, log=context.log)
            run(["cp", "--archive", str(root / "etc/selinux/default"), str(installed)])

    key = digest(["policy", FORMAT, base.name, modules, BOOLEANS, _SEMANAGE, compile_])
    return context.store.realise("policy", key, make)


def _store(root: Path, priority: int, name: str, cil: bytes) -> None:
    """Put a module into the store, as `semodule -i` does.

    That goes through all modules for each that it puts there.
    """
    module = root / _ACTIVE / "modules" / str(priority) / name
    module.mkdir(parents=True)
    (module / "cil").write_bytes(cil)
    (module / "lang_ext").write_text("cil", encoding="ascii")


def _base(context: Context) -> Path:
    locked = [p for p in context.lock.packages if p.name == PACKAGE]
    if not locked:
        raise PostolkaError("postolka.lock", f"has no package {PACKAGE}", hint=REFRESH)
    deb = context.debs.path(locked[0])

    def make(out: Path) -> None:
        context.debs.fetch(locked, context.progress)
        context.progress(f"policy: converting {locked[0]}")
        out.mkdir()
        with in_memory(context) as work:
            root, packaged, modules = work / "root", work / "packaged", work / "modules"
            for folder in (root, packaged, modules):
                folder.mkdir()
            context.tools.run(
                ["dpkg-deb", "--extract", "/package.deb", "/unpacked"],
                binds={"/package.deb": deb},
                writes={"/unpacked": root},
                log=context.log,
            )
            for name in (root / _PACKAGED / ".modules").read_text(encoding="ascii").split():
                compressed = (root / _PACKAGED / f"{name}.pp.bz2").read_bytes()
                (packaged / f"{name}.pp").write_bytes(bz2.decompress(compressed))
            context.tools.run(
                ["sh", "-euc", _CONVERT],
                binds={"/packaged": packaged},
                writes={"/modules": modules},
                log=context.log,
            )
            shutil.rmtree(root / "usr")
            run(["cp", "--archive", str(root), str(out / "policy")])
            for module in modules.iterdir():
                _store(out / "policy", _BASE_PRIORITY, module.name, module.read_bytes())

    key = digest(["policy base", FORMAT, locked[0].sha256, context.tools.key, _CONVERT])
    return context.store.realise("policy-base", key, make)
