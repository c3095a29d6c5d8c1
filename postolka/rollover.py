"""Put the next TLS key of an instance's data in the place of the present one, with a new next one.

The next key's digest has been in the TLSA records from the start, so DANE holds before, while and
after the server changes its key (RFC 7671, 8.1), if that is done in this order: the data, the
server, then the records. Pure but for what it is given to ask with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec

from postolka.errors import PostolkaError
from postolka.instance import dns, editing, keys
from postolka.instance.editing import Editable
from postolka.instance.parse import parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from postolka.instance.model import Instance
    from postolka.live import Lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledOver:
    """The data with the next key in use."""

    data: bytes
    instance: Instance
    done: tuple[str, ...]
    """What has changed, a line for each."""


def roll_over(data: bytes, *, where: str, serial: int) -> RolledOver:
    """Exchange the key in `data`, user-data or the document alone.

    The new serial is `serial`, or the old one's successor where that is higher. A certificate in
    the data goes, since it is for the old key. Raises ProblemsError for data that aren't valid,
    PostolkaError where they can't be edited.
    """
    instance = parse(data, where=where)
    old = Editable(data, where=where)
    tls = editing.child(old.root, "tls")
    coming = keys.encode(ec.generate_private_key(ec.SECP256R1()))
    edits = [
        editing.replaced(editing.child(tls, "key"), str(instance.tls.next_key)),
        editing.replaced(editing.child(tls, "next_key"), coming),
    ]
    done = [
        f"the key {_short(instance.tls.next_key)} takes the place of {_short(instance.tls.key)}",
        f"the next one is {_short(coming)}",
    ]
    own = [number for number, (name, _) in enumerate(tls.value) if name.value == "certificate"]
    if own:
        edits += editing.removed(old.text, tls, own)
        done.append("the certificate is gone, which was for the old key")
    new = old.changed(edits, serial=max(serial, instance.serial + 1))
    return RolledOver(data=new, instance=parse(new, where=where), done=tuple(done))


def unpublished(instance: Instance, ports: Iterable[dns.Port], ask: Lookup) -> list[str]:
    """Return the names whose TLSA records lack the next key, but not those without any.

    Raises PostolkaError where that can't be known.
    """
    _, coming = instance.tls.spki_sha256
    wanted = dict.fromkeys(
        record.name for record in dns.records(instance, ports) if record.type == "TLSA"
    )
    found = []
    for name in wanted:
        answer = ask(name, "TLSA")
        if answer.failure:
            raise PostolkaError(f"{name} TLSA", answer.failure)
        if answer.values and f"3 1 1 {coming}" not in map(str.lower, answer.values):
            found.append(name.removesuffix("."))
    return found


def _short(key: str) -> str:
    """Return the beginning of the digest that its TLSA records hold."""
    return f"{keys.spki_sha256(key)[:8]}…"
