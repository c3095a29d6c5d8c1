"""What PHP's applications have in common."""

from __future__ import annotations

from pyinfra_deploys import php
from tests.unit import golden

_UNIT = "/usr/lib/systemd/system/postolka-php@.service"
_LIMITS = "/etc/systemd/system/postolka-php@.service.d/60-sandbox.conf"
_SETTINGS = "/etc/php/8.4/fpm/conf.d/90-postolka.ini"


def test_debians_manager_never_starts() -> None:
    """It would run as root, with a pool for whoever asks."""
    assert "php8.4-fpm.service" in php.MASKED


def test_application_is_its_own_user_from_the_start() -> None:
    """The unit's instance names the account; no step is root's."""
    lines = golden.baked(php)[_UNIT].decode().splitlines()
    assert "User=%i" in lines
    assert b"\nCapabilityBoundingSet=\n" in golden.baked(php)[_LIMITS]
    assert not [line for line in lines if line.startswith("Exec") and "=+" in line]


def test_settings_are_golden() -> None:
    golden.check("php", _SETTINGS, golden.baked(php)[_SETTINGS])
