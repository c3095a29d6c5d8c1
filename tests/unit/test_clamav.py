"""The virus scanner's configuration."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from postolka.instance.filters import Filters
from pyinfra_deploys import amavis, clamav, server
from pyinfra_deploys.sections import ClamavSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

_CLAMD, _FRESHCLAM = "/etc/clamav/clamd.conf", "/etc/clamav/freshclam.conf"
_USER = "/etc/amavis/conf.d/50-user"
_OFF = replace(Settings(), clamav=ClamavSettings(enabled=False))


def test_scanner_is_golden() -> None:
    """The scanner's configuration is the one that was read and tried."""
    golden.check("clamav", _CLAMD, golden.baked(clamav)[_CLAMD])


def test_updater_is_golden() -> None:
    """The updater's configuration is the one that was read and tried."""
    golden.check("clamav", _FRESHCLAM, golden.rendered(clamav)[_FRESHCLAM])


def test_makers_databases_can_be_left_out() -> None:
    """No mirror: signature files of others alone."""
    filters = Filters(clamav_mirrors=(), clamav_urls=("http://mirror.example/own.hdb",))
    text = golden.rendered(clamav, replace(golden.EXAMPLE, filters=filters))[_FRESHCLAM]
    assert "\nExcludeDatabase daily\n" in text
    assert "\nDatabaseCustomURL http://mirror.example/own.hdb\n" in text


def test_image_knows_eicars_file() -> None:
    """Both seeds are the file that every scanner is tried with, whole and anywhere in a mail."""
    files = golden.baked(clamav)
    body = files["/usr/share/postolka/clamav/postolka.ndb"].decode().strip().rpartition(":")[2]
    eicar = bytes.fromhex(body)
    digest, size, _ = files["/usr/share/postolka/clamav/postolka.hdb"].decode().split(":")
    assert len(eicar) == int(size)
    assert hashlib.md5(eicar, usedforsecurity=False).hexdigest() == digest


def test_scanner_can_be_switched_off() -> None:
    """clamav.enabled off: no room, and amavis asks nobody."""
    assert "clamav" not in {room.name for room in server.present(_OFF)}
    house = server.house(_OFF)
    assert not [unit for unit in house["units"] if unit["name"].startswith("clamav")]
    assert not [flow for flow in house["egress"] if flow["user"] == "clamav"]
    text = golden.rendered(amavis, settings=_OFF)[_USER]
    assert "@bypass_virus_checks_maps = (1);" in text
    assert "clamd" not in text


def test_mail_can_wait_for_signatures() -> None:
    """clamav.wait_for_signatures: no mark, but nobody who says that a mail is clean."""
    settings = replace(Settings(), clamav=ClamavSettings(wait_for_signatures=True))
    text = golden.rendered(amavis, settings=settings)[_USER]
    assert "no-signatures-yet" in text
    assert "X-Virus-Scanned" not in text
