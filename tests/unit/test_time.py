"""Where the time comes from."""

from __future__ import annotations

from dataclasses import replace

from pyinfra_deploys import server, time
from pyinfra_deploys.room import read
from pyinfra_deploys.settings import Settings
from pyinfra_deploys.tree import entries
from tests.unit import golden

_PATH = "/etc/postolka/timesyncd.conf"


def test_default_servers_are_golden() -> None:
    """Without servers of its own an instance leaves the choice to DHCP and the image."""
    golden.check("time", _PATH, golden.rendered(time)[_PATH])


def test_instance_names_its_servers() -> None:
    """instance.ntp replaces all other servers, names and addresses alike."""
    instance = replace(golden.EXAMPLE, ntp=("192.0.2.123", "ntp.example.test"))
    assert golden.rendered(time, instance)[_PATH].endswith(
        "[Time]\nNTP=192.0.2.123 ntp.example.test\n"
    )


def test_daemon_reads_the_rendered_file() -> None:
    """A link stands where systemd-timesyncd looks for it."""
    found = entries(read(time), Settings(), server.house(Settings()), {})
    links = {entry.path: entry.target for entry in found if entry.kind == "link"}
    assert links["/etc/systemd/timesyncd.conf.d/50-instance.conf"] == _PATH
