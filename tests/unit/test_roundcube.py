"""Roundcube: how it is set up and served, and the SQL that its tables come from."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from postolka.instance import machine
from postolka.instance.roundcube import preparation, updates
from pyinfra_deploys import roundcube
from pyinfra_deploys.room import egress, read, units
from pyinfra_deploys.sections import DovecotSettings, PostfixSettings, RoundcubeSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

if TYPE_CHECKING:
    from pathlib import Path

_CONFIGURATION = "/etc/roundcube/config.inc.php"
_POOL = "/etc/php/8.4/fpm/postolka-roundcube.conf"
_SITE = "/etc/apache2/host.d/roundcube.conf"
_INITIAL = """\
CREATE TABLE `users` (
 `username` varchar(128) BINARY NOT NULL
);
INSERT INTO `system` (`name`, `value`) VALUES ('roundcube-version', '2022081200');
"""


def test_configuration_is_golden() -> None:
    golden.check("roundcube", _CONFIGURATION, golden.rendered(roundcube)[_CONFIGURATION])


@pytest.mark.parametrize("path", [_POOL, _SITE])
def test_what_serves_it_is_golden(path: str) -> None:
    golden.check("roundcube", path, golden.baked(roundcube)[path])


def test_key_has_the_length_that_its_cipher_wants() -> None:
    """AES-256-GCM: 32 bytes, of which base64 loses none."""
    text = golden.rendered(roundcube)[_CONFIGURATION]
    assert "$config['cipher_method'] = 'AES-256-GCM';" in text
    assert "$config['des_key'] = base64_decode('cm91bmQ=');" in text
    assert base64.b64decode("cm91bmQ=") == b"round"
    assert machine.SECRETS["roundcube_key"] == 32


def test_database_elsewhere_is_reached_by_tls() -> None:
    """And its certificate is verified."""
    text = golden.rendered(roundcube, golden.ELSEWHERE)[_CONFIGURATION]
    assert (
        "mysql://roundcube:roundcube-password@db.example.test:3306/roundcube"
        "?ca=/run/postolka/tls/database.pem&verify_server_cert=true'" in text
    )


def test_mail_as_large_as_postfix_takes_is_uploaded() -> None:
    """postfix.message_size_limit_mib is PHP's and Apache's limit, too."""
    settings = replace(Settings(), postfix=PostfixSettings(message_size_limit_mib=80))
    pool = golden.baked(roundcube, settings)[_POOL].decode()
    assert "[upload_max_filesize] = 80M" in pool
    assert "[post_max_size] = 81M" in pool
    assert f"LimitRequestBody {81 << 20}\n" in golden.baked(roundcube, settings)[_SITE].decode()
    assert "'80M'" in golden.rendered(roundcube, settings=settings)[_CONFIGURATION]


def test_filters_need_managesieve() -> None:
    """Without dovecot.managesieve there is nothing to edit them by."""
    settings = replace(Settings(), dovecot=DovecotSettings(managesieve=False))
    assert "managesieve" in golden.rendered(roundcube)[_CONFIGURATION]
    text = golden.rendered(roundcube, settings=settings)[_CONFIGURATION]
    assert "managesieve" not in text


def test_webmail_is_a_setting() -> None:
    """Without roundcube.enabled nothing is served, nothing runs, and nothing may leave."""
    settings = replace(Settings(), roundcube=RoundcubeSettings(enabled=False))
    assert b"Alias" not in golden.baked(roundcube, settings)[_SITE]
    facts = [read(roundcube)]
    assert units(facts, settings) == ()
    assert egress(facts, settings) == ()


def test_tables_may_be_made_again(tmp_path: Path) -> None:
    """A table that is there stays, and the version comes last."""
    (tmp_path / "mysql.initial.sql").write_text(_INITIAL)
    text = preparation(tmp_path)
    assert text.startswith("CREATE DATABASE IF NOT EXISTS roundcube ")
    assert "CREATE TABLE IF NOT EXISTS `users` (" in text
    assert text.rstrip().splitlines()[-1].startswith("INSERT IGNORE INTO `system` ")


def test_newer_forms_are_reached_step_by_step(tmp_path: Path) -> None:
    """Those after the version that is there, in order, each noted when it is done."""
    (tmp_path / "mysql").mkdir()
    for number in (2022081200, 2023010100, 2026010100):
        (tmp_path / f"mysql/{number}.sql").write_text(f"-- to {number}")
    steps = list(updates(tmp_path, 2022081200))
    assert [step.splitlines()[1] for step in steps] == ["-- to 2023010100", "-- to 2026010100"]
    assert steps[0].splitlines()[-1] == (
        "UPDATE `system` SET value = '2023010100' WHERE name = 'roundcube-version';"
    )
    assert list(updates(tmp_path, 2026010100)) == []
