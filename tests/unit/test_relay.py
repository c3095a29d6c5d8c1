"""A server without mailboxes: what its data are, and what Postfix and the DNS make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from postolka import identity, listening
from postolka.errors import ProblemsError
from postolka.instance import dns
from postolka.instance.parse import parse
from pyinfra_deploys import amavis, apache, backup, nftables, postfix, server
from pyinfra_deploys import room as rooms
from tests.unit import golden, instances
from tests.unit.test_instance_parse import problems

if TYPE_CHECKING:
    from types import ModuleType

_INSIDE = "inside.example.test"
_REQUEST = identity.Request(
    domain="example.test",
    hostname="mail.example.test",
    next_hop=_INSIDE,
    clients=("192.0.2.64/28",),
)


def _relay(**fields: object) -> dict[str, Any]:
    """Return good data with some fields replaced."""
    relay = {"host": _INSIDE, "port": 25, "tls": "encrypt", "destinations": ["example.test"]}
    data = instances.data(database=None, accounts=None, relays=[relay], clients=["192.0.2.64/28"])
    return {**data, **fields}


def test_data_of_instance_new_are_good() -> None:
    """They name the server behind, and whoever may send."""
    ports = listening.ports(has_mailboxes=False)
    made = parse(identity.make(_REQUEST, serial=1, ports=ports).user_data)
    assert not made.has_mailboxes
    assert made.clients == ("192.0.2.64/28",)
    (relay,) = made.relays
    assert (relay.transport, relay.destinations) == (f"smtp:[{_INSIDE}]:25", ("example.test",))


@pytest.mark.parametrize(
    ("next_hop", "transport"),
    [
        ("192.0.2.9", "smtp:[192.0.2.9]:25"),
        ("192.0.2.9:587", "smtp:[192.0.2.9]:587"),
        ("2001:db8::9", "smtp:[ipv6:2001:db8::9]:25"),
        ("inside.test:465", "smtps:[inside.test]:465"),
    ],
)
def test_server_behind_is_a_name_or_an_address(next_hop: str, transport: str) -> None:
    """Of port 25, unless another one is said."""
    request = identity.Request(domain="a.test", hostname="mail.a.test", next_hop=next_hop)
    made = parse(identity.make(request, serial=1, ports=()).user_data)
    assert made.relays[0].transport == transport


@pytest.mark.parametrize(
    "wrong",
    [
        {"next_hop": "inside.test:26"},
        {"next_hop": "in side"},
        {"accounts": ("alice",)},
        {"clients": ("0.0.0.0/0",)},
        {"next_hop": ""},
    ],
    ids=["port", "host", "account", "internet", "here"],
)
def test_wrong_request_is_refused(wrong: dict[str, Any]) -> None:
    """Among them mailboxes behind a next hop, and clients without one."""
    fields = {
        name: getattr(_REQUEST, name) for name in ("domain", "hostname", "next_hop", "clients")
    }
    with pytest.raises(ProblemsError):
        identity.check(identity.Request(**{**fields, **wrong}))


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"relays": []}, "database"),
        ({"relays": [{"host": _INSIDE}]}, "database"),
        ({"clients": ["192.0.0.0/7"]}, "clients[0]"),
        ({"clients": ["::/0"]}, "clients[0]"),
        ({"clients": ["192.0.2.65/28"]}, "clients[0]"),
        ({"clients": "192.0.2.64/28"}, "clients"),
        ({"aliases": [{"address": "a@example.test", "targets": ["b@x.test"]}]}, "aliases"),
        ({"accounts": instances.data()["accounts"]}, "accounts"),
        ({"database": instances.data()["database"]}, "relays"),
        (
            {"relays": [{"host": "192.0.2.9", "destinations": ["example.test"]}]},
            "relays[0]",
        ),
    ],
    ids=[*("none", "all", "wide", "internet", "bits", "text"), "alias", "box", "both", "unnamed"],
)
def test_what_doesnt_fit_is_named(fields: dict[str, Any], path: str) -> None:
    """Each domain's mail has an end, here or elsewhere, and no relay is open to half the world."""
    assert path in problems(_relay(**fields))


def test_clients_are_for_servers_without_mailboxes() -> None:
    """Where there are mailboxes who sends logs in."""
    assert set(problems(instances.data(clients=["192.0.2.64/28"]))) == {"clients"}


@pytest.mark.parametrize(
    "path",
    [
        f"/etc/postfix/{name}"
        for name in ("main.cf", "clients.cidr", "transport", "tls_policy", "sender_transport")
    ],
)
def test_ways_are_golden(path: str) -> None:
    """They are those that were read and tried."""
    text = golden.rendered(postfix, golden.RELAY, golden.WITHOUT_MAILBOXES)[path]
    golden.check("relay", path, text)


def test_services_are_golden() -> None:
    path = "/etc/postfix/master.cf"
    golden.check("relay", path, golden.baked(postfix, golden.WITHOUT_MAILBOXES)[path])


def test_no_daemon_asks_what_isnt_there() -> None:
    """Neither the database nor Dovecot is in any file that is read on such a server."""
    files = golden.all_rendered(golden.RELAY)
    for room in (amavis, postfix):
        baked = golden.baked(room, golden.WITHOUT_MAILBOXES)
        files |= {path: text.decode() for path, text in baked.items() if path.startswith("/etc/")}
    for word in ("mysql", "DBI:", "private/auth", "dovecot-lmtp", "quota-status"):
        assert not [path for path, text in files.items() if word in text]


@pytest.mark.parametrize("module", [apache, backup, nftables])
def test_rooms_that_stay_are_without_the_others(module: ModuleType) -> None:
    """No way to a database, no name for mail clients."""
    text = "".join(golden.rendered(module, golden.RELAY, golden.WITHOUT_MAILBOXES).values())
    assert "autoconfig" not in text
    assert "add element inet postolka database" not in text
    assert "postfixadmin" not in text


def test_rooms_that_go() -> None:
    """Whoever adds a room for mailboxes says so by its SETTING."""
    every = {room.name for room in server.all_rooms()}
    left = {room.name for room in server.present(golden.WITHOUT_MAILBOXES)}
    assert every - left == {
        *("autodiscover", "dovecot", "mariadb", "php"),
        *("postfixadmin", "ratelimit", "roundcube"),
    }
    flows = rooms.egress(server.present(golden.WITHOUT_MAILBOXES), golden.WITHOUT_MAILBOXES)
    assert not [flow for flow in flows if flow.port == "database"]


def test_no_client_is_led_there() -> None:
    """Its submission is for servers, which aren't looked up."""
    zone = dns.zone(golden.RELAY, listening.ports(has_mailboxes=False))
    assert " SRV " not in zone
    assert "autoconfig" not in zone
    assert "_587._tcp.mail.example.test. 300 IN TLSA" in zone
    assert "mta-sts.example.net. 300 IN CNAME" in zone
