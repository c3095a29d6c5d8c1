"""A valid instance's data for tests, made once a run."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import yaml

from postolka import identity
from postolka.instance import document
from postolka.instance.certificate import self_signed
from pyinfra_deploys import server
from pyinfra_deploys.settings import Settings


@cache
def made() -> identity.Identity:
    """Return the identity of a new instance with two mailboxes."""
    request = identity.Request(
        domain="example.test",
        hostname="mail.example.test",
        addresses=("192.0.2.25", "2001:db8::25"),
        accounts=("alice", "bob"),
    )
    return identity.make(request, serial=1, ports=server.ports(Settings()))


def yaml_data() -> bytes:
    """Return the data as the document that stands in user-data."""
    return document.part(made().user_data, where="test")


def data(**changes: object) -> dict[str, Any]:
    """Return the data as plain values, top-level fields replaced; None takes a field away."""
    values: dict[str, Any] = {**copy.deepcopy(_loaded()), **changes}
    return {name: value for name, value in values.items() if value is not None}


def certificate() -> str:
    """Return a certificate as it stands in data."""
    tls = _loaded()["tls"]["key"]
    pem = self_signed(tls, ("ca.test",))
    return "".join(pem.splitlines()[1:-1])


def dumped(values: object) -> bytes:
    """Return plain values as a document."""
    return yaml.safe_dump(values).encode()


@cache
def _loaded() -> dict[str, Any]:
    loaded = yaml.safe_load(yaml_data())
    assert isinstance(loaded, dict)
    return loaded
