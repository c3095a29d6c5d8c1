"""Data that a machine is given while it serves."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import yaml

from postolka.instance import document
from postolka.lab import userdata
from tests.container.conftest import COMMAND_SECONDS, ssh

if TYPE_CHECKING:
    from postolka.machines import Machine
    from tests.container.conftest import Instance

#: Where a machine keeps its data.
KEPT = "/var/lib/postolka/instance.yaml"


def status(machine: Machine) -> dict[str, Any]:
    """Return what a machine says of its data and its units."""
    found = json.loads(ssh(machine, "sudo postolka-instance status --json || true"))
    names = ("state", "hostname", "serial", "data", "problems", "units", "ports")
    return {name: found[name] for name in names}


def apply(machine: Machine, data: bytes, *words: str) -> tuple[int, str]:
    """Have the machine take data, with more words on the command; return exit code and output.

    Under the umask of a careful admin: daemons read what is made by it.
    """
    text = base64.b64encode(data).decode("ascii")
    command = " ".join(["postolka-instance apply", *words, "/run/new 2>&1; echo $?; rm /run/new"])
    take = f"sudo sh -c 'umask 077; cat >/run/new; {command}'"
    said = ssh(machine, f"echo {text} | base64 -d | {take}", timeout_seconds=COMMAND_SECONDS)
    output, _, code = said.strip().rpartition("\n")
    return int(code), output


def data_of(machine: Machine) -> dict[str, Any]:
    """Return the data that a machine has, as plain values."""
    found = yaml.safe_load(ssh(machine, f"sudo cat {KEPT}"))
    assert isinstance(found, dict)
    return found


def newer(machine: Machine, **fields: object) -> dict[str, Any]:
    """Return a machine's data, newer and with some fields replaced."""
    values = data_of(machine)
    return {**values, "serial": values["serial"] + 1, **fields}


def changed(machine: Machine, **fields: object) -> bytes:
    """Return the same as a document: JSON is YAML, too, and has no aliases."""
    return json.dumps(newer(machine, **fields)).encode()


def serve_by(machine: Machine, text: str) -> str:
    """Have the machine serve by other data, whatever their serial; return what it says."""
    code, said = apply(machine, text.encode(), "--force")
    assert code == 0, said
    return said


def of_the_lab(instance: Instance) -> bytes:
    """Return an instance's data as the lab gives them to its machines."""
    return document.part(userdata.amend(instance.user_data), where="test")
