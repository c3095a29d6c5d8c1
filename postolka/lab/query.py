"""Ask the lab's name servers, from inside one of its namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from postolka import namespace
from postolka.errors import PostolkaError
from postolka.lab import world

if TYPE_CHECKING:
    import socket

_PORT = 53
#: Less than the resolver takes to give up on a silent server: it remembers that for a while.
_SECONDS = 5.0


def ask(
    where: int, server: str, name: str, kind: str, *, timeout_seconds: float = _SECONDS
) -> dns.message.Message:
    """Return the answer of the server at address `server` to one question, from namespace `where`.

    Raises PostolkaError where it gives none in time.
    """
    question = dns.message.make_query(name, kind, want_dnssec=True)
    try:
        with namespace.new_socket(where, server, namespace.DATAGRAM) as sock:
            sock.setblocking(False)  # noqa: FBT003 - socket's own
            answer = dns.query.udp(question, server, timeout=timeout_seconds, port=_PORT, sock=sock)
        if answer.flags & dns.flags.TC:
            with namespace.connect(where, server, _PORT, timeout_seconds=_SECONDS) as sock:
                answer = _by_tcp(question, server, sock)
    except (dns.exception.DNSException, OSError) as error:
        raise PostolkaError(server, f"no answer about {name} {kind}: {error}") from error
    return answer


def values(answer: dns.message.Message, kind: str) -> list[bytes]:
    """Return the data of the records of a type in an answer; a TXT record's strings joined.

    A name that isn't there has none. Raises PostolkaError for a failure, such as one of DNSSEC.
    """
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        question = answer.question[0] if answer.question else "?"
        raise PostolkaError(str(question), dns.rcode.to_text(answer.rcode()))
    wanted = dns.rdatatype.from_text(kind)
    return [
        b"".join(rdata.strings) if wanted == dns.rdatatype.TXT else rdata.to_text().encode("ascii")
        for rrset in answer.answer
        if rrset.rdtype == wanted
        for rdata in rrset
    ]


def is_authentic(answer: dns.message.Message) -> bool:
    """Return whether a validating resolver vouches for the answer (RFC 4035, 3.2.3)."""
    return bool(answer.flags & dns.flags.AD)


def resolv_conf() -> str:
    """Return resolv.conf(5) for programs of the lab."""
    return f"nameserver {world.RESOLVER.ipv4}\n"


def _by_tcp(question: dns.message.Message, server: str, sock: socket.socket) -> dns.message.Message:
    sock.setblocking(False)  # noqa: FBT003 - socket's own
    return dns.query.tcp(question, server, timeout=_SECONDS, port=_PORT, sock=sock)
