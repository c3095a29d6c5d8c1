"""Status on a server: what makes each light red that only a real daemon can turn on."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from postolka.instance.checks.memory import MESSAGE
from tests.container.conftest import meanwhile, ssh, stopped

if TYPE_CHECKING:
    from postolka.machines import Machine
    from postolka.mailclient import Login

_HOUSE = "/usr/share/postolka/house.json"
_CERTIFICATE = "/run/postolka/tls/certificate.pem"
_SECONDS = 60


def _status(machine: Machine) -> dict[str, Any]:
    found = json.loads(ssh(machine, "sudo postolka-instance status --json || true"))
    assert isinstance(found, dict)
    return found


def _told(machine: Machine, kind: str = "problems") -> dict[str, str]:
    return {item["path"]: item["text"] for item in _status(machine)[kind]}


def test_server_that_is_well_has_no_problem(machine: Machine) -> None:
    """Every subject has its line, and the operator sees it without sudo, too."""
    checks = {check["name"]: check["text"] for check in _status(machine)["checks"]}
    assert {"queue", "tls", "viruses", "rules", "database", "disk", "clock", "memory", "jobs"} <= (
        checks.keys()
    )
    assert "self-signed" in checks["tls"]
    assert checks["queue"] == "empty"
    said = ssh(machine, "postolka-instance status")
    assert "queue     empty" in said
    assert "state     ready" in said
    assert "problem" not in said


def test_mail_that_waits_is_red_beyond_the_limit(machine: Machine, alice: Login) -> None:
    """Setting status_queue_mails."""
    limited = f'sudo sh -c "sed \'s/\\"queue_mails\\": [0-9]*/\\"queue_mails\\": 1/\' {_HOUSE}"'
    shown = f"{limited} >/tmp/house; sudo mount --bind /tmp/house {_HOUSE}"
    send = f"echo x | /usr/sbin/sendmail {alice.address}; "
    with stopped(machine, "amavis.socket amavis.service"):
        ssh(machine, send * 2)
        deadline = time.monotonic() + _SECONDS
        while ssh(machine, "sudo postqueue -j | wc -l").strip() != "2":
            assert time.monotonic() < deadline
            time.sleep(1)
        assert "queue" not in _told(machine)
        with meanwhile(machine, shown, f"sudo umount {_HOUSE}"):
            assert _told(machine)["queue"].startswith("2 mails wait, more than 1")
    ssh(machine, "sudo postqueue -f")


def test_database_that_hangs_is_red(machine: Machine) -> None:
    """It listens, and answers nothing."""
    kill = "sudo systemctl kill --signal={} mariadb.service"
    with meanwhile(machine, kill.format("STOP"), kill.format("CONT")):
        assert _told(machine)["database"].startswith("no answer in 5 s")
    assert "database" not in _told(machine)


def test_certificate_of_another_host_is_red(machine: Machine) -> None:
    """What clients get isn't for this server's name."""
    make = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout /dev/null "
        "-subj /CN=other.test -addext subjectAltName=DNS:other.test -days 9 -out /tmp/other.pem"
    )
    shown = f"{make} 2>/dev/null; sudo mount --bind /tmp/other.pem {_CERTIFICATE}"
    with meanwhile(machine, shown, f"sudo umount {_CERTIFICATE}"):
        assert "but other.test" in _told(machine)["certificate"]


def test_limit_on_memory_that_was_met_is_told(machine: Machine) -> None:
    """As systemd notes it in the journal."""
    entry = f"MESSAGE_ID={MESSAGE}\\nMESSAGE=test\\nUNIT=test.service\\n"
    ssh(machine, f"printf '{entry}' | sudo logger --journald; sudo journalctl --sync")
    assert "1 time in the last day" in _told(machine, "warnings")["test.service"]
