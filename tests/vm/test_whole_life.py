"""What Debian's policy refuses without a word, told aloud: each kind has been looked at.

The same image but for the setting base_selinux_dontaudit, with all that a server does in its life.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, build
from tests import checkouts
from tests.container.conftest import new_instance
from tests.container.test_mail import unverified
from tests.vm import chain, denials
from tests.vm.conftest import Boots, ask, await_state, reboot, running
from tests.vm.denials import Harmless

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.acceptance import Subject
    from postolka.machines import Machine

pytestmark = pytest.mark.soak

REVIEWED = (
    Harmless(
        "*", "*", "process", "noatsecure rlimitinh siginh",
        "a program that changes its domain gets neither environment, limits nor signals of its"
        " caller's, as it should be",
    ),
    Harmless(
        "*", "selinux_config_t", "dir", "search",
        "libselinux looks what mode is configured, and then asks the kernel",
    ),
    Harmless("*", "security_t", "filesystem", "getattr", "libselinux looks where selinuxfs is"),
    Harmless(
        "*", "self", "capability", "net_admin",
        "systemd's library and sshd ask for large socket buffers, and take what everybody may have",
    ),
    Harmless("*", "cert_t", "dir", "search", "OpenSSL looks for openssl.cnf, and has defaults"),
    Harmless(
        "systemd_networkd_t", "self", "capability", "sys_admin",
        "networkd asks for what only a manager of name spaces has",
    ),
    Harmless(
        "systemd_generator_t", "self", "capability", "sys_rawio",
        "blkid tries a CD-ROM's own commands first",
    ),
    Harmless("ssh_keygen_t", "proc_t", "file", "read", "whether the kernel is in FIPS mode"),
    Harmless("sshd_t", "proc_t", "filesystem", "getattr", "libselinux looks where selinuxfs is"),
    Harmless(
        "sshd_t", "shadow_t", "file", "read", "pam_unix asks unix_chkpwd(8), which may read it"
    ),
    Harmless(
        "amavis_t", "unreserved_port_t", "udp_socket", "name_bind",
        "the resolver's library tries ports at random until it has one",
    ),
    Harmless(
        "pyzor_t", "amavis_t", "unix_stream_socket", "read write",
        "amavis leaves its connections open for a program that doesn't use them",
    ),
)  # fmt: skip
#: What comes once a day or less.
_JOBS = "spam-bayes spam-learn postolka-deleted-mail postolka-backup systemd-tmpfiles-clean"
_QUESTIONS = {"denials": denials.QUESTION, "failed": "systemctl --failed --no-legend"}
_PAGES = ("/", "/roundcube/", "/postfixadmin/")


@pytest.fixture(name="loud", scope="module")
def _loud(boots: Boots, tmp_path_factory: pytest.TempPathFactory) -> Boots:
    """Return what boots the other derivation."""
    place = tmp_path_factory.mktemp("loud") / "checkout"
    checkout = checkouts.copy(place, checkouts.locked(), {"base_selinux_dontaudit": False})
    built = build.realise(checkout, want="disk", progress=print)
    assert built.id != boots.built.id
    return dataclasses.replace(boots, built=built)


def _browse(machine: Machine, name: str) -> None:
    """Ask for a page of each application."""
    address = (machine.host, machine.ports[443])
    for page in _PAGES:
        client = http.client.HTTPSConnection(*address, context=unverified(), timeout=120)
        with contextlib.closing(client):
            client.request("GET", page, headers={"Host": name})
            assert client.getresponse().status in (200, 302), page


def _use(machine: Machine, subject: Subject) -> None:
    """Do what the server is for, and its jobs."""
    acceptance.run(subject, lambda _promise, _seen: None)
    assert chain.outcomes(machine, subject) == chain.OUTCOMES
    _browse(machine, subject.server.name)
    jobs = "; ".join(f"systemctl start {job}.service" for job in _JOBS.split())
    status = "postolka-instance status --json >/dev/null || true"
    ask(machine, {"jobs": jobs, "apply": "postolka-instance apply", "status": status})


def test_all_that_is_refused_has_a_reason(loud: Boots, tmp_path: Path) -> None:
    """In two boots, with mails of each kind, logins, web pages, backup, new data."""
    instance = new_instance(tmp_path / "files", domain="loud.test")
    request = loud.request(instance, "loud", tmp_path / "state")
    with running(request) as machine:
        assert await_state(machine).word == "ready"
        subject = acceptance.subject(machine, loud.lab, instance.directory)
        _use(machine, subject)
        assert reboot(machine).word == "ready"
        _use(machine, subject)
        seen = ask(machine, _QUESTIONS)
    assert seen["failed"] == ""
    found = denials.kinds(seen["denials"])
    assert denials.unexplained(found, REVIEWED) == []
    # It did tell, and each entry has something to explain.
    assert [item for item in REVIEWED if not any(map(item.has, found))] == []
