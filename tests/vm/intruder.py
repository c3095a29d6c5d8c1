"""Who has taken a daemon over: a program in its SELinux domain that has every account.

So it is SELinux alone that may stop it: out of that domain the same program gets everything.
"""

from __future__ import annotations

import errno
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from tests.vm.conftest import ask

if TYPE_CHECKING:
    from postolka.machines import Machine

#: What there is to take.
TARGETS = {
    "a mail": "/var/vmail/*/*/Maildir/*/*.*",
    "the mail store": "/var/vmail",
    "a DKIM key": "/run/postolka/dkim/*/*",
    "the server's key": "/run/postolka/tls/key.pem",
    "the instance's data": "/var/lib/postolka/instance.yaml",
    "the host's key": "/var/lib/postolka/ssh/ssh_host_ed25519_key",
    "password hashes": "/etc/shadow",
    "the database": "/var/lib/mysql/ibdata1",
    "the mail queue": "/var/spool/postfix/active",
    "the database's socket": "/run/mysqld/mysqld.sock",
    "Dovecot's socket": "/run/dovecot/auth-userdb",
    "ClamAV's socket": "/run/clamav/clamd.ctl",
    "fail2ban's socket": "/run/fail2ban/fail2ban.sock",
}
#: The program's name, by which a log tells what it was refused.
NAME = "intruder"
_HOME = f"/run/{NAME}"


def taken(machine: Machine, domains: list[str]) -> dict[str, set[str]]:
    """Return what of TARGETS can be opened in each domain, and under "" without one."""
    program = shlex.quote((Path(__file__).parent / "stealing.py").read_text(encoding="utf-8"))
    patterns = shlex.quote(json.dumps(TARGETS))
    located = ask(machine, {"found": f"python3 -Ic {program} locate {patterns}"})["found"]
    words = f"-Ic {program} take {shlex.quote(located)}"
    questions = {"": f"python3 {words}"}
    for domain in domains:
        own = f"{_HOME}/{domain}/{NAME}"
        # In the log, since no domain may write to a pipe of sshd's.
        unit = f"{NAME}-{domain.removesuffix('_t')}"
        start = f"systemd-run --quiet --wait --collect --unit {unit}"
        label = f"system_u:system_r:{domain}:s0"
        questions[domain] = (
            f"install -D $(readlink --canonicalize /usr/bin/python3) {own}"
            f" && chcon --type {domain.removesuffix('_t')}_exec_t {own}"
            f" && {start} --property SELinuxContext={label} {own} {words} && journalctl --sync"
            f" && journalctl --quiet --output=cat --unit {unit} | grep '^{{'"
        )
    return {domain: _opened(said) for domain, said in ask(machine, questions).items()}


def _opened(said: str) -> set[str]:
    """Return the names of what was opened; fails where anything but rights was missing."""
    errors: dict[str, int] = json.loads(said)
    assert errors.keys() == TARGETS.keys()
    assert set(errors.values()) <= {0, errno.EACCES, errno.EPERM}, errors
    return {name for name, error in errors.items() if not error}
