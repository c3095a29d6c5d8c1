"""`postolka-instance certificate`: what is served, and orders before they are due."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from postolka.errors import PostolkaError
from postolka.instance import chain, keys
from postolka.instance.acme import served, wishes
from postolka.instance.acme.record import Record
from postolka.instance.parse import parse

if TYPE_CHECKING:
    from cryptography import x509

    from postolka.instance.model import Instance
    from postolka.instance.paths import Paths

_UNIT = "postolka-acme.service"
#: The unit may be at work for another reason, and past the point where it looks.
_TRIES = 2


def run(paths: Paths, action: str, *, is_json: bool) -> str:
    """Order where `action` is a wish, and return what there is then."""
    if os.geteuid():
        raise PostolkaError("certificate", "only root may", hint="sudo postolka-instance")
    instance = parse(paths.kept.read_bytes(), where=str(paths.kept))
    if action in (wishes.RENEW, wishes.NEXT):
        _order(paths, instance, action)
    found = _facts(paths, instance)
    return json.dumps(found, indent=2) if is_json else _text(found)


def _order(paths: Paths, instance: Instance, wish: str) -> None:
    if not instance.acme.enabled:
        hint = "set acme.enabled in the instance's data, and apply them"
        raise PostolkaError("certificate", "no authority is asked", hint=hint)
    wishes.make(paths, wish)
    for _ in range(_TRIES):
        subprocess.run(["systemctl", "start", _UNIT], check=False)
        if not wishes.read(paths):
            return
    record = Record.load(paths)
    away = record.missing.get(instance.hostname)
    said = record.error or (f"{instance.hostname} {away}" if away else f"see journalctl -u {_UNIT}")
    raise PostolkaError("certificate", said, hint="it is tried again until it comes")


def _facts(paths: Paths, instance: Instance) -> dict[str, Any]:
    found = chain.load((paths.tls / "certificate.pem").read_bytes())[0]
    coming = chain.load(served.stored(paths, instance.tls.next_key))
    record = Record.load(paths)
    return {
        **_of(found, instance.tls.key),
        "authority": instance.acme.directory if instance.acme.enabled else "",
        "missing": dict(record.missing),
        "error": record.error,
        "next_key": _of(coming[0], instance.tls.next_key) if coming else None,
    }


def _of(found: x509.Certificate, private_key: str) -> dict[str, Any]:
    is_own = chain.is_self_signed(found)
    return {
        "names": list(chain.names(found)),
        "issuer": "" if is_own else chain.issuer(found),
        "begin": _time(chain.begin(found)),
        "end": _time(chain.end(found)),
        "renewal": "" if is_own else _time(chain.renewal(found)),
        "tlsa": f"3 1 1 {keys.spki_sha256(private_key)}",
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _text(found: dict[str, Any]) -> str:
    lines = [
        f"names     {' '.join(found['names'])}",
        f"issuer    {found['issuer'] or 'self-signed'}",
        f"valid     {found['begin']} to {found['end']}",
    ]
    if found["authority"]:
        lines.append(f"authority {found['authority']}")
    if found["renewal"] and found["authority"]:
        lines.append(f"renewal   {found['renewal']}")
    lines.append(f"TLSA      {found['tlsa']}")
    if found["next_key"]:
        lines.append(f"next key  has one by {found['next_key']['issuer']}")
    lines += [f"without   {name}: {why}" for name, why in found["missing"].items()]
    if found["error"]:
        lines.append(f"error     {found['error']}")
    return "\n".join(lines)
