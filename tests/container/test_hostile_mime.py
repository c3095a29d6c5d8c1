"""Mails that are made to break a filter: refused, kept or delivered, and memory has its limits.

Archives in more levels than are opened, and passwords, are test_viruses'.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import world
from tests.container import bombs
from tests.container.conftest import ssh
from tests.container.sending import bring, submit
from tests.container.test_filters import delivered, quarantined, settle
from tests.container.test_viruses import EICAR
from tests.container.unharmed import peak_bytes, unharmed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

#: More than amavis' $MAX_EXPANSION_QUOTA.
_LARGE_MIB = 400
_LONG = b"x" * 5_000_000
#: More than OpenDKIM's MaximumHeaders.
_MANY = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 60) for number in range(20_000))

#: Refused while their sender is there.
_REFUSED = {
    "a thousand levels": bombs.multiparts(1000),
    "twenty thousand fields": _MANY + b"\r\nx\r\n",
    "two hundred hops": b"Received: from a by b; Sun, 1 Feb 2026 02:00:00 +0000\r\n" * 200
    + b"\r\nx\r\n",
}
#: Taken, and kept in the quarantine: nobody could look at all of it.
_KEPT = {
    "mails in mails": lambda: bombs.forwards(1000),
    "much in a zip": lambda: bombs.attached("a.zip", bombs.flat_zip(_LARGE_MIB)),
    "much in gzip": lambda: bombs.attached("a.gz", bombs.flat_gzip(_LARGE_MIB)),
    "zips in zips": lambda: bombs.attached("a.zip", bombs.nested_zip(2, 8, 64)),
    "twenty thousand files": lambda: bombs.attached("a.zip", bombs.crowded_zip(20_000)),
}
#: Odd, and somebody's mail.
_DELIVERED = {
    "ten thousand parts": bombs.parts(10_000),
    "a long field": b"X-Long: " + _LONG + b"\r\n\r\nx\r\n",
    "a long folded field": b"X-Long: " + b"y\r\n " * 1_000_000 + b"y\r\n\r\nx\r\n",
    "a long line": b"\r\n" + _LONG + b"\r\n",
    "broken words": b"Comments: =?utf-8?B?/////w==?= =?x?Q?=FF?=\r\nNo field\r\n\r\nx\r\n",
    "NULs": b"X-N\0: \0\r\n\r\n\0\0" + bytes(range(14, 256)) + b"\r\n",
    "a file elsewhere": b"MIME-Version: 1.0\r\n"
    b"Content-Type: application/octet-stream; name*0*=x''%FF%00; name*999999999=x\r\n"
    b"Content-Disposition: attachment; filename*=utf-8''..%2f..%2fetc%2fpasswd\r\n"
    b"Content-Transfer-Encoding: none\r\n\r\nx\r\n",
}
#: Methods that not every program for archives knows, with what makes one of the file `it`.
_ARCHIVES = {
    "BZip2 in a 7z": "7z a -m0=BZip2 a.7z it",
    "Deflate in a 7z": "7z a -m0=Deflate a.7z it",
    "LZMA alone": """python3 -c 'import lzma
open("a.lzma", "wb").write(lzma.compress(open("it", "rb").read(), lzma.FORMAT_ALONE))'""",
}

#: Services with a limit on their memory.
_LIMITED = (
    *("amavis", "clamav-daemon", "fail2ban", "named"),
    *("dmarc-policy", "opendkim", "opendkim-ed25519", "opendmarc"),
)


@pytest.fixture(scope="module", autouse=True)
def _all_goes_on(machine: Machine, subject: Subject) -> Iterator[None]:
    with unharmed(machine, subject):
        yield


def _mail(login: Login, content: bytes, sender: str = world.STRANGER) -> tuple[str, bytes]:
    """Return a mail with these fields and this body, and its Message-ID."""
    whole = compose(sender, [login.address], "Hostile")
    for name in ("Content-Type", "Content-Transfer-Encoding", "MIME-Version"):
        del whole[name]
    return whole["Message-ID"], bytes(whole).partition(b"\r\n\r\n")[0] + b"\r\n" + content


def _archive(machine: Machine, content: bytes, command: str) -> bytes:
    """Have the machine put a file `it` into an archive `a.…`; return it."""
    script = f"cd $(mktemp -d) && cat >it && ({command}) >/dev/null && cat a.* && rm -r $PWD"
    done = subprocess.run([*machine.ssh(), script], input=content, capture_output=True, check=True)
    return done.stdout


def _is_kept(subject: Subject, machine: Machine, content: bytes) -> None:
    bob = subject.second
    mark, mail = _mail(bob, content)
    assert bring(subject, bob, mail, number=40) == 250
    assert quarantined(machine, mark)
    settle(machine)
    assert mailclient.read(subject.server, bob, mark) is None


@pytest.mark.parametrize("name", _REFUSED)
def test_mail_beyond_measure_is_refused(subject: Subject, alice: Login, name: str) -> None:
    """For good: its sender doesn't try again for days."""
    assert bring(subject, alice, _mail(alice, _REFUSED[name])[1], number=40) // 100 == 5


def test_users_mail_beyond_measure_is_refused(subject: Subject, alice: Login) -> None:
    """More header than the signing milters take is no reason to put it off, either."""
    mail = _mail(alice, _REFUSED["twenty thousand fields"], alice.address)[1]
    assert submit(subject, alice, [alice.address], mail) // 100 == 5


@pytest.mark.parametrize("name", _KEPT)
def test_bomb_is_kept(subject: Subject, machine: Machine, name: str) -> None:
    """Nobody looks at all of it, so nobody gets it; an operator can release it."""
    _is_kept(subject, machine, _KEPT[name]())


@pytest.mark.parametrize("name", _DELIVERED)
def test_odd_mail_arrives(subject: Subject, alice: Login, name: str) -> None:
    """A mail is no attack since it is badly made."""
    mark, mail = _mail(alice, _DELIVERED[name])
    assert bring(subject, alice, mail, number=40) == 250
    assert mailclient.wait_for(subject.server, alice, mark)


@pytest.mark.parametrize("name", _ARCHIVES)
def test_virus_by_an_odd_method_is_found(subject: Subject, machine: Machine, name: str) -> None:
    """In each archive that people make by usual programs."""
    archive = _archive(machine, EICAR, _ARCHIVES[name])
    _is_kept(subject, machine, bombs.attached("a.bin", archive))


def test_archive_that_wants_too_much_memory_is_marked(
    subject: Subject, machine: Machine, alice: Login
) -> None:
    """It isn't opened, and its mail is delivered as one that nobody looked into."""
    lines = b"".join(b"%d\n" % number for number in range(2000))
    greedy = bombs.greedy_7z(_archive(machine, lines, "7z a -mhc=off -m0=PPMd a.7z it"))
    mark, mail = _mail(alice, bombs.attached("a.7z", greedy))
    assert bring(subject, alice, mail, number=40) == 250
    got = mailclient.wait_for(subject.server, alice, mark)
    assert b"\nX-Virus-Scanned: no; something in it is encrypted, or can not be opened" in got
    assert delivered(machine, mark) == 1


@pytest.mark.parametrize("unit", _LIMITED)
def test_memory_stays_below_its_limit(machine: Machine, unit: str) -> None:
    """After all this, the most that its processes had, together, is less than half of it."""
    limit = int(ssh(machine, f"systemctl show --property=MemoryMax --value {unit}.service"))
    peak = peak_bytes(machine, unit)
    assert 0 < peak < limit // 2
