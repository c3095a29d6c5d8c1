"""The names and addresses of the lab's own hosts, all from the ranges kept for documentation.

RFC 5737, RFC 3849 and RFC 2606; `world.zone` publishes the same. Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: What the lab publishes about itself.
ZONE = Path(__file__).with_name("world.zone")


@dataclass(frozen=True, slots=True)
class Host:
    """A host of the lab."""

    name: str
    ipv4: str
    ipv6: str

    @property
    def addresses(self) -> tuple[str, str]:
        """Both addresses."""
        return self.ipv4, self.ipv6


#: Networks as (network address, prefix length). Machines that are tried join the first pair.
SERVERS_V4, SERVERS_V6 = "203.0.113.0/24", "2001:db8:1::/64"
OUTSIDE_V4, OUTSIDE_V6 = "198.51.100.0/24", "2001:db8:2::/64"

ROUTER = Host("router.example", "198.51.100.1", "2001:db8:2::1")
ROOT_DNS = Host("root.dns.example", "198.51.100.2", "2001:db8:2::2")
TLD_DNS = Host("tld.dns.example", "198.51.100.3", "2001:db8:2::3")
HOSTS_DNS = Host("hosts.dns.example", "198.51.100.4", "2001:db8:2::4")
LISTS_DNS = Host("lists.dns.example", "198.51.100.6", "2001:db8:2::6")
RESOLVER = Host("resolver.example", "198.51.100.5", "2001:db8:2::5")
OUTSIDE = Host("mx.outside.example", "198.51.100.25", "2001:db8:2::25")
SINK = Host("mx.sink.example", "198.51.100.26", "2001:db8:2::26")
ACME = Host("acme.example", "198.51.100.80", "2001:db8:2::80")
#: Under the names of Debian's time servers.
NTP = Host("ntp.example", "198.51.100.82", "2001:db8:2::82")
MIRROR = Host("mirror.example", "198.51.100.81", "2001:db8:2::81")
#: Under the names that their clients know; both clients speak IPv4 only.
PYZOR = Host("public.pyzor.org", "198.51.100.84", "2001:db8:2::84")
RAZOR = Host("discovery.razor.cloudmark.com", "198.51.100.85", "2001:db8:2::85")

#: Who lives in which namespace; strangers share theirs with the sink.
ON_ROUTER = (ROUTER, ROOT_DNS, TLD_DNS, HOSTS_DNS, LISTS_DNS, RESOLVER)
AMONG_STRANGERS = (SINK, ACME, MIRROR, NTP, PYZOR, RAZOR)
#: Who can be told to answer nothing, by the name that users say.
SILENCEABLE = {
    "acme": ACME,
    "blocklists": LISTS_DNS,
    "mirror": MIRROR,
    "ntp": NTP,
    "pyzor": PYZOR,
    "razor": RAZOR,
}

#: The user of the stock mail server, and where strangers say that they come from.
FRIEND = "friend@outside.example"
STRANGER = "somebody@stranger.example"

#: A domain whose signatures don't hold: a validating resolver must refuse its records.
BOGUS = "bogus.example"


def stranger(number: int = 0) -> Host:
    """Return the address of one of a hundred strangers (0 to 99), who have no name."""
    host = 100 + number % 100
    return Host("", f"198.51.100.{host}", f"2001:db8:2::{host}")
