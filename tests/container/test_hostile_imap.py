"""What hostile clients say to Dovecot, on IMAP's ports and ManageSieve's, is refused or handled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.container.dialogues import Dialogue
from tests.container.managesieve import RefusedError, session
from tests.container.unharmed import unharmed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

_LONG = b"x" * 5_000_000
_BAD = rb"a BAD |\* BAD |\* BYE "
#: The end may overtake the word, since more was on its way.
_BYE = rb"\* BYE |$"
#: It goes on, as after nothing.
_ALL_IS_WELL = (b"a NOOP\r\n", rb"a OK ")

#: What a client says before a login, and the last answer, in turn.
_IMAP = {
    "HTTP": (b"GET / HTTP/1.1\r\n", rb"GET BAD "),
    "SMTP": (b"EHLO x.example\r\nMAIL FROM:<x@x.example>\r\n", rb"EHLO BAD "),
    "a long command": (b"a NOOP " + _LONG + b"\r\n", _BYE),
    "a long tag": (_LONG + b" NOOP\r\n", _BYE),
    "a long name": (b"a LOGIN " + _LONG + b" y\r\n", _BYE),
    "two gibibytes": (b"a LOGIN {2147483647}\r\n", _BYE),
    "two gibibytes at once": (b"a LOGIN {2147483647+}\r\nx", _BYE),
    "a number with no end": (b"a LOGIN {" + b"9" * 30 + b"}\r\n", _BYE),
    "less than nothing": (b"a LOGIN {-1}\r\n", rb"a BAD ", *_ALL_IS_WELL),
    "NUL in a command": (b"a LO\0GIN x y\r\n", rb"a BAD ", *_ALL_IS_WELL),
    "NUL in a name": (b'a LOGIN "x\0y" z\r\n', rb"a (BAD|NO) ", *_ALL_IS_WELL),
    "another's mail": (b"a FETCH 1 BODY[]\r\n", rb"a BAD ", *_ALL_IS_WELL),
    "nothing but mistakes": (*(b"a FETCH 1 BODY[]\r\n", _BAD) * 3, b"a NOOP\r\n", rb"$"),
    "a login that isn't offered": (b"a AUTHENTICATE ANONYMOUS\r\n", rb"a (NO|BAD) "),
    "another's address": (b'a ID ("x-originating-ip" "127.0.0.1")\r\n', rb"a OK ", *_ALL_IS_WELL),
}

_SIEVE = {
    "HTTP": (b"GET / HTTP/1.1\r\n", rb"NO "),
    "a long line": (_LONG + b"\r\n", rb"BYE |$"),
    "two gibibytes": (b'AUTHENTICATE "PLAIN" {2147483647+}\r\nx', rb"BYE |NO |$"),
    "a number with no end": (b'AUTHENTICATE "PLAIN" {' + b"9" * 30 + b"+}\r\nx", rb"BYE |NO |$"),
    "NUL": (b"NO\0OP\r\n", rb"NO ", b"NOOP\r\n", rb"OK"),
    "a script before the login": (b'PUTSCRIPT "x" {4+}\r\nstop\r\n', rb"NO |BYE "),
    "a question before the login": (b'HAVESPACE "x" 4294967295\r\n', rb"NO |BYE "),
}

#: Mailboxes that a naive server would make somewhere else.
_MAILBOXES = (
    *(b"../../../etc/x", b"a/../../x", b"/etc/x", b"~root/x", b"x\0y"),
    *(b"a/" * 5000, b"n" * 5000, b"\xff\xfe"),
)

#: Scripts that are too much, or want what none may.
_SCRIPTS = {
    "twenty mebibytes": "#" + "x" * (20 << 20) + "\n",
    "ten thousand blocks": "if true {" * 10_000 + "keep;" + "}" * 10_000,
    "fifty thousand nots": "if " + "not " * 50_000 + "true {keep;}",
    "another's file": 'require "include"; include :global "../../../etc/passwd";',
    "a program": 'require "vnd.dovecot.execute"; execute "id";',
}
_SCRIPT_NAMES = ("../x", "a/b", "", "x" * 300, "a\0b")


@pytest.fixture(scope="module", autouse=True)
def _all_goes_on(machine: Machine, subject: Subject) -> Iterator[None]:
    with unharmed(machine, subject):
        yield


def _talk(dialogue: Dialogue, row: tuple[bytes, ...]) -> None:
    """Say each first of two, and expect each second."""
    for said, expected in zip(row[::2], row[1::2], strict=True):
        answer = dialogue.say(said)
        assert re.match(expected, answer), answer


@pytest.mark.parametrize("port", [143, 993])
@pytest.mark.parametrize("name", _IMAP)
def test_nonsense_is_refused_before_a_login(subject: Subject, name: str, port: int) -> None:
    """On both ports; the next one is greeted as ever."""
    with Dialogue(subject, port, number=30) as dialogue:
        assert dialogue.hear().startswith(b"* OK ")
        _talk(dialogue, _IMAP[name])
    with Dialogue(subject, port, number=30) as dialogue:
        assert dialogue.hear().startswith(b"* OK ")


@pytest.mark.parametrize("name", _SIEVE)
def test_nonsense_is_refused_on_4190(subject: Subject, name: str) -> None:
    """Before a login; the next one is greeted as ever."""
    with Dialogue(subject, 4190, number=31) as dialogue:
        assert dialogue.hear().startswith(b"OK ")
        _talk(dialogue, _SIEVE[name])
    with Dialogue(subject, 4190, number=31) as dialogue:
        assert dialogue.hear().startswith(b"OK ")


@pytest.mark.parametrize(
    ("port", "commands"),
    [(143, b"a STARTTLS\r\na LOGOUT\r\n"), (4190, b"STARTTLS\r\nLOGOUT\r\n")],
)
def test_command_before_tls_ends_it(subject: Subject, port: int, commands: bytes) -> None:
    """What somebody on the way put behind STARTTLS is never taken for the client's own."""
    with Dialogue(subject, port, number=32) as dialogue:
        dialogue.hear()
        assert re.match(rb"(a )?OK ", dialogue.say(commands))
        with pytest.raises(OSError, match="SSL"):
            dialogue.start_tls()


def test_mailbox_is_made_nowhere_else(subject: Subject, alice: Login) -> None:
    """Names that lead out of the mail store, or are none, are refused; the session goes on."""
    with Dialogue(subject, 993, number=32) as dialogue:
        dialogue.hear()
        login = f'a LOGIN "{alice.address}" "{alice.password}"\r\n'
        assert dialogue.say(login.encode("ascii")).startswith(b"a OK ")
        for name in _MAILBOXES:
            answer = dialogue.say(b'a CREATE "' + name + b'"\r\n')
            assert re.match(rb"a (NO|BAD) ", answer), (name[:20], answer)
        assert dialogue.say(b"a NOOP\r\n").startswith(b"a OK ")


@pytest.mark.parametrize("name", _SCRIPTS)
def test_script_that_wants_too_much_is_refused(subject: Subject, alice: Login, name: str) -> None:
    """Before it is stored."""
    with session(subject, alice) as client, pytest.raises((RefusedError, OSError, AssertionError)):
        client.put("hostile", _SCRIPTS[name])
    with session(subject, alice) as client:
        assert "hostile" not in client.call("LISTSCRIPTS")


@pytest.mark.parametrize("name", _SCRIPT_NAMES)
def test_script_is_stored_nowhere_else(subject: Subject, alice: Login, name: str) -> None:
    """Names that lead elsewhere, or are none, are refused."""
    with session(subject, alice) as client, pytest.raises(RefusedError):
        client.call(f'PUTSCRIPT "{name}" {{5+}}\r\nkeep;')


@pytest.mark.parametrize("size", ["4294967295", "9" * 30])
def test_there_is_no_room_for_everything(subject: Subject, alice: Login, size: str) -> None:
    """HAVESPACE (RFC 5804, 2.5) says so beforehand."""
    with session(subject, alice) as client, pytest.raises(RefusedError):
        client.call(f'HAVESPACE "x" {size}')
