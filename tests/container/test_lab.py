"""The lab's own inhabitants, seen by the clients that Debian's servers use; no server is in it."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import time
from typing import TYPE_CHECKING

import dns.reversename
import pytest

from postolka import home, namespace
from postolka.errors import PostolkaError
from postolka.lab import programs, spam, updates, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.lab.client import Lab


def _mail() -> bytes:
    """Return a mail like no other. Pyzor sees neither numbers nor long words."""
    word = "".join(chr(ord("a") + int(digit)) for digit in str(time.time_ns())[-8:])
    line = f"Offer {word}: buy it now, or you will regret it for ever.\r\n"
    head = "From: a@stranger.example\r\nTo: b@example.test\r\nSubject: An offer\r\n\r\n"
    return (head + line * 8).encode("ascii")


@pytest.fixture
def lists(lab: Lab) -> Iterator[Lab]:
    """Return a lab whose lists speak; afterwards nobody of ours is on them."""
    yield lab
    lab.silence()
    for subject in ("192.0.2.77", "2001:db8::77", "evil.example", "*"):
        lab.unblock(subject)


@pytest.mark.parametrize("subject", ["192.0.2.77", "2001:db8::77"])
def test_address_is_blocked_while_it_is_listed(lists: Lab, subject: str) -> None:
    """It is there at once, signed, and gone at once."""
    name = {
        "192.0.2.77": "77.2.0.192.zen.spamhaus.org",
        "2001:db8::77": "7.7" + ".0" * 22 + ".8.b.d.0.1.0.0.2.zen.spamhaus.org",
    }[subject]
    assert lists.lookup(name, "A") == []
    lists.block(subject)
    assert sorted(lists.lookup(name, "A")) == [b"127.0.0.2", b"127.0.0.4"]
    assert lists.lookup(name, "TXT")
    lists.unblock(subject)
    assert lists.lookup(name, "A") == []


def test_list_can_refuse_everybody(lists: Lab) -> None:
    """The same about each name, as whoever asks through a public resolver gets it."""
    lists.block("*")
    for name in ("1.2.0.192.zen.spamhaus.org", "a.b.example.dbl.spamhaus.org"):
        assert lists.lookup(name, "A") == [b"127.255.255.254"]
    assert lists.lookup("evil.example.multi.uribl.com", "A") == [b"127.0.0.1"]
    lists.unblock("*")
    assert lists.lookup("a.b.example.dbl.spamhaus.org", "A") == []


def test_silent_list_answers_nothing(lists: Lab) -> None:
    """Not even an error; everybody else is still heard."""
    lists.block("evil.example")
    lists.silence("blocklists")
    with pytest.raises(PostolkaError):
        lists.lookup("evil.example.dbl.spamhaus.org", "A")
    assert lists.lookup(world.OUTSIDE.name, "A")
    lists.silence()
    assert lists.lookup("evil.example.dbl.spamhaus.org", "A") == [b"127.0.1.2"]


def _say(lab: Lab, *words: str, status: int = 0) -> str:
    """Run `postolka lab` with these words on that lab; return all that it says."""
    done = subprocess.run(
        [sys.executable, "-m", "postolka", "lab", *words, "--lab", lab.name],
        env={**os.environ, "PYTHONPATH": str(home.CHECKOUT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def test_commands_say_what_the_library_says(lists: Lab, tmp_path: Path) -> None:
    """`postolka lab` puts on lists, takes off, reports, publishes, and names mistakes."""
    name = "evil.example.dbl.spamhaus.org"
    _say(lists, "block", "evil.example", "--on", "dbl.spamhaus.org", "--answer", "127.0.1.4")
    assert _say(lists, "lookup", name) == "127.0.1.4\n"
    _say(lists, "unblock", "evil.example")
    assert _say(lists, "lookup", name) == ""
    assert "hint: lists answer with" in _say(
        lists, "block", "evil.example", "--answer", "192.0.2.1", status=1
    )
    mail = tmp_path / "mail.eml"
    mail.write_bytes(_mail())
    _say(lists, "spam", str(mail))
    assert b"status 0" in programs.call(
        lists,
        ["sh", "-c", "cd /lab; cat >m; pyzor check <m && razor-check -home /lab m; echo status $?"],
        mail.read_bytes(),
    )
    rules = tmp_path / "lab.cf"
    rules.write_text("body LAB_RULE /lab word/\n", encoding="ascii")
    told = _say(lists, "rules", str(rules), "--key", str(tmp_path / "key"))
    assert told.startswith("rules.example ")
    assert (tmp_path / "key").read_text(encoding="ascii").startswith("-----BEGIN PGP PUBLIC KEY")


def test_nobody_else_can_be_silent(lab: Lab) -> None:
    """A typing error is told with the names there are."""
    with pytest.raises(PostolkaError, match="pyzors: is nobody who can be silent"):
        lab.silence("pyzors")


@pytest.mark.parametrize(
    ("name", "check"),
    [("pyzor", "pyzor check"), ("razor", "razor-check -home /lab")],
)
def test_reported_mail_is_known_to_its_client(lab: Lab, name: str, check: str) -> None:
    """Debian's client finds its server by DNS, and knows the mail after the report only."""
    mail, other = _mail(), _mail()
    argv = ["sh", "-c", f"{check}; echo status $?"]
    assert b"status 1" in programs.call(lab, argv, mail)
    spam.report(lab, mail, to=[name])
    assert b"status 0" in programs.call(lab, argv, mail)
    assert b"status 1" in programs.call(lab, argv, other)


def test_razor_takes_a_users_report(lab: Lab) -> None:
    """A new identity is registered, reports, and the mail is known; revoked, it isn't."""
    script = """
        cd /lab; cat >mail; razor-admin -home /lab -create
        razor-admin -home /lab -register
        razor-report -f -home /lab mail; razor-check -home /lab mail; echo reported $?
        razor-revoke -f -home /lab mail; razor-check -home /lab mail; echo revoked $?
    """
    seen = programs.call(lab, ["sh", "-c", script], _mail())
    assert b"reported 0" in seen
    assert b"revoked 1" in seen


def test_address_loses_its_reverse_name_and_gets_it_back(lab: Lab) -> None:
    """Of the host's two addresses only one is without a PTR record."""
    v4, v6 = (dns.reversename.from_address(a).to_text() for a in world.OUTSIDE.addresses)
    lab.unname(world.OUTSIDE.ipv6)
    assert lab.lookup(v6, "PTR") == []
    assert lab.lookup(v4, "PTR") == [b"mx.outside.example."]
    lab.unname()
    assert lab.lookup(v6, "PTR") == [b"mx.outside.example."]


def _fetched(lab: Lab, url: str) -> bytes:
    script = f"import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen({url!r}).read())"
    return programs.call(lab, ["python3", "-c", script])


def test_channel_is_what_sa_update_expects(lab: Lab) -> None:
    """Version and mirrors in the DNS, an archive, its checksum, a signature by the lab's key."""
    older = updates.rules(lab, b"body OLD /old/\n")
    version = updates.rules(lab, b"body LAB_RULE /lab word/\n")
    assert version > older
    assert lab.lookup("1.0.4.rules.example", "TXT") == [str(version).encode("ascii")]
    (mirrors,) = lab.lookup("mirrors.rules.example", "TXT")
    base = _fetched(lab, mirrors.decode("ascii")).split()[0].decode("ascii")
    archive = _fetched(lab, f"{base}{version}.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        member = tar.extractfile("lab.cf")
        assert member
        assert member.read() == b"body LAB_RULE /lab word/\n"
    digest = hashlib.sha512(archive).hexdigest().encode("ascii")
    assert _fetched(lab, f"{base}{version}.tar.gz.sha512").split()[0] == digest
    fingerprint, key = updates.key(lab)
    signature = _fetched(lab, f"{base}{version}.tar.gz.asc")
    script = """
        cd /lab && mkdir -m 700 g && cat >all && python3 -c '
import sys
for name, part in zip(("key", "asc", "data"), open("all", "rb").read().split(b"--8<--", 2)):
    open(name, "wb").write(part)' &&
        gpg --homedir g --quiet --import key && gpg --homedir g --status-fd 1 --verify asc data
    """
    given = b"--8<--".join((key, signature, archive))
    seen = programs.call(lab, ["sh", "-c", script], given)
    assert f"VALIDSIG {fingerprint}".encode("ascii") in seen


def test_signature_file_is_on_the_mirror(lab: Lab) -> None:
    """Under the name that ClamAV knows its kind by; databases that need a signature are refused."""
    text = b"Lab.Test:0:*:6c61622d7669727573\n"
    assert _fetched(lab, updates.signatures(lab, "lab.ndb", text)) == text
    with pytest.raises(PostolkaError, match=r"daily\.cvd: is no name of a ClamAV signature file"):
        updates.signatures(lab, "daily.cvd", text)


@pytest.mark.parametrize("family", ["A", "AAAA"])
def test_time_server_tells_the_time(lab: Lab, family: str) -> None:
    """Debian's own time servers by name, with both families (RFC 5905, figure 8)."""
    (address,) = lab.lookup("0.debian.pool.ntp.org", family)
    server = address.decode("ascii")
    with namespace.new_socket(lab.strangers, server, namespace.DATAGRAM) as client:
        client.settimeout(10)
        client.sendto(b"\x23" + bytes(47), (server, 123))
        answer = client.recv(100)
    since_1900 = int.from_bytes(answer[40:44])
    assert abs(since_1900 - 2208988800 - time.time()) < 5
    assert 1 <= answer[1] <= 15, "a stratum that clients believe"
