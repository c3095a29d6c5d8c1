"""A stock Debian 13 machine that plain pyinfra makes the server, over SSH: the rooms are honest."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, container, home, tools
from postolka.debs import Debs
from postolka.lab import userdata
from postolka.store import Store
from tests import checkouts, started
from tests.container import stock
from tests.container.conftest import new_instance, ssh, tcp_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from postolka.build import Built
    from postolka.lab.client import Lab
    from postolka.machines import Machine

# apt installs some hundred packages in it, by Debian's own scripts.
pytestmark = pytest.mark.soak
_DOMAIN = "stock.test"
_DEPLOY_SECONDS = 600
_HOST_KEY = "cut -d' ' -f1-2 {}/ssh_host_ed25519_key.pub"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The machine after pyinfra has run, and what was seen of it before."""

    machine: Machine
    subject: acceptance.Subject
    environment: dict[str, str]
    fetched: list[str]
    host_key: str
    """The machine's own, from before."""

    def deploy(self) -> dict[str, list[str]]:
        """Run pyinfra again; return the names of its operations by what each one did."""
        results = json.loads(_pyinfra(self.environment, "--json"))["results"]
        found: dict[str, list[str]] = {}
        for operation in results["operations"]:
            did = next(word for word in ("success", "no_change", "error") if operation[word])
            found.setdefault(did, []).append(operation["name"])
        return found


def _pyinfra(environment: dict[str, str], *words: str) -> str:
    """Run pyinfra as an operator does, in the checkout, and return what it printed."""
    program = Path(sys.executable).with_name("pyinfra")
    done = subprocess.run(
        [program, *words, "-y", "inventories/container.py", "deploy.py"],
        cwd=home.CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_DEPLOY_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def deployed(built: Built, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    """Boot a stock machine in the lab and put the server on it."""
    assert built.path.exists()
    place = tmp_path_factory.mktemp("stock")
    locked = checkouts.locked()
    store, debs = Store(home.store()), Debs(home.debs())
    toolbox = tools.realise(locked, "tools", store, debs, print)
    instance = new_instance(place / "files", domain=_DOMAIN)
    data = place / "user-data"
    data.write_bytes(userdata.amend(instance.user_data))
    request = container.Request(
        layers=[stock.root(locked, toolbox, store, debs)],
        id="stock",
        name=f"stock-{os.getpid()}",
        user_data=instance.user_data,
        zone=instance.zone,
        lab=lab.name,
        ports=tcp_ports(),
    )
    with (
        stock.mirror(lab, locked, debs, place / "mirror") as fetched,
        stock.running(request) as machine,
    ):
        host_key = ssh(machine, _HOST_KEY.format("/etc/ssh"))
        environment = {
            **os.environ,
            "POSTOLKA_SSH_PORT": str(machine.ports[22]),
            "POSTOLKA_SSH_KEY": str(machine.key),
            "POSTOLKA_INSTANCE": str(data),
        }
        _pyinfra(environment)
        _await_ready(machine)
        yield Stock(
            machine=machine,
            subject=acceptance.subject(machine, lab, instance.directory),
            environment=environment,
            fetched=fetched,
            host_key=host_key,
        )


def _await_ready(machine: Machine, offset: int = 0) -> None:
    state = started.await_state(machine, offset, timeout_seconds=120)
    assert (state.word, state.problems) == ("ready", ())


@pytest.mark.parametrize(
    ("promise", "check"), acceptance.CHECKS, ids=[c[0] for c in acceptance.CHECKS]
)
def test_stock_machine_keeps_the_images_promises(
    deployed: Stock, promise: str, check: Callable[[acceptance.Subject], str]
) -> None:
    """Every check that an image has to pass, on a machine that apt and pyinfra made."""
    assert check(deployed.subject), promise


def test_packages_came_from_the_mirror(deployed: Stock) -> None:
    """They were fetched by apt as on any machine, and nothing of them was there before."""
    assert sum("/pool/" in line for line in deployed.fetched) > 100
    versions = ssh(deployed.machine, "dpkg-query -W postfix dovecot-core bind9 opendkim")
    assert len(versions.splitlines()) == 4


def test_nothing_has_failed(deployed: Stock) -> None:
    """No unit is failed, and the agent has nothing to complain about."""
    assert ssh(deployed.machine, "systemctl list-units --failed --no-legend --plain") == ""
    assert "state     ready" in ssh(deployed.machine, "postolka-instance status")


def test_host_keys_are_adopted(deployed: Stock) -> None:
    """Who knew the machine before knows it still; the key was copied, and sshd uses the copy."""
    assert ssh(deployed.machine, _HOST_KEY.format("/var/lib/postolka/ssh")) == deployed.host_key
    ssh(deployed.machine, "rm /etc/ssh/ssh_host_*; systemctl restart ssh")
    assert ssh(deployed.machine, "id -un") == "root\n"


def test_the_first_user_keeps_its_id(deployed: Stock) -> None:
    """The operator's account is another one, with rights of its own."""
    assert ssh(deployed.machine, "id -u debian") == "1000\n"
    assert ssh(deployed.machine, "id -u admin") != "1000\n"
    assert ssh(deployed.machine, "su admin -c 'sudo id -un'") == "root\n"


def test_apt_keeps_the_machine_up_to_date(deployed: Stock) -> None:
    """Through the firewall, and by the validating resolver that is the machine's only one now."""
    before = len(deployed.fetched)
    said = ssh(deployed.machine, "apt-get update 2>&1")
    assert "Reading package lists" in said
    assert not [line for line in said.splitlines() if line.startswith(("W:", "E:"))]
    assert len(deployed.fetched) > before


def test_a_second_run_changes_nothing(deployed: Stock) -> None:
    """All is as it should be; only the start of everything is no question of files."""
    found = deployed.deploy()
    assert found.pop("success") == ["Machine | Start everything"]
    assert set(found) == {"no_change"}
    assert acceptance.receive(deployed.subject)


def test_a_reboot_finds_it_all(deployed: Stock) -> None:
    """The machine comes up by itself as pyinfra left it, and carries mail both ways."""
    assert deployed.machine.console
    offset = deployed.machine.console.stat().st_size
    # The connection may end before the command does.
    reboot = [*deployed.machine.ssh(), "systemctl reboot"]
    subprocess.run(reboot, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    _await_ready(deployed.machine, offset)
    for promise, check in acceptance.CHECKS:
        assert check(deployed.subject), promise
    assert ssh(deployed.machine, "systemctl list-units --failed --no-legend --plain") == ""


def test_a_user_with_sudo_will_do(deployed: Stock) -> None:
    """The first user can run the deploy, too; root is let in no more, and nothing else differs."""
    home_ssh = "/home/debian/.ssh"
    ssh(
        deployed.machine,
        "echo 'debian ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/debian; "
        f"cp -r /root/.ssh {home_ssh}; chown -R debian: {home_ssh}",
    )
    user = {**deployed.environment, "POSTOLKA_SSH_USER": "debian"}
    found = dataclasses.replace(deployed, environment=user).deploy()
    assert found.pop("success") == [
        # The manifest of settings, and what sshd and cloud-init are told of root.
        "Machine | Server | Agent | Install files",
        "Machine | Server | cloud-init | Install files",
        "Machine | Server | SSH | Install files",
        "Machine | Start everything",
    ]
    assert set(found) == {"no_change"}
    as_debian = dataclasses.replace(deployed.machine, user="debian")
    assert ssh(as_debian, "sudo sshd -T | grep -i permitrootlogin") == "permitrootlogin no\n"
    assert acceptance.receive(deployed.subject)
