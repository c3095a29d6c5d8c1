"""What makes PostfixAdmin's tables."""

from __future__ import annotations

import hashlib

from pyinfra_deploys import postfixadmin
from pyinfra_deploys.facts.schema import Schema, SchemaState
from tests.unit import golden

_SCRIPT = "/usr/lib/postolka/postfixadmin-schema"


def test_stamp_and_fact_agree() -> None:
    """What the script writes into the first line is what the fact compares."""
    text = golden.baked(postfixadmin)[_SCRIPT].decode()
    assert 'stamp="-- key: $(sha256sum <"$0" | cut -c -64) ${versions% }"' in text
    assert "mariadb-server-core php8.4-cli postfixadmin)" in text
    digest = hashlib.sha256(text.encode()).hexdigest()
    versions = "mariadb-server-core=1:11 php8.4-cli=8.4 postfixadmin=3.3"
    state = Schema().process([f"-- key: {digest} {versions}", "", f"now: {versions} "])
    assert state.made_from == f"-- key: {digest} {state.versions}"


def test_missing_file_is_no_state() -> None:
    """A machine without the file and the packages gives empty texts."""
    assert Schema().process(["", "now: "]) == SchemaState()


def test_php_never_starts() -> None:
    """What comes along by dependency is masked until the web interface is served."""
    assert "php8.4-fpm.service" in postfixadmin.MASKED
