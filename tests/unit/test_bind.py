"""The resolver's configuration."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postolka.instance.resolver import Dns, RootServer, TrustAnchor
from pyinfra_deploys import bind
from tests.unit import golden

_CONF = "/etc/bind/named.conf"
_OTHER_ROOT = Dns(
    root_hints=(RootServer(name="a.root.test", addresses=("192.0.2.53", "2001:db8::53")),),
    trust_anchors=(TrustAnchor(key_tag=7, algorithm=13, digest_type=2, digest="AB12"),),
)


@pytest.mark.parametrize("path", [_CONF, "/etc/bind/rndc.key"])
def test_configuration_is_golden(path: str) -> None:
    """The resolver's configuration is the one that was read and tried."""
    golden.check("bind", path, golden.rendered(bind)[path])


def test_resolv_conf_is_golden() -> None:
    """Every program of the machine asks the resolver on loopback."""
    golden.check("bind", "/etc/resolv.conf", golden.baked(bind)["/etc/resolv.conf"])


def test_another_root_replaces_hints_and_anchor() -> None:
    """With a root of the data, nothing of the internet's is trusted or asked."""
    files = golden.rendered(bind, replace(golden.EXAMPLE, dns=_OTHER_ROOT))
    assert '. static-ds 7 13 2 "AB12";' in files[_CONF]
    assert "dnssec-validation yes;" in files[_CONF]
    assert "/usr/share/dns" not in files[_CONF]
    assert "\na.root.test. 3600000 IN AAAA 2001:db8::53\n" in files["/etc/bind/root.hints"]


def test_only_names_of_time_servers_are_taken_unsigned() -> None:
    """A clock that is wrong can be set, and nothing else goes unvalidated."""
    instance = replace(golden.EXAMPLE, ntp=("time.example.test", "192.0.2.123", "2001:db8::1"))
    text = golden.rendered(bind, instance)[_CONF]
    block = text.partition("validate-except {")[2].partition("};")[0]
    assert block.split() == ['"time.example.test";']


def test_the_key_is_for_named_alone() -> None:
    """The key that rules the resolver can be read by root and bind only."""
    attributes = bind.FILES["/etc/bind/rndc.key"]
    assert (attributes.mode, attributes.user, attributes.group) == ("0640", "root", "bind")


def test_no_port_is_public() -> None:
    """The resolver is for this machine."""
    assert not any(port.is_public for port in bind.PORTS)
