"""Which chain the daemons show, and the authority's chains on the state partition.

There is one for each key that had one, so that data with another key find theirs at once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from postolka.instance import certificate, chain, files, keys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography import x509

    from postolka.instance.model import Instance
    from postolka.instance.paths import Paths


def pem(paths: Paths, instance: Instance, names: Sequence[str]) -> str:
    """Return the chain to serve, in PEM form: the instance's own, the authority's, or self-signed.

    Whatever its dates are: the clock may be wrong at boot, and one that has ended says more to who
    looks than one that nobody vouches for. All hold the key that TLSA records name.
    """
    if instance.tls.certificate:
        return instance.tls.chain_pem
    if found := ordered(paths, instance):
        return found.decode("ascii")
    return certificate.self_signed(instance.tls.key, names)


def ordered(paths: Paths, instance: Instance) -> bytes:
    """Return the authority's chain for the key in use, in PEM form; empty: none, or none wanted."""
    content = stored(paths, instance.tls.key) if instance.acme.enabled else b""
    problem = chain.problem(chain.load(content), instance.tls.key, instance.hostname)
    return b"" if problem else content


def certificates(paths: Paths, instance: Instance) -> tuple[x509.Certificate, ...]:
    """Return what `ordered` returns as certificates."""
    return chain.load(ordered(paths, instance))


def stored(paths: Paths, private_key: str) -> bytes:
    """Return the chain that is kept for a key, in PEM form; empty: none."""
    try:
        return file(paths, private_key).read_bytes()
    except FileNotFoundError:
        return b""


def file(paths: Paths, private_key: str) -> Path:
    """Return where the chain for a key is."""
    return paths.certificates / f"{keys.spki_sha256(private_key)}.pem"


def put(paths: Paths, private_key: str, content: bytes) -> bytes:
    """Keep a chain for a key, or none (empty); return what was there before."""
    path, before = file(paths, private_key), stored(paths, private_key)
    if content:
        files.write(
            path,
            files.File(content=content, mode=0o644, uid=os.getuid(), gid=os.getgid()),
            is_durable=True,
        )
    else:
        path.unlink(missing_ok=True)
    return before


def sweep(paths: Paths, instance: Instance, now: float) -> None:
    """Remove chains of other keys that have ended."""
    keep = {file(paths, key) for key in (instance.tls.key, instance.tls.next_key)}
    for path in set(paths.certificates.glob("*.pem")) - keep:
        found = chain.load(path.read_bytes())
        if not found or now >= chain.end(found[0]):
            path.unlink()
