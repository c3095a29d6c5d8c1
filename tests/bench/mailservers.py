"""The servers that mail is measured on: ours, and the same daemons as Debian configures them.

All run in containers in one lab, on the same disk, from the same locked packages.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from postolka import build, container, derivation, example, home, lock, machines, tools
from postolka.debs import Debs
from postolka.errors import PostolkaError
from postolka.store import Store
from tests.bench.mailflow import Target
from tests.container import stock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.lab.client import Lab
    from postolka.machines import Machine

_NAME = "mail.debian.test"
_DOMAIN = "debian.test"
_SIGNATURE = home.CHECKOUT / "pyinfra_deploys/clamav/rootfs/usr/share/postolka/clamav/postolka.ndb"
_USER, _PASSWORD = "alice", "bench-password"
#: What of the image's daemons a mail passes when Debian's packages are put together by hand.
_PACKAGES = (
    "postfix",
    "dovecot-imapd",
    "amavisd-new",
    "spamassassin",
    "libmail-spf-perl",
    "clamav-daemon",
    "opendkim",
    "opendmarc",
)
# The names of the machine, a user, and nothing else: all the rest is as the packages leave it.
_SETUP = f"""
set -eu
hostname {_NAME}
echo '127.0.1.1 {_NAME} mail' >>/etc/hosts
useradd --create-home {_USER}
echo '{_USER}:{_PASSWORD}' | chpasswd
postconf -e myhostname={_NAME} 'mydestination=$myhostname, {_DOMAIN}, localhost' relayhost=
newaliases
systemctl restart postfix dovecot
"""
# /usr/share/doc/amavisd-new/README.postfix.gz, the lines that Debian's 15-content_filter_mode has
# as comments, and both milters on TCP. clamd has a signature of our image's: it needs one to start.
_FILTERS = f"""
set -eu
cat >/etc/amavis/conf.d/50-user <<'END'
use strict;
$myhostname = '{_NAME}';
@bypass_virus_checks_maps = (
   \\%bypass_virus_checks, \\@bypass_virus_checks_acl, \\$bypass_virus_checks_re);
@bypass_spam_checks_maps = (
   \\%bypass_spam_checks, \\@bypass_spam_checks_acl, \\$bypass_spam_checks_re);
1;
END
postconf -e content_filter=smtp-amavis:[127.0.0.1]:10024
postconf -M 'smtp-amavis/unix=smtp-amavis unix - - y - 2 smtp -o smtp_data_done_timeout=1200'
postconf -M '127.0.0.1:10025/inet=127.0.0.1:10025 inet n - y - - smtpd -o content_filter='
mkdir -p /etc/systemd/system/clamav-daemon.service.d
cat >/etc/systemd/system/clamav-daemon.service.d/any.conf <<'END'
[Unit]
ConditionPathExistsGlob=
END
cat >/var/lib/clamav/eicar.ndb <<'END'
{_SIGNATURE.read_text(encoding="ascii").strip()}
END
adduser --quiet clamav amavis
sed -i 's|^Socket.*|Socket inet:8891@127.0.0.1|' /etc/opendkim.conf
sed -i 's|^Socket.*|Socket inet:8893@127.0.0.1|' /etc/opendmarc.conf
postconf -e smtpd_milters=inet:127.0.0.1:8891,inet:127.0.0.1:8893
systemctl daemon-reload
systemctl restart clamav-daemon opendkim opendmarc amavis postfix
for i in $(seq 60); do test -S /run/clamav/clamd.ctl && break; sleep 0.5; done
test -S /run/clamav/clamd.ctl
"""


@contextlib.contextmanager
def ours(lab: Lab, directory: Path) -> Iterator[tuple[Machine, Target]]:
    """Boot the checkout's root as mail.example.test."""
    image = build.realise(want="root", progress=_say, temporary_lock=True)
    example.new_instance(directory)
    request = container.Request(
        layers=image.root_layers,
        id=image.id,
        name=f"bench-{os.getpid()}-ours",
        user_data=(directory / "user-data").read_bytes(),
        zone=(directory / "zone").read_text(encoding="ascii"),
        lab=lab.name,
        ports=[22],
    )
    machine = container.run(request)
    try:
        found = json.loads((directory / "credentials.json").read_text(encoding="utf-8"))
        account = found["accounts"][0]
        (address,) = lab.lookup(found["hostname"], "A")
        yield (
            machine,
            Target(
                lab=lab,
                address=address.decode("ascii"),
                recipient=account["address"],
                login=account["address"],
                password=account["password"],
            ),
        )
    finally:
        machines.stop(machine.name)


def without_filters(machine: Machine) -> None:
    """Let mail pass amavis by, until the next boot."""
    # What was rendered at boot is mounted read-only.
    command = "mount -o remount,bind,rw /etc/postfix"
    command += " && postconf -e content_filter= receive_override_options= && postfix reload"
    run(machine, f"sudo sh -c '{command}'")


@contextlib.contextmanager
def debians(lab: Lab, state: Path) -> Iterator[tuple[Machine, Target]]:
    """Boot a stock machine with the daemons, and give it a name and a user."""
    request = container.Request(
        layers=[_root()],
        id="stock",
        name=f"bench-{os.getpid()}-debian",
        lab=lab.name,
        state=state,
        ports=[22],
    )
    with stock.running(request) as machine:
        run(machine, _SETUP)
        address = run(machine, "hostname --all-ip-addresses").split()[0]
        lab.publish(_NAME, f"{_DOMAIN}. 300 IN MX 10 {_NAME}.\n{_NAME}. 300 IN A {address}\n")
        yield (
            machine,
            Target(
                lab=lab,
                address=address,
                recipient=f"{_USER}@{_DOMAIN}",
                login=_USER,
                password=_PASSWORD,
            ),
        )


def with_filters(machine: Machine) -> None:
    """Put the milters before Debian's Postfix, and amavis with both scanners behind it."""
    run(machine, _FILTERS)


def run(machine: Machine, script: str) -> str:
    """Run a shell script on the machine and return its output. Raises PostolkaError."""
    done = subprocess.run(
        [*machine.ssh(), "sh"], input=script, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise PostolkaError("bench", f"{machine.name}: {done.stdout}{done.stderr}")
    return done.stdout


def _root() -> Path:
    path = derivation.locks(home.CHECKOUT, temporary=True)[-1]
    locked = lock.parse(path.read_text(encoding="utf-8"), where=path.name)
    store, debs = Store(home.store()), Debs(home.debs())
    toolbox = tools.realise(locked, "tools", store, debs, _say)
    return stock.root(locked, toolbox, store, debs, _PACKAGES)


def _say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr)  # noqa: T201 - progress
