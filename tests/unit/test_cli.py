"""The command line as a whole: where options may stand, and the form of its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postolka import cli

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_debug_may_stand_anywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: int
) -> None:
    """Before the verb, after it, after its action and after its arguments."""
    words = ["instance", "check", str(tmp_path / "none")]
    assert cli.main(words) == 1
    assert "Traceback" not in capsys.readouterr().err
    words.insert(place, "--debug")
    assert cli.main(words) == 1
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert f"\npostolka: {tmp_path / 'none'}: can't be read: " in said


def test_every_verb_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """`postolka VERB --help` names its arguments, --debug among them."""
    for verb in cli.VERBS:
        with pytest.raises(SystemExit) as ended:
            cli.main([verb, "--help"])
        assert ended.value.code == 0
        assert "--debug" in capsys.readouterr().out


def test_wrong_usage_is_told_from_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and nothing on standard output."""
    for words in (
        [],
        ["no-such-verb"],
        ["vm"],
        ["vm", "run", "--no-such-option"],
        ["lab", "stop", "x"],
    ):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        assert ended.value.code == 2
        assert capsys.readouterr().out == ""
