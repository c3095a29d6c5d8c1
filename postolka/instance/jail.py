"""Who is shut out at present for too many wrong passwords, and how one comes in again. As root.

The firewall knows whom it shuts out (table bans of the room nftables), fail2ban for which address.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from postolka.errors import PostolkaError
from postolka.instance.checks.check import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

_TABLE = ("inet", "bans")
_LIST = ("nft", "--json", "list", "table", *_TABLE)
#: Of the room fail2ban.
_JAIL = "logins"
_IPV4, _CUSTOMER_BITS = 4, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """An address that is shut out, or of IPv6 the network of one."""

    network: str
    seconds: int
    """How much longer."""

    def __str__(self) -> str:
        return f"{self.network}  for another {duration(self.seconds)}"


def banned() -> tuple[Ban, ...]:
    """Return all bans, by address. Raises PostolkaError where the firewall says nothing."""
    done = subprocess.run(_LIST, capture_output=True, text=True, check=False)
    if done.returncode:
        problem = done.stderr.strip().partition("\n")[0]
        raise PostolkaError("the firewall", problem, hint="sudo postolka-instance ban list")
    return read(done.stdout)


def read(text: str) -> tuple[Ban, ...]:
    """Read the elements of the sets in nft's JSON (libnftables-json(5))."""
    sets = [item["set"] for item in json.loads(text)["nftables"] if "set" in item]
    found = [_ban(element["elem"]) for item in sets for element in item.get("elem", ())]
    return tuple(sorted(found, key=lambda ban: _order(ban.network)))


def _ban(element: Mapping[str, Any]) -> Ban:
    value = element["val"]
    if isinstance(value, dict):
        value = f"{value['prefix']['addr']}/{value['prefix']['len']}"
    return Ban(network=value, seconds=element["expires"])


def _order(network: str) -> tuple[int, int]:
    found = ipaddress.ip_network(network)
    return found.version, int(found.network_address)


def remove(text: str) -> tuple[str, ...]:
    """Let an address in again, or all of a network; return which were banned.

    Raises PostolkaError for what is no address, and where fail2ban doesn't answer.
    """
    try:
        wanted = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise PostolkaError(text, "is no address and no network") from None
    jailed = [ipaddress.ip_address(item) for item in _ask("get", _JAIL, "banip").split()]
    found = tuple(str(item) for item in jailed if _shut_out(item).overlaps(wanted))
    if found:
        _ask("set", _JAIL, "unbanip", *found)
    return found


def _shut_out(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return what is shut out with an address, as action.d/bans.conf of the room has it."""
    bits = address.max_prefixlen if address.version == _IPV4 else _CUSTOMER_BITS
    return ipaddress.ip_network(f"{address}/{bits}", strict=False)


def _ask(*words: str) -> str:
    done = subprocess.run(["fail2ban-client", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        hint = "systemctl status fail2ban"
        problem = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        raise PostolkaError("fail2ban", problem or "gives no answer", hint=hint)
    return done.stdout
