"""A virtual machine's life, in one: booted by the command, used, rebooted, used again, stopped.

Each boot of an emulated machine takes minutes, so what it shows is asked for once and kept; a mail
of each kind, the second boot and the shutdown are for `make soak`.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from postolka import acceptance, console, machines, mailclient
from pyinfra_deploys.settings import Settings
from tests import started
from tests.container.conftest import new_instance, tcp_ports
from tests.vm import chain, denials, intruder
from tests.vm.conftest import CPUS, MEMORY_MIB, ask, command, reboot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from postolka.acceptance import Subject
    from postolka.build import Built
    from postolka.lab.client import Lab
    from postolka.machines import Machine

_NAME = "life"
_BLESSING_SECONDS = 120
#: What is the machine's own: as it was after the first boot, so it is for ever.
_OWN = """
cat /etc/machine-id
find /var/lib/postolka /run/postolka/etc /run/postolka/tls -type f -exec sha256sum {} + | sort
find /etc -xdev | sort | sha256sum
hostname
"""
#: Of each setting for the kernel its name, the value that is wanted, and those that there are.
_KERNEL = r"""
sed -n 's/^-\([^ ]*\) = /\1 /p' /etc/sysctl.d/60-postolka.conf | while read -r name value; do
    echo "$name $value" $(cat /proc/sys/$(echo "$name" | tr . /))
done
"""
_UNCONFINED = {"init_t", "initrc_t", "kernel_t", "unconfined_service_t", "unconfined_t"}
#: Scripts that watch the machine's addresses, or ask others once in a while.
_NO_MAIL = {
    "amavis-networks.service",
    "razor-identity.service",
    "spam-rules.service",
}
#: What an intruder in these domains can open: what the daemon itself works with.
_MAY_OPEN = {
    "httpd_t": {"the server's key", "the database's socket"},
    # Debian's policy has amavis read the queue.
    "amavis_t": {"ClamAV's socket", "the database's socket", "the mail queue"},
    "clamd_t": {"ClamAV's socket"},
    "status_t": {"the instance's data", "the database's socket"},
}
_QUESTIONS = {
    # Blessing comes last of all, and may still be going on.
    "blessing": f"timeout {_BLESSING_SECONDS} sh -c 'until systemctl is-active --quiet "
    "postolka-ready.service && ! systemctl list-jobs | grep -q bless; do sleep 1; done'; "
    "/usr/lib/systemd/systemd-bless-boot status",
    "kernels": "ls /boot/EFI/Linux",
    "cmdline": "cat /proc/cmdline",
    "root": "findmnt --noheadings --output SOURCE,FSTYPE,OPTIONS /",
    "verity": "cat /sys/block/dm-0/dm/name /sys/block/dm-0/dm/uuid /sys/block/dm-0/ro",
    "var": "findmnt --noheadings --output SOURCE,FSTYPE /var",
    "partitions": "lsblk --json --bytes --output NAME,PARTLABEL,PARTTYPE,SIZE /dev/vda",
    "enforce": "cat /sys/fs/selinux/enforce; echo; tr -d '\\0' </proc/1/attr/current",
    "labels": "restorecon -nR -v /var /run/postolka",
    "memory": "free --mebi",
    "own": _OWN,
    "bits": "cat /proc/sys/kernel/random/boot_id",
    "kernel": _KERNEL,
}
#: After mails.
_LAST_QUESTIONS = {
    "failed": "systemctl list-units --failed --no-legend --plain",
    "denials": denials.QUESTION,
    "processes": "ps --no-headers -eo label:80,unit:60,args:60",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The machine after its first boot, and what was seen in it."""

    machine: Machine
    subject: Subject
    printed: Any
    """What the command printed, read as JSON."""
    first: dict[str, str]
    """Answers to the questions after the first boot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """What was seen after a reboot from the inside."""

    state: console.State
    seen: dict[str, str]
    mail: bytes
    """A mail that arrived in the first boot, as it was read then."""
    outcomes: dict[str, str]
    """What became of a mail of each kind (tests.vm.chain)."""
    last: dict[str, str]


@pytest.fixture(scope="module")
def life(built: Built, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Boot the image in 1 GiB by the command, and look around."""
    files = tmp_path_factory.mktemp("instance") / "files"
    instance = new_instance(files, domain="life.test")
    user_data = str(instance.directory / "user-data")
    words = ["vm", "run", built.id, "--user-data", user_data, "--lab"]
    words += ["--memory", str(MEMORY_MIB), "--cpus", str(CPUS)]
    words += ["--name", _NAME, "--detach", "--json"]
    done = command(*words)
    assert done.returncode == 0, done.stderr
    try:
        machine = machines.load(_NAME)
        subject = acceptance.subject(machine, lab, files)
        yield Life(
            machine=machine,
            subject=subject,
            printed=json.loads(done.stdout),
            first=ask(machine, _QUESTIONS),
        )
    finally:
        if machines.directory(_NAME).exists():
            started.drop(_NAME)


@pytest.fixture(scope="module")
def last(life: Life) -> dict[str, str]:
    """Return the answers to the last questions, once the tests above its first one have run."""
    return ask(life.machine, _LAST_QUESTIONS)


@pytest.fixture(scope="module")
def outcomes(life: Life) -> dict[str, str]:
    """Return what became of a mail of each kind (tests.vm.chain) in the first boot."""
    return chain.outcomes(life.machine, life.subject)


@pytest.fixture(scope="module")
def again(life: Life, outcomes: dict[str, str]) -> Again:
    """Reboot from the inside, and look around again."""
    assert outcomes
    mail = acceptance.receive(life.subject)
    state = reboot(life.machine)
    seen = ask(life.machine, _QUESTIONS)
    judged = chain.outcomes(life.machine, life.subject)
    last = ask(life.machine, _LAST_QUESTIONS)
    return Again(state=state, seen=seen, mail=mail, outcomes=judged, last=last)


def test_run_prints_how_to_reach_it(life: Life, built: Built) -> None:
    """The contract's fields, and each path leads to a file."""
    printed = life.printed
    assert set(printed) == {"name", "id", "host", "ports", "ssh", "console"}
    assert (printed["name"], printed["id"], printed["host"]) == (_NAME, built.id, "127.0.0.1")
    assert set(printed["ports"]) == {str(port) for port in tcp_ports()}
    assert set(printed["ssh"]) == {"user", "port", "key"}
    assert printed["ssh"]["port"] == printed["ports"]["22"]
    for path in (printed["console"], printed["ssh"]["key"]):
        assert Path(path).is_absolute()
        assert Path(path).is_file()


@pytest.mark.parametrize(
    ("promise", "check"), acceptance.CHECKS, ids=[c[0] for c in acceptance.CHECKS]
)
def test_image_keeps_its_promise(life: Life, promise: str, check: Callable[[Subject], str]) -> None:
    """Each check that an image has to pass."""
    assert check(life.subject), promise


def test_root_is_verified_and_read_only(life: Life) -> None:
    """EROFS on dm-verity, by the hash on the command line."""
    source, kind, options = life.first["root"].split()
    assert (source, kind, options.split(",")[0]) == ("/dev/mapper/root", "erofs", "ro")
    name, identity, is_read_only = life.first["verity"].split()
    assert (name, identity[:12], is_read_only) == ("root", "CRYPT-VERITY", "1")
    assert re.search(r"roothash=[0-9a-f]{64}\b", life.first["cmdline"])


def test_disk_has_its_partitions(life: Life) -> None:
    """ESP, 1 MiB for a BIOS boot loader, both slots, and the rest for the state."""
    disk = json.loads(life.first["partitions"])["blockdevices"][0]
    found = {part["partlabel"]: part for part in disk["children"]}
    labels = [part["partlabel"] for part in disk["children"]]
    assert labels[:2] == ["esp", "bios"]
    assert found["bios"]["size"] == 1 << 20
    assert found["bios"]["parttype"] == "21686148-6449-6e6f-744e-656564454649"
    assert re.match(r"root_\d", labels[2])
    assert re.match(r"verity_\d", labels[3])
    assert labels[4:] == ["_empty", "_empty", "postolka-state"]
    # Of 8 GiB; four slots, the ESP and a little are gone.
    assert found["postolka-state"]["size"] > 4 << 30
    assert re.fullmatch(r"/dev/vda\d\[/var\]\s+ext4", life.first["var"])


def test_selinux_is_on_and_all_labels_are_right(life: Life) -> None:
    """The policy is loaded, in the setting's mode, and /var got its labels with the first copy."""
    enforce = str(int(Settings().base.selinux == "enforcing"))
    assert life.first["enforce"].split() == [enforce, "system_u:system_r:init_t:s0"]
    assert life.first["labels"] == ""


def test_kernel_is_set(life: Life) -> None:
    """As the image's file says, on each interface, and nothing refused to take it."""
    lines = [line.split() for line in life.first["kernel"].splitlines()]
    assert len(lines) > 10
    assert [line for line in lines if set(line[2:]) != {line[1]}] == []


def test_nothing_has_failed(last: dict[str, str]) -> None:
    """No unit."""
    assert last["failed"] == ""


def test_one_gibibyte_is_enough(life: Life) -> None:
    """A server that just became ready has a quarter of it left."""
    row = next(line for line in life.first["memory"].splitlines() if line.startswith("Mem:"))
    total, *_, available = (int(word) for word in row.split()[1:])
    assert total <= MEMORY_MIB
    assert available > MEMORY_MIB // 4


def test_first_boot_is_blessed(life: Life) -> None:
    """The image's file loses its tries, so that systemd-boot never falls back from it."""
    assert life.first["blessing"] == "good"
    (kernel,) = life.first["kernels"].split()
    assert re.fullmatch(r"postolka_[0-9a-z.-]+\.efi", kernel)


@pytest.mark.soak
def test_each_mail_is_judged(outcomes: dict[str, str]) -> None:
    """Spam and viruses are kept back, forged mail is refused, good mail goes where it belongs."""
    assert outcomes == chain.OUTCOMES


def test_daemons_have_domains_of_their_own(
    last: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """None runs where SELinux lets it do anything, but those that no mail reaches."""
    found = set()
    for line in last["processes"].splitlines():
        label, unit, command = line.split(maxsplit=2)
        domain, program = label.split(":")[2], command.split()[0]
        # A child of systemd's own, in the instant before it starts the program, has its name so.
        is_systemd = domain == "init_t" and program.startswith("(")
        if unit.endswith(".service") and not unit.startswith("user@") and not is_systemd:
            found.add((unit, domain, program))
    with capsys.disabled():
        sys.stdout.write("\n  ".join(["", *(" ".join(words) for words in sorted(found)), ""]))
    unconfined = {unit for unit, domain, _ in found if domain in _UNCONFINED}
    assert unconfined - _NO_MAIL == set()
    assert {"postfix.service", "postolka-ratelimit.service"} <= {unit for unit, _, _ in found}


def test_selinux_has_denied_nothing(last: dict[str, str]) -> None:
    """From power-on on, with mail in and out."""
    assert denials.kinds(last["denials"]) == []


def test_daemon_that_was_taken_over_gets_nowhere(life: Life) -> None:
    """Not at mail, keys, data or the others' sockets, whatever account it makes its own."""
    found = intruder.taken(life.machine, [*_MAY_OPEN])
    assert found.pop("") == intruder.TARGETS.keys()
    assert found == _MAY_OPEN


@pytest.mark.soak
def test_second_boot_has_nothing_to_bless(again: Again) -> None:
    """Without a counter nothing is counted."""
    assert again.seen["blessing"] == "clean"


@pytest.mark.soak
def test_mail_survives_a_reboot(life: Life, again: Again) -> None:
    """What was acknowledged is there, and new mail arrives."""
    assert again.state.word == "ready"
    mark = re.search(rb"(?im)^message-id:\s*(\S+)", again.mail)
    assert mark
    server, login = life.subject.server, life.subject.first
    assert mailclient.wait_for(server, login, mark.group(1).decode("ascii")) == again.mail
    assert acceptance.receive(life.subject)


@pytest.mark.soak
def test_second_boot_changes_nothing(life: Life, again: Again) -> None:
    """The same machine, keys, secrets and rendered files; but another boot."""
    assert again.seen["own"].splitlines() == life.first["own"].splitlines()
    assert again.seen["bits"] != life.first["bits"]
    assert again.seen["partitions"] == life.first["partitions"]
    assert again.seen["labels"] == ""


@pytest.mark.soak
def test_each_mail_is_judged_after_a_reboot(again: Again) -> None:
    """Likewise, with nothing touched by hand."""
    assert again.outcomes == chain.OUTCOMES


@pytest.mark.soak
def test_nothing_has_failed_after_a_reboot(again: Again) -> None:
    """No unit, and SELinux has denied nothing in either boot, with a mail of each kind."""
    assert again.last["failed"] == ""
    assert denials.kinds(again.last["denials"], but=intruder.NAME) == []


@pytest.mark.soak
def test_stop_is_a_shutdown(life: Life) -> None:
    """`vm stop` has the machine write everything out and switch itself off."""
    assert life.machine.console
    with life.machine.console.open("rb") as log:
        log.seek(0, 2)
        done = command("vm", "stop", _NAME)
        assert done.returncode == 0, done.stderr
        said = console.plain(log.read().decode("utf-8", errors="replace"))
    assert "Power down" in said
    assert command("vm", "list", "--json").stdout.strip() == "[]"
    assert not life.machine.directory.exists()
