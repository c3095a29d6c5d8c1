"""What cloud-init gets: examples that are good, settings, and the handler of instance data."""

from __future__ import annotations

import email
import importlib.util
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from postolka.instance import document
from postolka.instance.model import Instance
from postolka.instance.parse import parse
from pyinfra_deploys import cloudinit, server
from pyinfra_deploys.sections import SshSettings
from pyinfra_deploys.settings import Settings
from tests.unit import instances
from tests.unit.golden import baked

if TYPE_CHECKING:
    from types import ModuleType

_FOLDER = Path(__file__).parents[2] / "cloud-init"
_EXAMPLES = sorted((_FOLDER / "examples").iterdir())


@pytest.mark.parametrize("file", _EXAMPLES, ids=lambda file: str(file.name))
def test_example_is_good(file: Path) -> None:
    """Every example passes the code that runs in the image."""
    assert parse(file.read_bytes(), where=file.name).domains


def test_examples_show_every_field() -> None:
    """A field that no example shows is one that nobody finds."""
    shown: set[str] = set()
    for file in _EXAMPLES:
        loaded = document.load(document.part(file.read_bytes(), where="x"), where="x")
        assert isinstance(loaded, dict)
        shown |= set(loaded)
    assert shown == {field.name for field in fields(Instance)} | {"format"}


def test_root_is_locked_out_by_cloud_init_as_by_sshd() -> None:
    """On a stock machine whose operator is root, cloud-init leaves root's keys alone."""
    path = "/etc/cloud/cloud.cfg.d/91-postolka-root.cfg"
    for root_login in (False, True):
        settings = replace(Settings(), ssh=SshSettings(root_login=root_login))
        found = yaml.safe_load(baked(cloudinit, settings)[path])
        assert found == {"disable_root": not root_login}


def _parts(user_data: bytes) -> dict[str, Any]:
    message = email.message_from_bytes(user_data)
    return {part.get_content_type(): part.get_payload() for part in message.walk()}


@pytest.mark.parametrize(
    "user_data",
    [instances.made().user_data, (_FOLDER / "examples/one-domain.user-data").read_bytes()],
    ids=["new", "example"],
)
def test_user_data_have_two_parts(user_data: bytes) -> None:
    """cloud-init's own part names nothing but SSH keys; ours is the data."""
    parts = _parts(user_data)
    assert set(parts) == {"multipart/mixed", "text/cloud-config", document.CONTENT_TYPE}
    config = parts["text/cloud-config"]
    assert config.startswith("#cloud-config\n")
    loaded = yaml.safe_load(config)
    assert list(loaded) == ["ssh_authorized_keys"]
    assert loaded["ssh_authorized_keys"][0].startswith("ssh-ed25519 ")


def _settings() -> dict[str, Any]:
    loaded = yaml.safe_load((_FOLDER / "cloud.cfg.d/90-postolka.cfg").read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_datasources_are_fixed() -> None:
    """NoCloud and EC2, and none that would be asked in vain; ds-identify reads one line only."""
    assert _settings()["datasource_list"] == ["NoCloud", "Ec2", "None"]
    text = (_FOLDER / "cloud.cfg.d/90-postolka.cfg").read_text()
    assert "\ndatasource_list: [NoCloud, Ec2, None]\n" in text


def test_no_module_writes_to_etc() -> None:
    """The short list that left no read-only error behind."""
    settings = _settings()
    assert settings["cloud_init_modules"] == ["seed_random", "write_files", ["ssh", "always"]]
    assert settings["cloud_config_modules"] == ["runcmd"]
    assert settings["cloud_final_modules"] == ["scripts_user", "final_message"]


def test_keys_go_to_the_login_user() -> None:
    """The user that credentials.json names."""
    user = _settings()["system_info"]["default_user"]["name"]
    assert user == instances.made().credentials["ssh"]["user"]
    assert user in {item.name for item in server.users(server.all_rooms())}


@pytest.fixture
def handler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the handler, storing below a directory of the test's."""
    spec = importlib.util.spec_from_file_location("handler", _FOLDER / "postolka_part.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "_INCOMING", tmp_path / "incoming")
    return module


def test_handler_stores_a_part_once(handler: ModuleType, tmp_path: Path) -> None:
    """cloud-init calls twice on a first boot; a second, different part is kept beside it."""
    assert handler.list_types() == [document.CONTENT_TYPE]
    for _ in range(2):
        handler.handle_part(None, "__begin__", None, None)
        handler.handle_part(None, document.CONTENT_TYPE, "instance.yaml", "format: 1\n")
        handler.handle_part(None, "__end__", None, None)
    (stored,) = (tmp_path / "incoming").iterdir()
    assert (stored.read_bytes(), stored.stat().st_mode & 0o777) == (b"format: 1\n", 0o600)
    handler.handle_part(None, document.CONTENT_TYPE, "instance.yaml", b"format: 2\n")
    assert len(list((tmp_path / "incoming").iterdir())) == 2


def test_handler_is_where_cloud_init_looks() -> None:
    """A link made at boot leads from the state partition to the image's file."""
    files = baked(cloudinit)
    target = b"/usr/lib/postolka/cloud-init/postolka_part.py"
    assert target in files["/usr/lib/tmpfiles.d/postolka-cloudinit.conf"]
    assert target.decode() in cloudinit.FILES_OF_CLOUD_INIT
