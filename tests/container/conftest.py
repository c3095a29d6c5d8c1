"""The server in a container in the lab, booted once for all tests of a run."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, build, container, example, identity, mailclient
from postolka.instance import document, firewall
from postolka.lab import client, world
from pyinfra_deploys import server
from pyinfra_deploys.settings import Settings
from tests import started, together
from tests.container import senders

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from postolka import console
    from postolka.acceptance import Subject
    from postolka.build import Built
    from postolka.lab.client import Lab
    from postolka.machines import Machine

DOMAIN = "example.test"
#: A boot beside other work.
BOOT_SECONDS = 120
#: On an emulated machine beside others amavis needs minutes to start, and ten to reload.
COMMAND_SECONDS = 1200
#: The lab, but for its last strangers: tests try many wrong passwords.
_NEVER_BANNED = (
    *(world.SERVERS_V4, world.SERVERS_V6),
    *("198.51.100.0/25", "198.51.100.128/26", "2001:db8:2::/120", "2001:db8:2::100/121"),
)
_numbers = itertools.count(1)
_SHARED = pytest.StashKey[list["Machine"]]()
#: A login costs more than most commands do: those that follow each other share one.
_ONE_LOGIN = (
    *("-o", "ControlMaster=auto", "-o", "ControlPersist=20"),
    *("-o", f"ControlPath={tempfile.gettempdir()}/postolka-ssh-%C"),
)
#: The journal's text, of what was said a moment ago too.
JOURNAL = "sudo journalctl --sync; sudo journalctl --quiet --output=cat"
_EXPLANATION = (
    "sudo journalctl --quiet --facility=mail --lines=200 --output=short-precise; sudo postqueue -p"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """The files that `postolka instance new` wrote."""

    directory: Path

    @property
    def user_data(self) -> bytes:
        """What the machine gets."""
        return (self.directory / "user-data").read_bytes()

    @property
    def zone(self) -> str:
        """What the lab publishes."""
        return (self.directory / "zone").read_text(encoding="ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Boots:
    """Boots containers of this checkout's root in the lab."""

    built: Built
    lab: Lab

    def request(
        self, instance: Instance | None, state: Path | None = None, user_data: bytes | None = None
    ) -> container.Request:
        """Return what to boot: an instance's machine, or one without data."""
        given = instance.user_data if instance and user_data is None else user_data
        return container.Request(
            layers=self.built.root_layers,
            id=self.built.id,
            name=f"test-{os.getpid()}-{next(_numbers)}",
            user_data=given,
            zone=instance.zone if instance else "",
            lab=self.lab.name,
            state=state,
            ports=self.built.public_tcp_ports(),
        )


def running(request: container.Request) -> AbstractContextManager[Machine]:
    """Start a machine whatever it will report, and take its power at the end."""
    return started.running("container", container.start, request)


def tcp_ports() -> list[int]:
    """Return the ports that the server shows to the world."""
    return server.public_tcp_ports(Settings())


def new_instance(
    directory: Path,
    domain: str = DOMAIN,
    accounts: tuple[str, ...] = ("alice", "bob"),
    addresses: tuple[str, ...] = (),
    *,
    acme: bool = False,
) -> Instance:
    """Write a new instance's files. The host of the mailing list outside is a trusted forwarder."""
    request = identity.Request(
        domain=domain,
        hostname=f"mail.{domain}",
        accounts=accounts,
        addresses=addresses,
        acme=acme,
    )
    return _written(directory, request)


def new_relay(directory: Path, domain: str) -> Instance:
    """Write the same for a server whose mail goes on to the lab's sink, which sends by it."""
    request = identity.Request(domain=domain, hostname=f"mail.{domain}")
    return _written(directory, example.without_mailboxes(request))


def _written(directory: Path, request: identity.Request) -> Instance:
    example.write(request, directory)
    instance = Instance(directory=directory)
    lists = list(world.stranger(senders.LISTS.number).addresses)
    more = (
        f"dmarc: {{trusted_forwarders: {json.dumps(lists)}}}\n"
        f"bans: {{allowed: {json.dumps(_NEVER_BANNED)}}}\n"
    )
    (directory / "user-data").write_bytes(with_data(instance, more))
    return instance


def with_data(instance: Instance, more: str) -> bytes:
    """Return the instance's user-data with `more` fields (YAML) in its document."""
    old = document.part(instance.user_data, where="test")
    assert instance.user_data.count(old) == 1
    return instance.user_data.replace(old, old.rstrip(b"\n") + f"\n{more}".encode("ascii"))


def reboot(machine: Machine) -> console.State:
    """Reboot from the inside and return what the machine reports afterwards."""
    return started.reboot(machine, timeout_seconds=BOOT_SECONDS)


def ssh(machine: Machine, command: str, *, timeout_seconds: float = COMMAND_SECONDS) -> str:
    """Run a shell command on the machine and return its output; fails as the command does."""
    program, *words = machine.ssh()
    done = subprocess.run(
        [program, *_ONE_LOGIN, *words, command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_seconds,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def meanwhile(machine: Machine, before: str, after: str) -> Iterator[None]:
    """Have the machine as the command `before` makes it, until `after` has undone that."""
    ssh(machine, before)
    try:
        yield
    finally:
        ssh(machine, after)


def stopped(machine: Machine, units: str) -> AbstractContextManager[None]:
    """Have these units stopped, and started again at the end."""
    return meanwhile(machine, f"sudo systemctl stop {units}", f"sudo systemctl start {units}")


def sql(machine: Machine, statement: str) -> str:
    """Have the database's root run a statement that has no quotation marks but single ones."""
    return ssh(machine, f'sudo mariadb --skip-column-names postfixadmin --execute "{statement}"')


def is_within(path: str, places: Iterable[str]) -> bool:
    """Say whether a path of the machine is one of these, or below one."""
    return any(PurePosixPath(path).is_relative_to(place) for place in places)


def counters(machine: Machine) -> dict[str, int]:
    """Return how many packets each rule of the firewall has met, by its name."""
    text = ssh(machine, "sudo nft --json list counters table inet postolka")
    return firewall.packets(text.encode("ascii"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show beside a failure what the machine's mail log and queue say."""
    report = yield
    machine = getattr(item, "funcargs", {}).get("machine")
    if report.failed and machine:
        done = subprocess.run(
            [*machine.ssh(), _EXPLANATION], capture_output=True, text=True, check=False, timeout=60
        )
        report.sections.append(("the machine's log and queue", done.stdout))
    return report


@pytest.fixture(scope="session")
def built() -> Built:
    """Return the checkout's root, built if the store hasn't got it."""
    return build.realise(want="root", progress=print, temporary_lock=True)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Start a lab of this run's own."""
    with client.start(f"test-{os.getpid()}", progress=print) as lab:
        yield lab


@pytest.fixture(scope="session")
def boots(built: Built, lab: Lab) -> Boots:
    """Return what boots further machines."""
    return Boots(built=built, lab=lab)


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """Return the instance of the server that all tests share."""
    return new_instance(tmp_path_factory.mktemp("instance") / "files")


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest) -> Iterator[list[Machine]]:
    """Keep the server that all tests share, or none, until the end."""
    running = request.session.stash.setdefault(_SHARED, [])
    yield running
    _drop(running)


def _drop(running: list[Machine]) -> None:
    while running:
        started.drop(running.pop().name)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Where others run beside, give its memory back once the files are through that share it."""
    is_last = nextitem is None or together.group(nextitem.nodeid) != together.group(item.nodeid)
    if is_last and hasattr(item.config, "workerinput"):
        _drop(item.session.stash.get(_SHARED, []))


@pytest.fixture(scope="module")
def machine(shared: list[Machine], boots: Boots, instance: Instance) -> Machine:
    """Return the server that all tests share, booted by the first of them."""
    if not shared:
        shared.append(container.run(boots.request(instance)))
    return shared[0]


@pytest.fixture(scope="module")
def subject(machine: Machine, lab: Lab, instance: Instance) -> Subject:
    """Return the shared server as mail users and strangers see it."""
    return acceptance.subject(machine, lab, instance.directory)


@pytest.fixture
def alice(subject: Subject) -> mailclient.Login:
    """Return the login of the first mailbox."""
    return subject.first


@pytest.fixture
def bob(subject: Subject) -> mailclient.Login:
    """Return the login of the second mailbox."""
    return subject.second
