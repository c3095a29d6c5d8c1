"""BIND as the lab runs it: name servers that own the zones, and a resolver for everybody.

Pure: no I/O. https://bind9.readthedocs.io/en/v9.20/reference.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dns.dnssec
import dns.name

from postolka.lab import world

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dns.rdtypes.ANY.DNSKEY import DNSKEY

    from postolka.lab.zones import Signed, View

#: Where the services' directory is mounted for named.
DIRECTORY = "/lab"
ADDRESSES: Mapping[View, world.Host] = {
    "root": world.ROOT_DNS,
    "tld": world.TLD_DNS,
    "hosts": world.HOSTS_DNS,
    "lists": world.LISTS_DNS,
}
_OPTIONS = f"""\
    directory "{DIRECTORY}";
    pid-file none;
    session-keyfile none;
    notify no;
    empty-zones-enable no;
    dump-file "/dev/null";
    managed-keys-directory "/tmp";
"""


def file_name(zone: Signed) -> str:
    """Return the name of the file that holds the zone, below DIRECTORY."""
    return f"zones/{zone.name.rstrip('.') or 'root'}"


def authority(zones: Mapping[View, Iterable[Signed]], rndc_key: str) -> str:
    """Return named.conf for the servers of all zones: one view for each address.

    So a question to the root's address gets a referral, as in the internet, although one process
    knows the answer.
    """
    listen = list(ADDRESSES.values())
    lines = [
        f"options {{\n{_OPTIONS}    recursion no;\n    dnssec-validation no;",
        f"    listen-on {{ {_list(host.ipv4 for host in listen)} }};",
        f"    listen-on-v6 {{ {_list(host.ipv6 for host in listen)} }};",
        "};",
        f'key "lab" {{ algorithm hmac-sha256; secret "{rndc_key}"; }};',
        'controls { inet 127.0.0.1 allow { 127.0.0.1; } keys { "lab"; }; };',
    ]
    for view, host in ADDRESSES.items():
        lines += [f'view "{view}" {{', f"    match-destinations {{ {_list(host.addresses)} }};"]
        lines += [
            f'    zone "{zone.name}" {{ type primary; file "{file_name(zone)}"; }};'
            for zone in zones.get(view, ())
        ]
        lines.append("};")
    return "\n".join(lines) + "\n"


def rndc(key: str) -> str:
    """Return rndc.conf."""
    return (
        f'key "lab" {{ algorithm hmac-sha256; secret "{key}"; }};\n'
        'options { default-key "lab"; default-server 127.0.0.1; };\n'
    )


def resolver(anchor: str) -> str:
    """Return named.conf for the lab's public resolver, which validates."""
    host = world.RESOLVER
    return "\n".join(
        [
            f"options {{\n{_OPTIONS}    recursion yes;\n    dnssec-validation yes;",
            "    allow-recursion { any; };",
            "    # What is published in the lab is seen at once.",
            "    max-ncache-ttl 1;\n    max-cache-ttl 1;",
            f"    listen-on {{ {host.ipv4}; }};\n    listen-on-v6 {{ {host.ipv6}; }};",
            "};",
            "controls { };",
            f'zone "." {{ type hint; file "{DIRECTORY}/root.hints"; }};',
            f"trust-anchors {{ . static-ds {anchor}; }};",
        ]
    )


def hints() -> str:
    """Return the root hints as a zone file."""
    name = f"{world.ROOT_DNS.name}."
    return (
        f". 3600000 IN NS {name}\n"
        f"{name} 3600000 IN A {world.ROOT_DNS.ipv4}\n"
        f"{name} 3600000 IN AAAA {world.ROOT_DNS.ipv6}\n"
    )


def anchor(dnskey: DNSKEY) -> tuple[int, int, int, str]:
    """Return key tag, algorithm, digest type and digest of the root's DS record."""
    made = dns.dnssec.make_ds(dns.name.root, dnskey, "SHA256")
    return made.key_tag, int(made.algorithm), int(made.digest_type), made.digest.hex().upper()


def _list(addresses: Iterable[str]) -> str:
    return " ".join(f"{address};" for address in addresses)
