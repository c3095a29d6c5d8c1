"""From plain data to an Instance: the whole document is read, every problem reported at once.

Pure: no I/O, no clock, no environment.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from postolka.errors import Problem, ProblemsError
from postolka.instance import (
    document,
    grammar,
    keys,
    model,
    parse_authority,
    parse_backup,
    parse_bans,
    parse_exceptions,
    parse_filters,
    parse_resolver,
    parse_transport,
)
from postolka.instance.node import Node, shown
from postolka.instance.reading import each as _list
from postolka.instance.reading import record as _record
from postolka.instance.reading import secret as _secret
from postolka.instance.reading import text as _text
from postolka.instance.reading import texts as _texts
from postolka.instance.reading import whole as _whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from postolka.instance.secret import Secret

_MAX_SERIAL = (1 << 63) - 1
_MAX_QUOTA_MIB = 1 << 30
_SHORT = 65535


def parse(data: bytes, *, where: str = "instance data") -> model.Instance:
    """Build an Instance from a document, or from user-data that have it as a part.

    Raises ProblemsError naming every problem with its path in the document.
    """
    problems: list[Problem] = []
    root = document.load(document.part(data, where=where), where=where)
    found = _instance(Node(root, "", problems))
    if problems or found is None:
        raise ProblemsError(where, problems)
    return found


def _key(algorithm: str) -> Callable[[Node], Secret]:
    return _secret(lambda text: keys.problem(text, algorithm))


def _instance(node: Node) -> model.Instance | None:
    found = _record(
        node,
        _without_format,
        {
            "format": _whole(model.FORMAT, model.FORMAT),
            "hostname": _text(grammar.hostname),
            "admin": _admin,
            "domains": _domains,
            "tls": _tls,
        },
        {
            "serial": _whole(1, _MAX_SERIAL),
            "database": _database,
            "clients": _texts(grammar.client_network),
            "addresses": _texts(grammar.address),
            "accounts": lambda child: _list(child, _account),
            "aliases": lambda child: _list(child, _alias),
            "acme": parse_authority.acme,
            "dns": parse_resolver.dns,
            "dmarc": _dmarc,
            "bans": parse_bans.parse,
            "authorities": _texts(grammar.certificate),
            "ntp": _texts(grammar.host_or_address),
            "postscreen": parse_transport.postscreen,
            "filters": parse_filters.filters,
            "relays": parse_transport.relays,
            "exceptions": parse_exceptions.parse,
            "backup": parse_backup.parse,
            "dqs_key": _secret(grammar.dqs_key),
        },
    )
    if found is not None:
        _check_addresses(found, node)
        _check_ways_out(found, node)
        _check_ways_in(found, node)
        if not node.problems:
            parse_authority.check(found, node)
    return found


def _without_format(**values: Any) -> model.Instance:  # noqa: ANN401 - as dataclasses take them
    values.pop("format")
    return model.Instance(**{name: item for name, item in values.items() if item is not None})


def _admin(node: Node) -> model.Admin | None:
    return _record(
        node,
        model.Admin,
        {
            "address": _text(grammar.mail_target),
            "password_hash": _secret(grammar.password_hash),
        },
    )


def _domains(node: Node) -> tuple[model.Domain, ...]:
    found = []
    for name, child in node.entries():
        problem = grammar.dns_name(name)
        if problem:
            child.complain(f"the domain's name {problem}")
        domain = _record(
            child,
            lambda dkim, name=name: model.Domain(name=name, dkim=dkim),
            {"dkim": _dkim},
        )
        if domain is not None and not problem:
            found.append(domain)
    if node.value == {}:
        node.complain("must name at least one domain")
    return tuple(found)


def _dkim(node: Node) -> tuple[model.DkimKey, ...]:
    found = _list(node, _dkim_key)
    selectors = Counter(key.selector for key in found)
    for selector, count in selectors.items():
        if count > 1 and selector:
            node.complain(f"the selector {shown(selector)} stands {count} times")
    if isinstance(node.value, list) and not any(
        isinstance(item, dict) and item.get("role", "active") == "active" for item in node.value
    ):
        node.complain("must have an active key")
    return found


def _dkim_key(node: Node) -> model.DkimKey | None:
    value = node.value
    algorithm = value.get("algorithm") if isinstance(value, dict) else None
    known = algorithm if algorithm in ("rsa", "ed25519") else "rsa"
    return _record(
        node,
        model.DkimKey,
        {
            "selector": _text(grammar.selector),
            "algorithm": lambda child: child.choice("rsa", "ed25519"),
            "private_key": _key(str(known)),
        },
        {"role": lambda child: child.choice("active", "next", "retired")},
    )


def _tls(node: Node) -> model.Tls | None:
    found = _record(
        node,
        model.Tls,
        {"key": _key("ecdsa-p256"), "next_key": _key("ecdsa-p256")},
        {"certificate": _texts(grammar.certificate)},
    )
    if found and found.key and found.key == found.next_key:
        node.complain("key and next_key must differ, or there is nothing to roll over to")
    return found


def _database(node: Node) -> model.Database | None:
    names = ("postfix", "dovecot", "dovecot_quota", "postfixadmin", "amavis", "roundcube")
    found = _record(
        node,
        model.Database,
        dict.fromkeys(names, _secret(grammar.password)),
        {
            "host": _text(grammar.host_or_address),
            "port": _whole(1, _SHORT),
            "ca_certificate": _text(grammar.certificate),
        },
    )
    if isinstance(node.value, dict) and ("host" in node.value) != ("ca_certificate" in node.value):
        node.complain("host and ca_certificate go together: another machine is reached by TLS only")
    return found


def _account(node: Node) -> model.Account | None:
    return _record(
        node,
        model.Account,
        {"address": _text(grammar.mailbox), "password_hash": _secret(grammar.password_hash)},
        {"quota_mib": _whole(1, _MAX_QUOTA_MIB)},
    )


def _alias(node: Node) -> model.Alias | None:
    def targets(child: Node) -> tuple[str, ...]:
        if child.value == []:
            child.complain("must name at least one address")
        return _texts(grammar.mail_target)(child)

    return _record(node, model.Alias, {"address": _text(grammar.mailbox), "targets": targets})


def _dmarc(node: Node) -> model.Dmarc | None:
    return _record(node, model.Dmarc, {"trusted_forwarders": _texts(grammar.forwarder)})


def _check_addresses(instance: model.Instance, node: Node) -> None:
    """Check what several places of the document say together about mail addresses."""
    domains = {domain.name for domain in instance.domains}
    taken: set[str] = set()
    for name in ("accounts", "aliases"):
        for entry in node.below(name).items_if_any():
            address = entry.below("address")
            if not isinstance(address.value, str) or grammar.mailbox(address.value):
                continue
            if address.value.rpartition("@")[2] not in domains:
                address.complain(f"{shown(address.value)} is in none of the domains")
            if address.value in taken:
                address.complain(f"{shown(address.value)} stands above already")
            taken.add(address.value)
    local, _, domain = instance.admin.address.rpartition("@")
    if domain in domains and (problem := grammar.local_part(local)):
        node.below("admin").below("address").complain(f"{shown(local)} {problem}")


def _check_ways_out(instance: model.Instance, node: Node) -> None:
    """Check that mail to one domain goes one way."""
    domains = {domain.name for domain in instance.domains}
    for item in instance.exceptions.transports:
        if item.domain in domains | instance.relayed:
            owner = "of this server" if item.domain in domains else "that a relay has"
            place = node.below("exceptions").below("transports")
            place.complain(f"{shown(item.domain)} is a domain {owner}")
    # Postfix asks for it by the host that mail is given to, not by the domain.
    levels = {item.domain: item.level for item in instance.exceptions.tls}
    found: dict[str, set[str]] = {}
    for item in instance.exceptions.transports:
        found.setdefault(item.host, set()).add(levels.get(item.domain, ""))
    for host in (host for host, wanted in found.items() if len(wanted) > 1):
        place = node.below("exceptions").below("tls")
        place.complain(f"all domains whose mail goes to {shown(host)} need the same level")


def _check_ways_in(instance: model.Instance, node: Node) -> None:
    """Check that each domain's mail ends in mailboxes here, or goes on to another server."""
    domains = {domain.name for domain in instance.domains}
    # Also a database that is no good one.
    if node.below("database").value is not None:
        for name in domains & instance.relayed:
            node.below("relays").complain(f"{shown(name)} is a domain with mailboxes here")
        if instance.clients:
            node.below("clients").complain("where there are mailboxes, who sends logs in")
        return
    for name in domains - instance.relayed:
        text = f"is missing; without mailboxes a relay has to have {shown(name)} as a destination"
        node.below("database").complain(text)
    for name in ("accounts", "aliases"):
        if getattr(instance, name):
            node.below(name).complain("there are no mailboxes without database")
