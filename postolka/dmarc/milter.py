"""The daemon: a milter that Postfix asks behind OpenDMARC, about each mail on port 25.

    dmarc-policy CONFIGURATION

Whatever goes wrong here is a 4xx for the mail, by libmilter's answer or Postfix' own
(milter_default_action): nothing passes unjudged.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dns.exception
import dns.name
import dns.resolver
import Milter

from postolka.dmarc import suffixes
from postolka.dmarc.judge import Mail, Outcome, Policy, UnknownError, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOCKET = "inet:8894@127.0.0.1"
#: OpenDMARC's own two.
_SUFFIXES = (
    Path("/usr/share/publicsuffix/public_suffix_list.dat"),
    Path("/etc/opendmarc/private_suffixes"),
)
#: Debian's resolver on loopback; it tells an absent record from a failure.
_RESOLVER = "127.0.0.1"
_DNS_SECONDS = 10
#: What a mail's header may cost in memory, fields of each kind.
_MAX_FIELDS = 200
#: Dovecot's global Sieve script files by it.
MARK = "X-DMARC-Disposition"
_log = logging.getLogger("dmarc-policy")


def record(domain: str) -> str | None:
    """Return the DMARC record that stands at `domain` itself, or None (RFC 7489, 6.6.3).

    Raises UnknownError where the DNS doesn't say.
    """
    try:
        name = dns.name.from_text(f"_dmarc.{domain}.")
    except (dns.exception.DNSException, UnicodeError):
        return None  # no such name can be
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [_RESOLVER]
    try:
        answer = resolver.resolve(name, "TXT", lifetime=_DNS_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return None
    except dns.exception.DNSException as error:
        raise UnknownError(type(error).__name__) from error
    texts = (b"".join(item.strings).decode("ascii", errors="replace") for item in answer)
    return next((text for text in texts if text.startswith("v=DMARC1")), None)


class Judge(Milter.Base):  # type: ignore[misc]
    """One connection of Postfix."""

    policy: Policy
    trusted: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network] = ()

    def __init__(self) -> None:
        super().__init__()
        self._authors: list[str] = []
        self._results: list[str] = []

    def connect(self, _name: str, _family: int, address: Any) -> int:  # noqa: ANN401 - libmilter's
        """Let everything pass that a trusted host brings."""
        if isinstance(address, tuple):
            client = ipaddress.ip_address(address[0].partition("%")[0])
            if any(client in network for network in self.trusted):
                return int(Milter.ACCEPT)
        return int(Milter.CONTINUE)

    def envfrom(self, _sender: str, *_options: str) -> int:
        """Begin a mail."""
        self._authors, self._results = [], []
        return int(Milter.CONTINUE)

    @Milter.noreply  # type: ignore[untyped-decorator]
    def header(self, name: str, value: str) -> int:
        """Keep what the mail is judged by."""
        kept = {"from": self._authors, "authentication-results": self._results}.get(name.lower())
        if kept is not None and len(kept) < _MAX_FIELDS:
            kept.append(value)
        return int(Milter.CONTINUE)

    def eom(self) -> int:
        """Judge the mail."""
        outcome = judge(Mail(authors=self._authors, results=self._results), self.policy)
        _log.info("%s: %s: %s", self.getsymval("i") or "?", outcome.action, outcome.why)
        return self._act(outcome)

    def _act(self, outcome: Outcome) -> int:
        text = outcome.why.encode("ascii", errors="replace").decode("ascii").replace("%", "%%")
        if outcome.action == "refuse":
            self.setreply("550", "5.7.1", text)
            return int(Milter.REJECT)
        if outcome.action == "defer":
            self.setreply("451", "4.7.1", f"{text}; try again later")
            return int(Milter.TEMPFAIL)
        if outcome.action == "spam":
            self.addheader(MARK, "quarantine", 0)
        return int(Milter.CONTINUE)


def main() -> int:
    """Serve until stopped."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):  # noqa: PLR2004 - name and configuration
        print("usage: dmarc-policy CONFIGURATION", file=sys.stderr)  # noqa: T201 - to the operator
        return 0 if sys.argv[1:] == ["--help"] else 2
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    data = json.loads(Path(sys.argv[1]).read_bytes())
    lines = (line for path in _SUFFIXES for line in path.read_text(encoding="utf-8").splitlines())
    rules = suffixes.read(lines)
    Judge.policy = Policy(
        authserv_id=data["authserv_id"],
        on_failure=data["on_failure"],
        record=record,
        organisation=lambda domain: suffixes.organisation(domain, rules),
        draw=lambda: random.randrange(100),  # noqa: S311 - a sample, not a secret
    )
    Judge.trusted = [ipaddress.ip_network(item) for item in data["trusted"]]
    Milter.factory = Judge
    Milter.set_flags(Milter.ADDHDRS)
    Milter.set_exception_policy(Milter.TEMPFAIL)
    Milter.runmilter("dmarc-policy", _SOCKET, timeout=300)
    return 0
