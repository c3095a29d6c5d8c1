"""Settings: from group_data to frozen values, with every problem at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postolka.errors import PostolkaError, ProblemsError
from postolka.home import CHECKOUT
from pyinfra_deploys import settings
from pyinfra_deploys.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def _file(directory: Path, text: str) -> Path:
    path = directory / "all.py"
    path.write_text(text)
    return path


def test_the_checkouts_own_group_data_are_good() -> None:
    """What a fresh clone builds from parses."""
    assert settings.load(CHECKOUT / "group_data").postfix.message_size_limit_mib == 50


def test_a_key_sets_its_field_and_the_rest_keep_their_defaults() -> None:
    """`<section>_<field>` sets one field."""
    parsed = settings.parse({"dovecot_imaps": False})
    assert parsed.dovecot.imaps is False
    assert parsed.postfix == Settings().postfix


def test_all_problems_are_reported_at_once_sorted_by_path() -> None:
    """An unknown key, a wrong type and a value out of range make one error."""
    with pytest.raises(ProblemsError) as caught:
        settings.parse(
            {
                "postfix_submissions": 1,
                "postfix_message_size_limit_mib": 0,
                "dovecot_pop3": True,
            }
        )
    assert [str(problem) for problem in caught.value.problems] == [
        "dovecot_pop3: no such setting",
        "postfix_message_size_limit_mib: must be 1 to 1024, not 0",
        "postfix_submissions: must be bool, not int",
    ]


def test_a_word_must_be_one_that_has_a_meaning() -> None:
    """A setting with names for its values takes no other, and says which there are."""
    assert settings.parse({"opendmarc_dmarc_failure": "spam-folder"}).opendmarc.dmarc_failure
    with pytest.raises(ProblemsError, match="must be one of reject, spam-folder, not discard"):
        settings.parse({"opendmarc_dmarc_failure": "discard"})


def test_a_truth_value_is_no_number() -> None:
    """True is an int to Python; a limit of True is a mistake."""
    with pytest.raises(ProblemsError, match="must be int, not bool"):
        settings.parse({"postfix_message_size_limit_mib": True})


def test_group_data_may_be_commented_and_annotated(tmp_path: Path) -> None:
    """A docstring, comments and annotations are read over."""
    path = _file(tmp_path, '"""Ours."""\n# smaller\npostfix_message_size_limit_mib: int = 20\n')
    assert settings.load(path.parent).postfix.message_size_limit_mib == 20


def test_group_data_are_never_executed(tmp_path: Path) -> None:
    """Every line that isn't `name = literal` is refused, and none of them runs."""
    path = _file(
        tmp_path,
        f"import os\nopen({str(tmp_path / 'planted')!r}, 'w')\nbase_journal_max_mib = 8 * 16\n",
    )
    with pytest.raises(ProblemsError) as caught:
        settings.load(path.parent)
    assert [problem.path for problem in caught.value.problems] == ["line 1", "line 2", "line 3"]
    assert not (tmp_path / "planted").exists()


def test_broken_group_data_say_where(tmp_path: Path) -> None:
    """A syntax error names the line."""
    with pytest.raises(PostolkaError, match=r"all\.py:2: not Python"):
        settings.load(_file(tmp_path, "dovecot_imaps = True\ndovecot_imaps = = False\n").parent)


def test_group_data_may_be_missing(tmp_path: Path) -> None:
    """Without the file every setting has its default."""
    assert settings.load(tmp_path) == Settings()


def test_profile_wins_over_what_is_for_all(tmp_path: Path) -> None:
    """As pyinfra has it with a group's data; what it doesn't name is as for all."""
    _file(tmp_path, "dovecot_imap = False\nclamav_enabled = True\n")
    (tmp_path / "small.py").write_text("clamav_enabled = False\n")
    found = settings.load(tmp_path, "small")
    assert (found.clamav.enabled, found.dovecot.imap) == (False, False)
    assert settings.load(tmp_path).clamav.enabled


@pytest.mark.parametrize("name", ["large", "all", "../small", "small.py"])
def test_profile_that_is_not_there_is_told(tmp_path: Path, name: str) -> None:
    """With those that there are."""
    (tmp_path / "small.py").write_text("")
    with pytest.raises(PostolkaError, match="there is no such profile") as caught:
        settings.load(tmp_path, name)
    assert "has small" in str(caught.value)


def test_mistake_in_a_profile_is_told_by_its_file(tmp_path: Path) -> None:
    """Not by the file that is for all."""
    (tmp_path / "small.py").write_text("clamav_enabled = 5\n")
    with pytest.raises(PostolkaError, match=r"small\.py"):
        settings.load(tmp_path, "small")


@pytest.mark.parametrize("name", ["", *settings.profiles(CHECKOUT / "group_data")])
def test_own_profiles_are_good(name: str) -> None:
    """Each is another server."""
    folder = CHECKOUT / "group_data"
    assert (settings.load(folder, name) == settings.load(folder)) == (not name)


def test_a_hosts_connection_data_are_no_settings() -> None:
    """The connection's keys stand beside the settings in a host's data; a typo is found."""
    parsed = settings.of_host(
        {"ssh_port": 2222, "ssh_root_login": True, "instance_file": "x", "dovecot_imaps": False}
    )
    assert parsed.ssh.root_login
    assert not parsed.dovecot.imaps
    with pytest.raises(ProblemsError, match="dovecot_pop3: no such setting"):
        settings.of_host({"dovecot_pop3": False})


def test_settings_go_into_the_manifest_as_plain_data() -> None:
    """as_data() is what house.json holds: nested dictionaries of JSON's types."""
    data = Settings().as_data()
    assert data["postfix"]["submissions"] is True
    assert all(
        isinstance(value, bool | int | float | str)
        for section in data.values()
        for value in section.values()
    )


def test_a_whole_number_is_a_number_too() -> None:
    """A score of 7 needs no decimal point."""
    assert settings.parse({"amavis_tag2_level": 6}).amavis.tag2_level == 6
    with pytest.raises(ProblemsError, match="must be float, not str"):
        settings.parse({"amavis_tag2_level": "6"})
    with pytest.raises(ProblemsError, match=r"must be 1 to 1000, not 0\.5"):
        settings.parse({"amavis_tag2_level": 0.5})
