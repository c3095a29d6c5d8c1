"""PostfixAdmin: what makes its tables, and how it is served."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_deploys import postfixadmin
from pyinfra_deploys.facts.schema import Schema, SchemaState
from pyinfra_deploys.room import egress, read, units
from pyinfra_deploys.sections import PostfixadminSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

_CONFIGURATION = "/etc/postfixadmin/config.local.php"
_POOL = "/etc/php/8.4/fpm/postolka-postfixadmin.conf"
_SITE = "/etc/apache2/host.d/postfixadmin.conf"


def test_stamp_and_fact_agree() -> None:
    """What the script writes into the first line is what the fact compares."""
    text = postfixadmin.SCRIPT.read_text()
    assert 'stamp="-- key: $key ${versions% }"' in text
    assert "mariadb-server-core php8.4-cli postfixadmin)" in text
    versions = "mariadb-server-core=1:11 php8.4-cli=8.4 postfixadmin=3.3"
    state = Schema().process([f"-- key: abc {versions}", "", f"now: {versions} "])
    assert state.made_from == f"-- key: abc {state.versions}"


def test_missing_file_is_no_state() -> None:
    """A machine without the file and the packages gives empty texts."""
    assert Schema().process(["", "now: "]) == SchemaState()


def test_configuration_is_golden() -> None:
    golden.check("postfixadmin", _CONFIGURATION, golden.rendered(postfixadmin)[_CONFIGURATION])


@pytest.mark.parametrize("path", [_POOL, _SITE])
def test_what_serves_it_is_golden(path: str) -> None:
    golden.check("postfixadmin", path, golden.baked(postfixadmin)[path])


def test_database_elsewhere_is_reached_by_tls() -> None:
    """And its certificate is verified."""
    text = golden.rendered(postfixadmin, golden.ELSEWHERE)[_CONFIGURATION]
    assert "$CONF['database_host'] = 'db.example.test';" in text
    assert "$CONF['database_ssl_verify_server_cert'] = true;" in text
    assert "mysqld.sock" not in text


def test_pages_are_a_setting() -> None:
    """Without postfixadmin.web nothing is served, nothing runs, and nothing may leave."""
    settings = replace(Settings(), postfixadmin=PostfixadminSettings(web=False))
    assert b"Alias" not in golden.baked(postfixadmin, settings)[_SITE]
    facts = [read(postfixadmin)]
    assert units(facts, settings) == ()
    assert egress(facts, settings) == ()
