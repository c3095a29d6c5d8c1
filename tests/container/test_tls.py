"""TLS as Mozilla recommends it, on every port that users reach.

https://wiki.mozilla.org/Security/Server_Side_TLS
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from tests.container import scanning
from tests.container.conftest import meanwhile, ssh
from tests.container.scanning import Port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from postolka.machines import Machine

#: sslyze's name of what a client of each port says before TLS.
_PORTS = {143: "imap", 443: "", 465: "", 587: "smtp", 993: ""}
_SIEVE = 4190
#: No authority vouches for the server's own certificate, which has no end (module
#: postolka.instance.certificate).
_OWN = {"certificate_path_validation", "maximum_certificate_lifespan"}
#: What /etc/postfix/main.cf is on a running server.
_MAIN = "/run/postolka/etc/postfix/main.cf"
#: One client comes as often as a scan does, and no stranger is made to wait.
_UNLIMITED = f"""set -e
sudo nft flush chain inet postolka limited
sudo cp --archive {_MAIN} /run/main.cf
echo 'smtpd_client_connection_rate_limit = 0' | sudo tee --append {_MAIN}
echo 'postscreen_greet_wait = 1s' | sudo tee --append {_MAIN}
sudo systemctl reload postfix.service
"""
_LIMITED = f"""set -e
sudo systemctl reload nftables.service
sudo cp --archive /run/main.cf {_MAIN}
sudo systemctl reload postfix.service
"""


@pytest.fixture(scope="module", autouse=True)
def _unlimited(machine: Machine) -> Iterator[None]:
    """Lift the limits that a scan runs into."""
    with meanwhile(machine, _UNLIMITED, _LIMITED):
        yield


@pytest.fixture(name="port", scope="module")
def _port(machine: Machine) -> Callable[[int], Port]:
    """Return how each port is reached."""
    name = ssh(machine, "hostname --fqdn").strip()

    def port(number: int) -> Port:
        return Port(
            name=name,
            address=machine.host,
            number=machine.ports[number],
            starttls="smtp" if number == 25 else _PORTS.get(number, ""),
        )

    return port


@pytest.mark.parametrize("number", _PORTS)
def test_port_is_as_mozilla_has_it(port: Callable[[int], Port], number: int) -> None:
    """Versions, ciphers, curves, certificate, and none of the known weaknesses."""
    assert scanning.complaints(port(number)).keys() == _OWN


def test_managesieve_is_as_mozilla_has_it(port: Callable[[int], Port]) -> None:
    """The same behind the STARTTLS of ManageSieve."""
    there = port(_SIEVE)
    with scanning.behind_managesieve(there.address, there.number) as number:
        here = dataclasses.replace(there, address="127.0.0.1", number=number)
        assert scanning.complaints(here).keys() == _OWN


def test_other_servers_get_tls_that_is_none_too_old(port: Callable[[int], Port]) -> None:
    """On 25 TLS is offered, 1.2 and 1.3 alone."""
    assert scanning.versions(port(25)) == ["tls_1_2", "tls_1_3"]


@pytest.mark.parametrize("number", [443, 465, 993])
def test_what_is_said_today_stays_secret(machine: Machine, number: int) -> None:
    """A client that can gets keys that no quantum computer finds later."""
    command = f"openssl s_client -connect 127.0.0.1:{number} -brief -groups X25519MLKEM768"
    assert "X25519MLKEM768" in ssh(machine, f"{command} </dev/null 2>&1")
