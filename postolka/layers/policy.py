"""The SELinux policy layer: Debian's default policy with the rooms' modules, compiled.

Made from one package and the rooms' `policy.cil`, outside any root and on a host without SELinux,
so it is built beside the packages and doesn't change with them. The compiled base is a store path
of its own: it costs three quarters of the time and changes with Debian only.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError
from postolka.lock import REFRESH
from postolka.run import run
from postolka.store import digest
from pyinfra_deploys import server

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.layers.context import Context

#: Raised when this module makes another result from the same inputs.
FORMAT = 1
PACKAGE = "selinux-policy-default"
BOOLEANS = {
    # systemd-tmpfiles makes what the rooms' tmpfiles.d name, of any type.
    "systemd_tmpfiles_manage_all": 1,
}
# The newest version that trixie's kernel reads: a newer one would be converted at each boot.
_SEMANAGE = "module-store = direct\nexpand-check = 0\npolicy-version = 33\n"
_CONF, _ACTIVE = "etc/selinux/semanage.conf", "var/lib/selinux/default/active"
# $1 priority, then module files. -p: the policy below that root; -n: don't load it into a kernel.
_SEMODULE = 'p=$1; shift; exec semodule -p /policy -n -s default -X "$p" $(printf -- "-i %s " "$@")'
_BASE = (
    'cd /policy/usr/share/selinux/default; set -- $(sed "s/$/.pp.bz2/" .modules); '
    'for m; do shift; set -- "$@" "$PWD/$m"; done; set -- 100 "$@"; '
)
_OWN = "set -- 400 /modules/*.cil; "


def policy(context: Context) -> Path:
    """Return the layer's store path; `upper` in it lies over the packages' root."""
    modules = {
        room.name: (room.folder / "policy.cil").read_text(encoding="utf-8")
        for room in server.all_rooms()
        if (room.folder / "policy.cil").exists()
    }
    base = _base(context)

    def make(out: Path) -> None:
        context.progress(f"policy: compiling the modules of {len(modules)} rooms")
        out.mkdir()
        root, sources = out / "policy", out / "modules"
        run(["cp", "--archive", str(base / "policy"), str(root)])
        sources.mkdir()
        for name, text in modules.items():
            (sources / f"postolka_{name}.cil").write_text(text, encoding="utf-8")
        booleans = "".join(f"{name}={value}\n" for name, value in BOOLEANS.items())
        (root / _ACTIVE / "booleans.local").write_text(booleans, encoding="ascii")
        context.tools.run(
            ["sh", "-euc", _OWN + _SEMODULE],
            binds={"/modules": sources},
            writes={"/policy": root},
            log=context.log,
        )
        installed = out / "upper/etc/selinux"
        installed.mkdir(parents=True)
        (root / "etc/selinux/default").rename(installed / "default")
        shutil.rmtree(root)
        shutil.rmtree(sources)

    key = digest(["policy", FORMAT, base.name, modules, BOOLEANS])
    return context.store.realise("policy", key, make)


def _base(context: Context) -> Path:
    locked = [p for p in context.lock.packages if p.name == PACKAGE]
    if not locked:
        raise PostolkaError("postolka.lock", f"has no package {PACKAGE}", hint=REFRESH)
    deb = context.debs.path(locked[0])

    def make(out: Path) -> None:
        context.debs.fetch(locked, context.progress)
        context.progress(f"policy: compiling {locked[0]}")
        out.mkdir()
        root = out / "policy"
        run(["dpkg-deb", "--extract", str(deb), str(root)])
        (root / "var/lib/selinux").mkdir(parents=True, exist_ok=True)
        (root / _CONF).write_text(_SEMANAGE, encoding="ascii")
        context.tools.run(
            ["sh", "-euc", _BASE + _SEMODULE], writes={"/policy": root}, log=context.log
        )

    key = digest(["policy base", FORMAT, locked[0].sha256, context.tools.key, _SEMANAGE])
    return context.store.realise("policy-base", key, make)
