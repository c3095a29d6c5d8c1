"""The deploy of a stock machine: bad settings and bad data are told before anything is done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pyinfra.api.exceptions import DeployError

from postolka.home import CHECKOUT
from pyinfra_deploys import machine
from tests.unit import instances


def test_settings_out_of_range_are_named() -> None:
    """Each by the key that it has in group_data."""
    with pytest.raises(DeployError) as caught:
        machine.of_host({"postfix_message_size_limit_mib": 0, "dovecot_pop3": True})
    assert str(caught.value).splitlines()[:3] == [
        "host data: 2 problems",
        "  dovecot_pop3: no such setting",
        "  postfix_message_size_limit_mib: must be 1 to 1024, not 0",
    ]


def test_bad_instance_data_never_reach_the_machine(tmp_path: Path) -> None:
    """They would replace the last good ones, on which it could go on serving."""
    file = tmp_path / "user-data"
    file.write_bytes(instances.made().user_data.replace(b"format: 1", b"format: 2\nx: 1"))
    with pytest.raises(DeployError, match=rf"{file}: 2 problems\n  format: must be .*\n  x: "):
        machine.of_host({"instance_file": str(file)})


def test_instance_data_are_taken_out_of_user_data(tmp_path: Path) -> None:
    """User-data and the document alone give the machine the same bytes' meaning."""
    file = tmp_path / "user-data"
    file.write_bytes(instances.made().user_data)
    assert machine.instance_data(file).strip() == instances.yaml_data().strip()


def test_pyinfra_shows_what_is_wrong_without_a_traceback(tmp_path: Path) -> None:
    """As an operator sees it: exit code 1, where, what, and the hint."""
    program = Path(sys.executable).with_name("pyinfra")
    argv = [
        str(program),
        "--dry",
        "@local",
        "deploy.py",
        "--data",
        f"instance_file={tmp_path}/none",
    ]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"{tmp_path}/none: can't be read: No such file or directory" in done.stderr
    assert "hint: postolka instance new DOMAIN -o DIR" in done.stderr
