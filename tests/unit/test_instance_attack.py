"""An instance's data as an attack: no text of them becomes the syntax of any daemon's file.

Whatever hypothesis writes into a field is refused, or every file has the same structure as before.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from postolka.errors import ProblemsError
from postolka.instance import (
    authority,
    backup,
    bans,
    database,
    dns,
    exceptions,
    filters,
    model,
    resolver,
    transport,
)
from postolka.instance.parse import parse
from postolka.instance.secret import Secret
from pyinfra_deploys import server
from pyinfra_deploys.settings import Settings
from tests.unit import golden, instances
from tests.unit.authority import Authority
from tests.unit.test_instance_parse import texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from postolka.instance.model import Instance

#: What stands in no syntax's way, in any number; and a dot as regular expressions have it.
_WORD = re.compile(r"([A-Za-z0-9.@:/_~+=-]|\\{1,2}\.)+")
_STEP = re.compile(r'\["([^"]+)"\]|\[(\d+)\]|([^.\[\]]+)')
_REASON = {"reason": "a reason", "until": "9999-12-31"}
_ARMORED = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"
_HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPaBwDUrrewIa3hGzbe3ueKeVWC9F4GE5OVXf5eNzUJw"
#: Where a grammar has more than words, and how the value then stands in its file: a password at a
#: line's end in a file of its own, a text within a regular expression, postscreen's own filters.
_FREE: dict[str, Callable[[str], str]] = {
    "relays[0].password": lambda text: text,
    "exceptions.headers[0].contains": lambda text: re.sub(r"([\\.\[\](){}*+?|^$/])", r"\\\1", text),
    "postscreen.dnsbl[0].answers": lambda text: text,
}
_FOR_MAILBOXES = ("database", "accounts", "aliases")
#: The hostname in a pattern, one of its characters after the other.
_SPELT = {"hostname": "/etc/postfix/header_checks"}
_ATTACKS = (
    "\nmynetworks = 0.0.0.0/0", "\r\n.\r\n", "'; DROP TABLE mailbox; -- ", '" OR 1=1 #',
    "$(reboot)", "`reboot`", "${env:HOME}", "%{ENV:HOME}", "%u", "{{ 7 * 7 }}", "{% raw %}",
    "<?php", "*/", "]]>", "\\", "\n", "\0", "\u2028", "\u0085", ";", "#", "//", "..", "../", "|",
    "=", ",", " ", "\t", "-",
)  # fmt: skip
_texts = st.sampled_from(_ATTACKS) | st.text(
    st.sampled_from("aZ0.-_@:/+=~ \t\r\n\0\"'\\%$`;#{}()[]<>|&*?!,^ä\u00a0\u2028\u202e"), max_size=5
)


@cache
def _everything() -> dict[str, Any]:
    """Return data with every field that there is, each other than its default."""
    values = instances.data()
    certificate = instances.certificate()
    ssh_key = values["domains"]["example.test"]["dkim"][1]["private_key"]
    # Of no domain of its own, where each would stand in more places.
    values["hostname"], values["admin"]["address"] = "mail.host.test", "admin@far.test"
    values["database"] |= {"host": "db.test", "port": 3307, "ca_certificate": certificate}
    values["domains"]["example.test"]["dkim"].append(
        {"selector": "old", "algorithm": "ed25519", "private_key": ssh_key, "role": "retired"}
    )
    values["accounts"][0]["quota_mib"] = 5
    relay = {
        "host": "relay.test", "port": 465, "tls": "encrypt", "user": "login@relay.test",
        "password": "relay-password", "destinations": ["far.test"], "senders": ["near.test"],
    }  # fmt: skip
    update = {
        "server": "ns.test", "key_name": "update.test", "algorithm": "hmac-sha512",
        "secret": base64.b64encode(b"k" * 32).decode(),
    }  # fmt: skip
    values |= {
        "aliases": [{"address": "sales@example.test", "targets": ["someone@far.test"]}],
        "acme": {
            "enabled": True, "directory": "https://ca.test:14000/dir", "issuer": "ca.test",
            "contact": "a@ca.test", "ca_certificate": certificate, "dns": update,
        },
        "dns": {
            "root_hints": [{"name": "a.root.test", "addresses": ["192.0.2.53"]}],
            "trust_anchors": [
                {"key_tag": 5, "algorithm": 13, "digest_type": 2, "digest": "ab" * 32}
            ],
        },
        "dmarc": {"trusted_forwarders": ["192.0.2.7"]},
        "bans": {"allowed": ["192.0.2.8"]},
        "authorities": [certificate],
        "ntp": ["ntp.test"],
        "postscreen": {
            "access": ["198.51.100.0/24"],
            "dnsbl": [{"site": "zen.spamhaus.org", "answers": "127.0.0.[2..11]", "weight": 2}],
        },
        "dqs_key": "a" * 26,
        "filters": {
            "clamav_mirrors": ["clam.test"], "clamav_urls": ["https://clam.test/more.hdb"],
            "razor_server": "razor.test", "pyzor_servers": ["pyzor.test"],
            "rule_channels": [
                {
                    "name": "rules.test", "fingerprint": "A" * 40,
                    "key": base64.b64encode(_ARMORED.encode()).decode(),
                },
            ],
        },
        "relays": [relay],
        "exceptions": {
            "transports": [{"domain": "moved.test", "host": "new.test", **_REASON}],
            "tls": [{"domain": "old.test", "level": "may", **_REASON}],
            "blocked_clients": [{"network": "203.0.113.5", **_REASON}],
            "blocked_senders": [{"sender": "x@bad.test", **_REASON}],
            "allowed_clients": [{"network": "203.0.113.6", **_REASON}],
            "allowed_senders": [{"sender": "good.test", **_REASON}],
            "headers": [
                {"header": "Subject", "contains": "xyzzy plugh", "action": "hold", **_REASON}
            ],
        },
        "backup": {
            "password": "backup-password-1", "ssh_key": ssh_key,
            "sftp": {
                "host": "backup.test", "port": 2222, "user": "mail", "path": "a/b",
                "host_keys": [_HOST_KEY],
            },
        },
    }  # fmt: skip
    return values


@cache
def _others() -> tuple[dict[str, Any], ...]:
    """Return what excludes something above: other backups, a chain of one's own, a relay."""
    values = _everything()
    key, names = values["tls"]["key"], [values["hostname"]]
    made = Authority().certificate(key, names, datetime.now(UTC), 90)
    chain = [base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()]
    backup = {name: item for name, item in values["backup"].items() if name != "sftp"}
    bucket = {
        "endpoint": "https://s3.test:9000", "bucket": "backups", "prefix": "mail", "region": "eu",
        "access_key": "KEY", "secret_key": "secret-key",
        "ca_certificate": instances.certificate(),
    }  # fmt: skip
    return (
        {**values, "backup": {**backup, "path": "/var/backups/postolka/mail"}},
        {**values, "backup": {**backup, "s3": bucket}},
        {
            **values,
            "acme": {**values["acme"], "enabled": False},
            "tls": {**values["tls"], "certificate": chain},
        },
        _relay(values, *values["domains"]),
    )


def _relay(values: dict[str, Any], *domains: str) -> dict[str, Any]:
    """Return the same data for a server without mailboxes, whose domains' mail goes on."""
    left = {name: item for name, item in values.items() if name not in _FOR_MAILBOXES}
    relay = {"host": "inside.test", "tls": "encrypt", "port": 25, "destinations": list(domains)}
    return {**left, "relays": [*values.get("relays", []), relay], "clients": ["192.0.2.64/28"]}


@cache
def _documents() -> tuple[tuple[dict[str, Any], str], ...]:
    """Return each text of the data once: a document that has it, and its path there."""
    found = {path: values for values in _others() for path in texts(values)}
    found |= dict.fromkeys(texts(_everything()), _everything())
    return tuple((values, path) for path, values in found.items())


def _steps(path: str) -> list[str | int]:
    return [name or plain or int(index) for name, index, plain in _STEP.findall(path)]


def _get(values: Any, path: str) -> str:  # noqa: ANN401 - plain values of any shape
    for step in _steps(path):
        values = values[step]
    assert isinstance(values, str)
    return values


def _with(values: Any, steps: list[str | int], text: str) -> Any:  # noqa: ANN401 - as above
    """Return a copy of plain values with another text at one place."""
    if not steps:
        return text
    copy: Any = dict(values) if isinstance(values, dict) else list(values)
    copy[steps[0]] = _with(values[steps[0]], steps[1:], text)
    return copy


def _parsed(values: object) -> Instance:
    return parse(json.dumps(values).encode())


def _structures(instance: Instance, shown: str = "") -> dict[str, str]:
    """Return all that is made of an instance's data, with a `w` for each word and for `shown`."""
    found = golden.all_rendered(instance)
    found["statements"] = database.seeds(instance) if instance.has_mailboxes else ""
    zone = dns.zone(instance, server.ports(Settings())).splitlines()
    # Its comments are wrapped, and long records are cut.
    found["zone"] = "\n".join(line for line in zone if not line.startswith(";")).replace('" "', "")
    return {
        name: _WORD.sub("w", text.replace(shown, "w") if shown else text)
        for name, text in found.items()
    }


@cache
def _before(which: int) -> dict[str, str]:
    values, path = _documents()[which]
    return _structures(_parsed(values), _shown(path, _get(values, path)))


def _shown(path: str, text: str) -> str:
    return _FREE[path](text) if path in _FREE else ""


@settings(max_examples=600)
@given(st.integers(0, len(_documents()) - 1), _texts, st.floats(0, 1), st.booleans())
def test_text_changes_no_structure(which: int, attack: str, where: float, is_whole: bool) -> None:  # noqa: FBT001 - hypothesis' own
    """In the middle of a good text or instead of it, in any field: refused, or a word more."""
    values, path = _documents()[which]
    text = _get(values, path)
    cut = round(where * len(text))
    # What may hold anything can't be told from the rest of a file when it is too short.
    changed = attack if is_whole and path not in _FREE else text[:cut] + attack + text[cut:]
    try:
        instance = _parsed(_with(values, _steps(path), changed))
    except ProblemsError as error:
        assert error.problems  # noqa: PT017 - either end is fine
        return
    found = _structures(instance, _shown(path, changed))
    different = {name for name, before in _before(which).items() if found[name] != before}
    assert different <= {_SPELT.get(path)}, path


@given(_texts)
def test_domain_changes_no_structure(attack: str) -> None:
    """Domains are keys of a mapping."""
    values = instances.data()
    dkim = values["domains"]["example.test"]
    try:
        instance = _parsed({**values, "domains": {**values["domains"], f"a{attack}b.test": dkim}})
    except ProblemsError:
        return
    plain = _parsed({**values, "domains": {**values["domains"], "ab.test": dkim}})
    assert _structures(instance) == _structures(plain)


@given(_texts)
def test_domain_that_goes_on_changes_no_structure(attack: str) -> None:
    """There it stands in Postfix's and amavis's own files."""
    values = instances.data()
    dkim = values["domains"]["example.test"]

    def parsed(name: str) -> Instance:
        domains = {**values["domains"], name: dkim}
        return _parsed(_relay({**values, "domains": domains}, *domains))

    try:
        instance = parsed(f"a{attack}b.test")
    except ProblemsError:
        return
    assert _structures(instance) == _structures(parsed("ab.test"))


@pytest.mark.parametrize("attack", ["a\nb", 'a"b', "a;b", "a b", "a$b"])
def test_attack_would_be_seen(attack: str) -> None:
    """What gets past the grammars stands in some file, and its structure tells."""
    instance = _parsed(_everything())
    assert instance.database
    other = replace(instance, database=replace(instance.database, dovecot=Secret(attack)))
    assert _structures(other) != _structures(instance)


def test_everything_is_attacked() -> None:
    """Each field of the model has another value than its default in one of the documents."""
    documents = (_everything(), *_others())
    given_ = {name for values in documents for name in _given(_parsed(values))}
    modules = (authority, backup, bans, exceptions, filters, model, resolver, transport)
    kinds = {kind for module in modules for kind in vars(module).values() if is_dataclass(kind)}
    names = {_name(kind, item.name) for kind in kinds for item in fields(kind)}
    assert {name for name in names if "._" not in name} == given_


def _name(kind: Any, field: str) -> str:  # noqa: ANN401 - a dataclass
    return f"{kind.__module__}.{kind.__name__}.{field}"


def _given(item: object) -> Iterator[str]:
    if isinstance(item, tuple):
        for child in item:
            yield from _given(child)
    elif is_dataclass(item) and not isinstance(item, type):
        for field in fields(item):
            value = getattr(item, field.name)
            if value != field.default:
                yield _name(type(item), field.name)
            yield from _given(value)
