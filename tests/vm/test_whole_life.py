"""All that a server does in its life, enforcing: nothing is refused.

And what Debian's policy refuses without a word, told aloud by the same image but for the setting
base_selinux_dontaudit: each kind has been looked at.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from postolka import acceptance, build
from postolka.instance import chain as chain_of_trust
from tests import checkouts
from tests.container import signing_in
from tests.container.conftest import new_instance
from tests.container.test_status import FETCH
from tests.vm import chain, denials
from tests.vm.conftest import Boots, ask, await_state, reboot, running
from tests.vm.denials import Harmless

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from tests.vm.denials import Denial

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
_JOBS = (
    "spam-bayes spam-learn postolka-deleted-mail postolka-backup postolka-exceptions"
    " systemd-tmpfiles-clean"
)
_QUESTIONS = {"denials": denials.QUESTION, "failed": "systemctl --failed --no-legend"}
_PLACE = b"\nbackup:\n  path: /var/backups/postolka/mail\n"


@pytest.fixture(name="loud", scope="module")
def _loud(boots: Boots, tmp_path_factory: pytest.TempPathFactory) -> Boots:
    """Return what boots the other derivation."""
    place = tmp_path_factory.mktemp("loud") / "checkout"
    checkout = checkouts.copy(place, checkouts.locked(), {"base_selinux_dontaudit": False})
    built = build.realise(checkout, want="disk", progress=print)
    assert built.id != boots.built.id
    return dataclasses.replace(boots, built=built)


def _log_in(machine: Machine, subject: Subject) -> None:
    for application, login in (("postfixadmin", subject.admin), ("roundcube", subject.first)):
        answer = signing_in.try_login(
            machine, subject.server.name, application, login.address, login.password
        )
        assert answer.status == 302, application
    header = signing_in.basic(subject.admin.address, subject.admin.password)
    page = signing_in.ask(machine, subject.server.name, "/status/", headers=header)
    assert page.status == 200


def _certificate(machine: Machine) -> x509.Certificate:
    where = (machine.host, machine.ports[993])
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(where).encode("ascii"))


def _use(machine: Machine, subject: Subject) -> None:
    """Do what the server is for, and its jobs."""
    acceptance.run(subject, lambda _promise, _seen: None)
    assert chain.outcomes(machine, subject) == chain.OUTCOMES
    _log_in(machine, subject)
    # One has been ordered at the start, or is now.
    ask(machine, {"issue": "systemctl start postolka-acme"})
    before = _certificate(machine)
    assert chain_of_trust.issuer(before).startswith("Pebble")
    questions = {
        "renew": "postolka-instance certificate renew",
        # As `systemctl edit` does it.
        "reload": "systemctl daemon-reload",
        **{job: f"systemctl start {job}" for job in _JOBS.split()},
        "backups": "postolka-instance backup list --json",
        "status": "postolka-instance status --json >/dev/null || true",
        "metrics": f"python3 -Ic {shlex.quote(FETCH)}",
    }
    # Each has its time, on an emulated machine beside other work.
    seen = {name: ask(machine, {name: line})[name] for name, line in questions.items()}
    assert _certificate(machine).serial_number != before.serial_number
    assert json.loads(seen["backups"])
    assert "postolka_" in seen["metrics"]


def _denied(boots: Boots, name: str, place: Path) -> list[Denial]:
    """Return what was refused in two boots: mails of each kind, logins, certificates, jobs."""
    instance = new_instance(place / "files", domain=f"{name}.test", acme=True)
    user_data = instance.user_data.replace(b"\nbackup:\n", _PLACE)
    assert user_data != instance.user_data
    request = dataclasses.replace(
        boots.request(instance, name, place / "state"), user_data=user_data
    )
    with running(request) as machine:
        assert await_state(machine).word == "ready"
        subject = acceptance.subject(machine, boots.lab, instance.directory)
        _use(machine, subject)
        assert reboot(machine).word == "ready"
        _use(machine, subject)
        seen = ask(machine, _QUESTIONS)
    assert seen["failed"] == ""
    return denials.kinds(seen["denials"])


def test_nothing_is_refused(boots: Boots, tmp_path: Path) -> None:
    """Not once, by the image as it is."""
    assert _denied(boots, "silent", tmp_path) == []


def test_all_that_is_refused_has_a_reason(loud: Boots, tmp_path: Path) -> None:
    """By the image that tells all."""
    found = _denied(loud, "loud", tmp_path)
    assert denials.unexplained(found, REVIEWED) == []
    # It did tell, and each entry has something to explain.
    assert [item for item in REVIEWED if not any(map(item.has, found))] == []
