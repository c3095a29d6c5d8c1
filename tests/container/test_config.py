"""`postolka-instance config`: what the daemons' configuration comes to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from postolka.instance.effective import secrets_of
from postolka.instance.parse import parse
from pyinfra_deploys import server
from tests.container.conftest import ssh

if TYPE_CHECKING:
    from postolka.machines import Machine
    from tests.container.conftest import Instance

NAMES = sorted(room.name for room in server.all_rooms() if room.effective)


def test_names_are_listed(machine: Machine) -> None:
    """Without a name it says which there are."""
    assert ssh(machine, "postolka-instance config").split() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_configuration_is_shown_without_secrets(
    machine: Machine, instance: Instance, name: str
) -> None:
    """Each service's own dump, and no secret of the instance or the machine in it."""
    shown = ssh(machine, f"sudo postolka-instance config {name}")
    assert len(shown) > 50
    own = ssh(machine, "sudo sh -c 'cat /var/lib/postolka/machine/*'").split()
    for secret in (*secrets_of(parse(instance.user_data)), *own):
        assert secret not in shown


def test_postfix_is_shown_as_its_tools_show_it(machine: Machine) -> None:
    """main.cf, master.cf and what overrides them, in postconf's form."""
    shown = ssh(machine, "sudo postolka-instance config postfix")
    assert "smtpd_tls_security_level = may\n" in shown
    assert "postscreen" in shown
    assert "submission/inet/smtpd_tls_security_level = encrypt\n" in shown


def test_secret_in_the_output_is_masked(machine: Machine, instance: Instance) -> None:
    """The database's password shows only masked in Dovecot's."""
    shown = ssh(machine, "sudo postolka-instance config dovecot")
    assert "mysql" in shown
    database = parse(instance.user_data).database
    assert database
    assert json.dumps(str(database.dovecot))[1:-1] not in shown


def test_only_root_sees_it(machine: Machine) -> None:
    """Another user is told to use sudo; an unknown name is told with those there are."""
    told = ssh(machine, "postolka-instance config postfix 2>&1; test $? = 1")
    assert "only root" in told
    told = ssh(machine, "sudo postolka-instance config nothing 2>&1; test $? = 1")
    assert "postfix" in told
