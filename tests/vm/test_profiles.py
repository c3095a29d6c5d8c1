"""Each profile of group_data is an image of its own that boots, enforcing, and carries mail."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

import pytest

from postolka import build, derivation, example, home
from pyinfra_deploys import settings
from tests.container.conftest import new_instance, new_relay
from tests.vm import denials
from tests.vm.conftest import ask, await_state, running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.vm.conftest import Boots

pytestmark = pytest.mark.soak

_PROFILES = settings.profiles(home.CHECKOUT / derivation.GROUP_DATA)
#: Less than a server with all of ClamAV's signatures could do with, and the cheapest machines have.
_MEMORY_MIB = 768
_QUESTIONS = {
    "denials": denials.QUESTION,
    "failed": "systemctl --failed --no-legend",
    "killed": "journalctl --dmesg --quiet --output=cat --grep='Out of memory' || true",
    "memory": "free --mebi",
    "packages": "dpkg-query --show --showformat='${Package}\\n'",
}


@pytest.mark.parametrize("profile", _PROFILES)
def test_profile_carries_mail(
    boots: Boots, profile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In little memory; what its settings leave out isn't there."""
    built = build.realise(want="disk", progress=print, temporary_lock=True, profile=profile)
    assert built.id != boots.built.id
    new = new_instance if built.has_mailboxes() else new_relay
    instance = new(tmp_path / "files", f"{profile}.test")
    request = dataclasses.replace(boots, built=built).request(instance, profile, tmp_path / "state")
    with running(dataclasses.replace(request, memory_mib=_MEMORY_MIB)) as machine:
        assert await_state(machine).word == "ready"
        example.accept(built, machine, boots.lab, instance.directory, lambda *_: None)
        seen = ask(machine, _QUESTIONS)
    with capsys.disabled():
        sys.stdout.write(f"\n{profile}, {_MEMORY_MIB} MiB:\n{seen['memory']}\n")
    assert denials.kinds(seen["denials"]) == []
    assert (seen["failed"], seen["killed"]) == ("", "")
    chosen = settings.load(home.CHECKOUT / derivation.GROUP_DATA, profile)
    assert ("clamav-daemon" in seen["packages"].split()) == chosen.clamav.enabled
    assert ("dovecot-core" in seen["packages"].split()) == chosen.base.mailboxes
