"""DNS blocklists of the lab, of addresses (DNSBL) and of domains (URIBL). Pure.

They have the names of the real ones, so that a server's rules find them as they stand.
https://www.spamhaus.org/faqs/dnsbl-usage/ RFC 5782
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

import dns.exception
import dns.name
import dns.reversename

from postolka.errors import PostolkaError

#: The lists' own entries.
ZONE = Path(__file__).with_name("lists.zone")
#: What their name server owns; it can be told to be silent.
APEXES = frozenset(
    dns.name.from_text(name)
    for name in (
        "spamhaus.org",
        "spamhaus.net",
        "uribl.com",
        "surbl.org",
        "spamcop.net",
        "mailspike.net",
        "dnswl.org",
    )
)
#: Where an address is put, and a domain, if nobody says where: as a known source of spam.
ADDRESS_LISTS = {"zen.spamhaus.org": ("127.0.0.2", "127.0.0.4")}
DOMAIN_LISTS = {"dbl.spamhaus.org": ("127.0.1.2",), "multi.uribl.com": ("127.0.0.2",)}
#: What each answers, about everything, to whoever asks through a public resolver.
REFUSALS = {
    "zen.spamhaus.org": ("127.255.255.254",),
    "dbl.spamhaus.org": ("127.255.255.254",),
    "multi.uribl.com": ("127.0.0.1",),
}
EVERYTHING = "*"
_ANSWERS = ip_network("127.0.0.0/8")
#: An entry that comes or goes is seen at once.
_TTL_SECONDS = 1


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """What one list says about one address, domain, or everything (`*`)."""

    where: str
    """The list: zen.spamhaus.org."""
    subject: str

    @property
    def name(self) -> str:
        """The name that is asked for (RFC 5782, 2.1 and 2.4), with the final dot."""
        return f"{_labels(self.subject)}.{self.where.rstrip('.')}."


def entries(subject: str, where: str | None, answers: tuple[str, ...]) -> dict[Entry, list[str]]:
    """Return the entries that put `subject` on the list `where`, or on the usual ones.

    Without `answers` it gets each list's usual ones; for everything (`*`), those with which a list
    refuses to answer. Raises PostolkaError for what no list can say.
    """
    usual = ADDRESS_LISTS if _is_address(subject) else DOMAIN_LISTS
    usual = REFUSALS if subject == EVERYTHING else usual
    for answer in answers:
        if not _is_address(answer) or ip_address(answer) not in _ANSWERS:
            hint = "lists answer with an address in 127.0.0.0/8 (RFC 5782, 2.1)"
            raise PostolkaError(answer, "is no answer of a blocklist", hint=hint)
    lists = [where] if where else sorted(usual)
    found = {}
    for name in lists:
        entry = Entry(name.rstrip(".").lower(), subject.rstrip(".").lower())
        try:
            dns.name.from_text(entry.name)
        except dns.exception.DNSException as error:
            problem = f"neither an address nor a domain: {error}"
            raise PostolkaError(subject, problem) from error
        found[entry] = list(answers or usual.get(entry.where, ("127.0.0.2",)))
    return found


def zone(blocked: dict[Entry, list[str]]) -> str:
    """Return the records of the lists as a zone file's text: their own, and the entries.

    A list that says something about everything says nothing else: a name below an existing one
    would not get that answer (RFC 4592, 3.3.1).
    """
    closed = {entry.where for entry in blocked if entry.subject == EVERYTHING}
    lines = [
        line
        for line in ZONE.read_text(encoding="ascii").splitlines()
        if line.startswith(";") or not any(f".{where}. " in line for where in closed)
    ]
    for entry, answers in sorted(blocked.items()):
        if entry.subject == EVERYTHING or entry.where not in closed:
            lines += [f"{entry.name} {_TTL_SECONDS} IN A {answer}" for answer in answers]
            # SpamCop's is known by its name in the text.
            text = f"blocked by {entry.where} of the lab"
            lines.append(f'{entry.name} {_TTL_SECONDS} IN TXT "{text}"')
    return "".join(f"{line}\n" for line in lines)


def _labels(subject: str) -> str:
    """Return an address backwards, or a domain as it is."""
    if not _is_address(subject):
        return subject
    name = dns.reversename.from_address(subject)
    # Without in-addr.arpa. or ip6.arpa., and the root.
    return dns.name.Name(name.labels[:-3]).to_text()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
