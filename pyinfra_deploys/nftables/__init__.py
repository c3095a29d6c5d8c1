"""The firewall, made from the rooms' PORTS and EGRESS: default drop in, out and forward."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Egress, Reader, Unit

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("nftables",)
#: An image is never changed by apt; a stock machine that carries the rooms is.
EGRESS = tuple(
    Egress(user="_apt", protocol="tcp", port=port, why="Debian's mirrors", setting="nftables.apt")
    for port in (80, 443)
)
#: Debian's unit: sysinit.target, before network-pre.target, so before the first packet.
UNITS = (Unit(name="nftables.service", needs_instance=False),)
FILES = {"/etc/postolka/flows.nft": Attributes(mode="0644")}
#: In a network namespace of its own, so that the host's rules play no part. A build host whose
#: kernel has no nf_tables can't check the rules; the first boot still does.
CHECKS = (
    (
        "unshare",
        "--net",
        "sh",
        "-c",
        "! nft list tables >/dev/null 2>&1 || nft -c -f /etc/nftables.conf",
    ),
)
READS = ("/etc/nftables.conf",)
EFFECTIVE = (("nft", "list", "ruleset"),)
#: The agent loads the flows itself, before anything may need them.
READERS = (Reader(unit="", files=("/etc/postolka/flows.nft",)),)
CHECKERS = (("nft", "-c", "-f", "/etc/nftables.conf"),)


@deploy("Firewall")
def nftables(settings: Settings) -> None:
    """Install the ruleset."""
    install(__name__, settings)
