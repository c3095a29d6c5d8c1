"""postscreen before port 25: who is kept out, who waits, and who doesn't."""

from __future__ import annotations

import time
from contextlib import contextmanager
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, container, mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests import started
from tests.container.conftest import new_instance, ssh, with_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from tests.container.conftest import Boots

_WAIT_SECONDS = 5
_KEY = "labkeylabkeylabkeylabkey00"
#: Strangers by what the lists say of them.
_BAD, _ODD, _GOOD, _ZEN, _NEW, _HASTY, _NETWORK = 60, 61, 62, 63, 64, 65, 66
_DATA = f"""
dqs_key: {_KEY}
postscreen:
  dnsbl:
    - site: zen.spamhaus.org
      answers: "127.0.0.[2..11]"
      weight: 3
    - site: bl.lists.example
      answers: "127.0.0.[2..11]"
      weight: 3
    - site: wl.lists.example
      weight: -1
  access: ["{world.stranger(_NETWORK).ipv4}/32"]
"""


def _reversed(number: int) -> str:
    return ".".join(reversed(world.stranger(number).ipv4.split(".")))


def _zone() -> str:
    lines = (
        (f"{_reversed(_BAD)}.bl.lists.example.", "127.0.0.2"),
        # What a list answers whose limit is exceeded: no listing.
        (f"{_reversed(_ODD)}.bl.lists.example.", "127.255.255.254"),
        (f"{_reversed(_GOOD)}.wl.lists.example.", "127.0.9.2"),
        (f"{_reversed(_ZEN)}.{_KEY}.zen.dq.spamhaus.net.", "127.0.0.4"),
    )
    return "".join(f"{name} 300 IN A {value}\n" for name, value in lines)


@pytest.fixture(scope="module")
def booted(
    boots: Boots, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Machine, Subject]]:
    """Boot a server with lists of its own."""
    instance = new_instance(tmp_path_factory.mktemp("screen") / "files", domain="screen.test")
    boots.lab.publish("lists", _zone())
    machine = container.run(boots.request(instance, user_data=with_data(instance, _DATA)))
    yield machine, acceptance.subject(machine, boots.lab, instance.directory)
    started.drop(machine.name)
    boots.lab.publish("lists", "")


@pytest.fixture
def screened(booted: tuple[Machine, Subject]) -> Subject:
    """Return that server as strangers see it."""
    return booted[1]


@contextmanager
def _timed(low: float, high: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert low <= time.monotonic() - began < high


def _rcpt(subject: Subject, number: int) -> tuple[int, bytes]:
    with post.stranger(subject.lab, subject.address, number=number) as client:
        client.mail(world.STRANGER)
        return client.rcpt(subject.first.address)


def test_unknown_client_waits_once(screened: Subject) -> None:
    """Its first greeting takes some seconds and no second try; the next comes at once."""
    with _timed(_WAIT_SECONDS, 30):
        assert _rcpt(screened, _NEW)[0] == 250
    with _timed(0, _WAIT_SECONDS):
        assert _rcpt(screened, _NEW)[0] == 250


def test_client_that_talks_first_is_refused(screened: Subject) -> None:
    """Who doesn't wait for the greeting is a spam program."""
    source = world.stranger(_HASTY).ipv4
    with screened.lab.connect(screened.address, 25, source=source) as client:
        client.settimeout(30)
        client.sendall(b"EHLO hasty.example\r\n")
        client.sendall(f"MAIL FROM:<{world.STRANGER}>\r\n".encode("ascii"))
        client.sendall(f"RCPT TO:<{screened.first.address}>\r\nQUIT\r\n".encode("ascii"))
        answers = client.makefile("rb").read().splitlines()
    assert any(line.startswith(b"550 5.5.1") for line in answers), answers


def test_listed_client_is_refused(screened: Subject) -> None:
    """For good, with the name of the list."""
    code, text = _rcpt(screened, _BAD)
    assert code == 550
    assert b"bl.lists.example" in text


def test_key_of_a_list_is_not_told(screened: Subject) -> None:
    """Spamhaus is asked by the key's own name, and the client told the public one."""
    code, text = _rcpt(screened, _ZEN)
    assert code == 550
    assert b"zen.spamhaus.org" in text
    assert _KEY.encode("ascii") not in text


def test_spamassassin_asks_by_the_key(screened: Subject) -> None:
    """A client, and a domain in the text, that only the key's own lists know, add their scores."""
    keyed = f"{_reversed(_NETWORK)}.{_KEY}.zen.dq.spamhaus.net. 300 IN A 127.0.0.4\n"
    keyed += f"keyed-offers.com.{_KEY}.dbl.dq.spamhaus.net. 300 IN A 127.0.1.2\n"
    screened.lab.publish("keyed", keyed)
    mail = compose(world.STRANGER, [screened.first.address], "An offer")
    mail.set_content("Look at http://keyed-offers.com/ and be quick.\n")
    with post.stranger(screened.lab, screened.address, number=_NETWORK) as client:
        client.sendmail(world.STRANGER, [screened.first.address], bytes(mail))
    got = message_from_bytes(
        mailclient.wait_for(screened.server, screened.first, mail["Message-ID"])
    )
    assert "RCVD_IN_XBL=" in got["X-Spam-Status"]
    assert "URIBL_DBL_SPAM=" in got["X-Spam-Status"]


def test_answer_outside_the_filter_is_no_listing(screened: Subject) -> None:
    """127.255.255.254 says that the question was refused, not that the client is bad."""
    assert _rcpt(screened, _ODD)[0] == 250


@pytest.mark.parametrize("number", [_GOOD, _NETWORK])
def test_known_good_client_does_not_wait(screened: Subject, number: int) -> None:
    """Neither who is on a list of good ones nor who is in a network of the data is delayed."""
    with _timed(0, _WAIT_SECONDS):
        assert _rcpt(screened, number)[0] == 250


def test_refused_client_can_talk_tls(screened: Subject) -> None:
    """A refusal reaches a client that insists on TLS, too."""
    with post.stranger(screened.lab, screened.address, number=_BAD) as client:
        client.starttls()
        client.ehlo()
        client.mail(world.STRANGER)
        assert client.rcpt(screened.first.address)[0] == 550


def test_who_has_passed_is_remembered_over_a_restart(booted: tuple[Machine, Subject]) -> None:
    """The list of known clients lies on the state partition: nobody is delayed anew."""
    machine, screened = booted
    assert _rcpt(screened, _NEW)[0] == 250
    ssh(machine, "sudo systemctl restart postfix.service")
    with _timed(0, _WAIT_SECONDS):
        assert _rcpt(screened, _NEW)[0] == 250
    assert "postscreen_cache" in ssh(machine, "sudo ls /var/lib/postfix")


def test_mail_of_a_new_client_arrives(screened: Subject) -> None:
    """One connection is enough: nothing greylists."""
    mail = compose(world.STRANGER, [screened.first.address], "First")
    with post.stranger(screened.lab, screened.address, number=_NEW + 10) as client:
        client.sendmail(world.STRANGER, [screened.first.address], bytes(mail))
    assert mailclient.wait_for(screened.server, screened.first, mail["Message-ID"])
