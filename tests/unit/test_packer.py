"""The Packer templates, read with python-hcl2 as other tools would read them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import hcl2
import pytest
from hcl2.utils import SerializationOptions

PACKER = Path(__file__).resolve().parents[2] / "packer"


def _load(name: str) -> dict[str, Any]:
    with (PACKER / name).open() as stream:
        options = SerializationOptions(strip_string_quotes=True, explicit_blocks=False)
        loaded: dict[str, Any] = hcl2.load(stream, serialization_options=options)
    return loaded


def test_one_build_has_one_null_source() -> None:
    """Build blocks start at the same instant, so everything that is ordered stands in one."""
    template = _load("postolka.pkr.hcl")
    assert len(template["build"]) == 1
    assert template["build"][0]["sources"] == ["source.null.image"]
    assert template["source"][0]["null"]["image"]["communicator"] == "none"


def test_image_is_handed_over_only_after_it_was_proved() -> None:
    """The post-processors, which run only if the provisioner passed, make the artefact."""
    (build,) = _load("postolka.pkr.hcl")["build"]
    (provisioner,) = build["provisioner"]
    assert "shell-local" in provisioner
    names = [next(iter(step)) for step in build["post-processors"][0]["post-processor"]]
    assert names == ["artifice", "manifest"]
    steps = (PACKER / "image.sh").read_text()
    assert steps.index(" accept ") < steps.index("cp --sparse")


def test_every_variable_has_a_default_and_a_description() -> None:
    """`packer build packer/` works without a values file."""
    for block in _load("variables.pkr.hcl")["variable"]:
        ((name, facts),) = block.items()
        assert {"type", "default", "description"} <= facts.keys(), name


@pytest.mark.skipif(not shutil.which("packer"), reason="no packer on PATH: make setup")
def test_packer_accepts_the_templates() -> None:
    """Packer's own validation passes offline."""
    done = subprocess.run(
        ["packer", "validate", str(PACKER)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("packer"), reason="no packer on PATH: make setup")
def test_packer_accepts_what_it_is_measured_with(tmp_path: Path) -> None:
    """The template of `make bench-peers`, with a value for each of its variables, passes too."""
    template = PACKER.parent / "tests/bench/packer"
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    names = re.findall(
        r'^variable "(\w+)"', (template / "server.pkr.hcl").read_text(), re.MULTILINE
    )
    values = {**dict.fromkeys(names, str(key)), "output_directory": str(tmp_path / "made")}
    words = [word for name, value in values.items() for word in ("-var", f"{name}={value}")]
    done = subprocess.run(
        ["packer", "validate", *words, str(template)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
