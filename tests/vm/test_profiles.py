"""Each profile of group_data is an image of its own that boots, enforcing, and carries mail."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, build, derivation, home
from pyinfra_deploys import settings
from tests.container.conftest import new_instance
from tests.vm import denials
from tests.vm.conftest import MEMORY_MIB, ask, await_state, running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.vm.conftest import Boots

pytestmark = pytest.mark.soak

_PROFILES = settings.profiles(home.CHECKOUT / derivation.GROUP_DATA)
#: What each is to do with, as its file says.
_MEMORY_MIB = {"small": 512}
_QUESTIONS = {
    "denials": denials.QUESTION,
    "failed": "systemctl --failed --no-legend",
    "killed": "journalctl --dmesg --quiet --output=cat --grep='Out of memory' || true",
    "packages": "dpkg-query --show --showformat='${Package}\\n'",
}


@pytest.mark.parametrize("profile", _PROFILES)
def test_profile_carries_mail(boots: Boots, profile: str, tmp_path: Path) -> None:
    """In the memory that it is for; what its settings leave out isn't there."""
    built = build.realise(want="disk", progress=print, temporary_lock=True, profile=profile)
    assert built.id != boots.built.id
    instance = new_instance(tmp_path / "files", domain=f"{profile}.test")
    request = dataclasses.replace(boots, built=built).request(instance, profile, tmp_path / "state")
    memory_mib = _MEMORY_MIB.get(profile, MEMORY_MIB)
    with running(dataclasses.replace(request, memory_mib=memory_mib)) as machine:
        assert await_state(machine).word == "ready"
        subject = acceptance.subject(machine, boots.lab, instance.directory)
        acceptance.run(subject, lambda _promise, _seen: None)
        seen = ask(machine, _QUESTIONS)
    assert denials.kinds(seen["denials"]) == []
    assert (seen["failed"], seen["killed"]) == ("", "")
    chosen = settings.load(home.CHECKOUT / derivation.GROUP_DATA, profile)
    assert ("clamav-daemon" in seen["packages"].split()) == chosen.clamav.enabled
