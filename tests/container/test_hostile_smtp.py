"""What hostile clients say to Postfix is refused or handled, and mail goes on.

Smuggled mails and who talks right behind DATA are test_postfix_in's.
"""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container.dialogues import Dialogue
from tests.container.unharmed import unharmed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

_LIMIT_BYTES = 50 << 20
_RECIPIENTS = 10_000
_HELLO = b"\x16\x03\x01\0\xa5\x01\0\0\xa1\x03\x03" + bytes(150) + b"\n"
_EHLO = b"EHLO x.example\r\n"
_BYE = rb"221 2\.7\.0 .*I can break rules, too"
_NO = rb"5\d\d "
_ENDED = rb"$"

#: What a client says, and the answers to it, to each port before any login.
_ANYWHERE = {
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", _BYE, _ENDED),
    "a page's form": (b"POST / HTTP/1.1\r\n\r\n" + _EHLO, _BYE, _ENDED),
    "a proxy's client": (b"CONNECT 127.0.0.1:25 HTTP/1.1\r\n\r\n", _BYE, _ENDED),
    "TLS where there is none": (_HELLO, _BYE, _ENDED),
    "a long command": (b"NOOP " + b"x" * 3000 + b"\r\n", rb"250 "),
    "a long address": (b"MAIL FROM:<" + b"x" * 3000 + b"@x.example>\r\n", rb"[25]\d\d "),
    "NUL": (b"NO\0OP\r\n", _NO),
    "NULs": (b"\0" * 100 + b"\r\n", _NO),
    "no UTF-8": (b"\xff\xfe\r\n", _NO),
    "another's address": (b"XCLIENT ADDR=127.0.0.1 LOGIN=alice@example.test\r\n", _NO),
    "another's way": (b"XFORWARD ADDR=127.0.0.1\r\n", _NO),
    "who has a mailbox": (b"VRFY postmaster\r\n", _NO),
    "who is on a list": (b"EXPN postmaster\r\n", _NO),
    "send the queue to me": (b"ETRN example.test\r\n", rb"[45]\d\d "),
    "an old back door": (b"DEBUG\r\n", _NO),
    "a mail to nobody": (b"DATA\r\n", _NO),
    "a greeting and more": (_EHLO + b"MAIL FROM:<x@x.example>\r\n", rb"554 5\.5\.0 ", _ENDED),
}

#: Recipients that a naive server would take for another's, a file, a program, or SQL.
_RECIPIENT_TRICKS = (
    "friend%outside.example@example.test",
    "outside.example!friend@example.test",
    "@example.test:friend@outside.example",
    '"friend@outside.example"@example.test',
    '"friend@outside.example"',
    "friend@outside.example@example.test",
    "friend@outside.example@[127.0.0.1]",
    "|touch /tmp/x",
    "/etc/passwd",
    ":include:/etc/passwd",
    "../../etc/passwd@example.test",
    "\"x' OR '1'='1\"@example.test",
    "%@example.test",
    "*@example.test",
    "a@" + "b" * 300 + ".example",
    "x" * 500 + "@example.test",
    "a@b" * 200,
)

#: Commands in the place of DATA, after one recipient, and the answer to the last.
_INSTEAD_OF_DATA = {
    "more bytes than there are": (b"BDAT 99999999999999999999\r\n", _NO),
    "four gibibytes": (b"BDAT 4294967295 LAST\r\n", rb"552 "),
    "less than nothing": (b"BDAT -1\r\n", _NO),
    "no number": (b"BDAT LAST\r\n", _NO),
    "DATA after BDAT": (b"BDAT 2\r\n\r\n", b"DATA\r\n", _NO),
    "a recipient after BDAT": (b"BDAT 2\r\n\r\n", b"RCPT TO:<bob@example.test>\r\n", _NO),
    "a second sender": (b"MAIL FROM:<y@x.example>\r\n", _NO),
}

#: Of a mail's size, as MAIL announces it.
_SIZES = {
    str(_LIMIT_BYTES + 1): rb"552 ",
    "9" * 20: rb"552 ",
    "-1": rb"501 ",
    "x": rb"501 ",
}


@pytest.fixture(scope="module", autouse=True)
def _all_goes_on(machine: Machine, subject: Subject) -> Iterator[None]:
    with unharmed(machine, subject):
        yield


def _greeted(subject: Subject, port: int, *, number: int = 20) -> Dialogue:
    """Connect; the server greets, so it has come through what was before."""
    dialogue = Dialogue(subject, port, number=number)
    assert dialogue.hear().startswith(b"220 ")
    return dialogue


def _with_recipient(subject: Subject, login: Login) -> Dialogue:
    """Connect to port 25, and begin a mail."""
    dialogue = _greeted(subject, 25, number=20)
    start = (_EHLO, b"MAIL FROM:<x@x.example>\r\n", f"RCPT TO:<{login.address}>\r\n".encode())
    for line in start:
        assert dialogue.say(line).startswith(b"250 ")
    return dialogue


@pytest.mark.parametrize("port", [25, 587, 465])
@pytest.mark.parametrize("name", _ANYWHERE)
def test_nonsense_is_refused(subject: Subject, name: str, port: int) -> None:
    """On each port, before any login; who is no mail client at all is sent away."""
    said, *answers = _ANYWHERE[name]
    with _greeted(subject, port) as dialogue:
        got = [dialogue.say(said), *(dialogue.hear() for _ in answers[1:])]
        for answer, expected in zip(got, answers, strict=True):
            assert re.match(expected, answer), got
        if answers[-1] != _ENDED:
            assert dialogue.say(b"NOOP\r\n").startswith(b"250 ")


@pytest.mark.parametrize("port", [25, 587, 465])
def test_rest_of_a_longer_line_is_no_more_than_talk(subject: Subject, port: int) -> None:
    """A line is cut after 2048 bytes (line_length_limit). Of 3000 the rest was dropped, see above.

    Of 5000 it is read as commands: as talk out of turn where it is there already, else each has its
    answer. It is the sender's own line, so it gets nothing that it couldn't say anyway.
    """
    with _greeted(subject, port) as dialogue:
        answers = [dialogue.say(b"NOOP " + b"QUIT " * 20_000 + b"\r\n")]
        while answers[-1]:
            answers.append(dialogue.hear())
    for answer in answers[:-1]:
        assert re.match(rb"250 2\.0\.0 |554 5\.5\.0 |500 5\.5\.2 |421 |221 ", answer), answers


@pytest.mark.parametrize("port", [25, 587])
def test_who_talks_before_the_greeting_is_refused(subject: Subject, port: int) -> None:
    """All commands at once, as spam programs have them: no recipient is taken."""
    talk = _EHLO + b"MAIL FROM:<x@x.example>\r\nRCPT TO:<alice@example.test>\r\n"
    with Dialogue(subject, port, number=70 + port % 7) as dialogue:
        answers = [dialogue.say(talk)]
        while answers[-1] and not answers[-1].startswith(b"5"):
            answers.append(dialogue.hear())
    assert re.match(rb"55[04] ", answers[-1]), answers


@pytest.mark.parametrize("port", [25, 587])
def test_command_before_tls_is_none_after_it(subject: Subject, port: int) -> None:
    """What somebody on the way put behind STARTTLS in clear text is forgotten (CVE-2011-0411)."""
    with _greeted(subject, port) as dialogue:
        assert dialogue.say(_EHLO).startswith(b"250 ")
        assert dialogue.say(b"STARTTLS\r\nQUIT\r\n").startswith(b"220 ")
        dialogue.start_tls()
        assert dialogue.say(b"NOOP\r\n").startswith(b"250 ")


@pytest.mark.parametrize("recipient", _RECIPIENT_TRICKS, ids=lambda it: it[:24])
def test_recipient_is_nothing_but_a_mailbox(subject: Subject, recipient: str) -> None:
    """Neither another's host by a detour, nor a file, a program or a piece of SQL."""
    with _greeted(subject, 25, number=20) as dialogue:
        dialogue.say(_EHLO)
        dialogue.say(b"MAIL FROM:<x@x.example>\r\n")
        answer = dialogue.say(f"RCPT TO:<{recipient}>\r\n".encode("ascii"))
        assert re.match(_NO, answer), answer


@pytest.mark.parametrize("name", _INSTEAD_OF_DATA)
def test_bytes_that_do_not_add_up_are_refused(subject: Subject, alice: Login, name: str) -> None:
    """BDAT (RFC 3030) has a number of bytes, and nothing in between."""
    *said, expected = _INSTEAD_OF_DATA[name]
    with _with_recipient(subject, alice) as dialogue:
        answers = [dialogue.say(line) for line in said]
        assert re.match(expected, answers[-1]), answers


def test_chunk_is_text_whatever_stands_in_it(subject: Subject, alice: Login) -> None:
    """An end of a mail in BDAT's bytes ends nothing."""
    mail = compose(world.STRANGER, [alice.address], "In chunks")
    inside = b".\r\nQUIT\r\n.\r\n"
    raw = bytes(mail) + inside
    with _with_recipient(subject, alice) as dialogue:
        assert dialogue.say(b"BDAT %d LAST\r\n" % len(raw) + raw).startswith(b"250 ")
        assert dialogue.say(b"NOOP\r\n").startswith(b"250 ")
    got = mailclient.wait_for(subject.server, alice, mail["Message-ID"])
    assert got.endswith(inside)


@pytest.mark.parametrize("size", _SIZES)
def test_size_is_checked_as_it_is_announced(subject: Subject, size: str) -> None:
    """RFC 1870: before a byte of the mail is sent."""
    with _greeted(subject, 25, number=20) as dialogue:
        dialogue.say(_EHLO)
        answer = dialogue.say(f"MAIL FROM:<x@x.example> SIZE={size}\r\n".encode("ascii"))
        assert re.match(_SIZES[size], answer), answer


@pytest.mark.parametrize("announced", ["", " SIZE=1000"])
def test_mail_that_is_too_large_is_refused(subject: Subject, alice: Login, announced: str) -> None:
    """Whatever was announced."""
    lines = (b"y" * 998 + b"\r\n") * (_LIMIT_BYTES // 1000 + 1)
    with post.stranger(subject.lab, subject.address, number=21) as client:
        client.mail(world.STRANGER, announced.split())
        client.rcpt(alice.address)
        assert client.docmd("DATA")[0] == 354
        client.send(b"Subject: Large\r\n\r\n")
        client.send(lines)
        client.send(b".\r\n")
        assert client.getreply()[0] == 552
        assert client.noop()[0] == 250


def _flood(subject: Subject, port: int, commands: bytes) -> Counter[bytes]:
    """Say all commands without waiting, to the end; count the answers by their codes."""
    with _greeted(subject, port) as dialogue:
        dialogue.say(_EHLO)
        dialogue.say(b"MAIL FROM:<x@x.example>\r\n")
        answers = Counter([dialogue.say(commands)[:3]])
        while answer := dialogue.hear():
            answers[answer[:3]] += 1
    return answers


def test_who_goes_on_and_on_is_sent_away(subject: Subject, alice: Login) -> None:
    """Of ten thousand recipients a thousand are taken, and twenty mistakes are too many."""
    domain = subject.domain
    recipients = (alice.address.replace("@", "+{}@"), f"nobody{{}}@{domain}", "x{}@outside.example")
    floods = [
        b"".join(f"RCPT TO:<{it.format(n)}>\r\n".encode("ascii") for n in range(_RECIPIENTS))
        for it in recipients
    ]
    # Their connections wait for most of the time.
    with ThreadPoolExecutor() as pool:
        jobs = [pool.submit(_flood, subject, 25, flood) for flood in floods]
        endless = pool.submit(_flood, subject, 465, b"x" * 20_000_000 + b"\r\n")
    existing, unknown, foreign = (job.result() for job in jobs)
    assert existing[b"250"] == 1000
    assert existing[b"452"] < 1100
    for answers, code in ((unknown, b"550"), (foreign, b"554")):
        assert answers == {code: 20, b"421": 1}
    # How much of it counts as one command depends on how fast it comes.
    assert endless.result().keys() <= {b"500", b"421"}


def test_recipients_within_the_limit_get_their_mail(subject: Subject, alice: Login) -> None:
    """Who stops at 452, as RFC 5321, 4.5.3.1.10, has it, brings the rest with another mail."""
    mail = compose(world.STRANGER, [alice.address], "To many")
    with post.stranger(subject.lab, subject.address, number=21) as client:
        client.mail(world.STRANGER)
        codes = [client.rcpt(alice.address)[0] for _ in range(1005)]
        assert client.data(bytes(mail))[0] == 250
    assert Counter(codes) == {250: 1000, 452: 5}
    assert mailclient.wait_for(subject.server, alice, mail["Message-ID"])
