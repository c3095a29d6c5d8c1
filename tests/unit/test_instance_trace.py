"""Following a mail through the logs; the lines are what the daemons of a server wrote."""

from __future__ import annotations

import pytest

from postolka.instance import trace

_LOG = """\
postfix/submission/smtpd: 4jZ3Fd2zp2zrZ2n: client=h.test[192.0.2.9], sasl_method=PLAIN, sasl_username=alice@a.test
postfix/cleanup: 4jZ3Fd2zp2zrZ2n: message-id=<1@a.test>
opendkim: 4jZ3Fd2zp2zrZ2n: DKIM-Signature field added (s=rsa-165cbec6, d=a.test)
postfix/qmgr: 4jZ3Fd2zp2zrZ2n: from=<alice@a.test>, size=439, nrcpt=2 (queue active)
postfix/smtpd: NOQUEUE: reject: RCPT from x.test[192.0.2.7]: 550 5.1.1 <no@a.test>: unknown; from=<eve@x.test> to=<no@a.test> proto=ESMTP helo=<x.test>
postfix/reinjection/smtpd: connect from localhost[127.0.0.1]
postfix/reinjection/smtpd: 4jZ3Fg33ZXzrZyC: client=localhost[127.0.0.1], orig_client=unknown[192.0.2.9]
postfix/reinjection/cleanup: 4jZ3Fg33ZXzrZyC: message-id=<1@a.test>
amavis: (00477-01) (!)something of this mail
amavis: (00477-01) Passed CLEAN {RelayedOutbound}, [192.0.2.9] <alice@a.test> -> <bob@a.test>,<carol@b.test>, Message-ID: <1@a.test>, mail_id: 4CDBKCRUGCMF, Hits: -0.001, size: 1246, queued_as: 4jZ3Fg33ZXzrZyC, 1967 ms
postfix/smtp: 4jZ3Fd2zp2zrZ2n: to=<bob@a.test>, relay=127.0.0.1[127.0.0.1]:10026, delay=2.4, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4jZ3Fg33ZXzrZyC)
postfix/qmgr: 4jZ3Fd2zp2zrZ2n: removed
postfix/smtp: 4jZ3Fg33ZXzrZyC: to=<carol@b.test>, relay=mx.b.test[198.51.100.25]:25, delay=0.45, dsn=4.0.0, status=deferred (host mx.b.test said: 450 Later)
postfix/lmtp: 4jZ3Fg33ZXzrZyC: to=<bob@a.test>, orig_to=<b@a.test>, relay=mail.a.test[private/dovecot-lmtp], delay=0.22, dsn=2.0.0, status=sent (250 2.0.0 <bob@a.test> KNvOHvdEBmuQAgAAXd4JeA Saved)
dovecot: lmtp(bob@a.test)<656><KNvOHvdEBmuQAgAAXd4JeA>: sieve: msgid=<1@a.test>: stored mail into mailbox 'INBOX'
postfix/smtp: 4jZ3Fg33ZXzrZyC: to=<carol@b.test>, relay=mx.b.test[198.51.100.25]:25, delay=300, dsn=5.0.0, status=bounced (host mx.b.test said: 550 No)
postfix/bounce: 4jZ3Fg33ZXzrZyC: sender non-delivery notification: 4jZ3Fh44ZXzrZyD
postfix/cleanup: 4jZ3Fh44ZXzrZyD: message-id=<2@mail.a.test>
postfix/qmgr: 4jZ3Fh44ZXzrZyD: from=<>, size=999, nrcpt=1 (queue active)
postfix/cleanup: 4jZ3Fj55ZXzrZyG: message-id=<3@x.test>
opendmarc: 4jZ3Fj55ZXzrZyG: x.test fail
postfix/cleanup: 4jZ3Fj55ZXzrZyG: milter-reject: END-OF-MESSAGE from x.test[192.0.2.7]: 5.7.1 No; from=<eve@x.test> to=<bob@a.test> proto=ESMTP helo=<x.test>
"""  # noqa: E501 - as they stand in the log


@pytest.fixture
def mails() -> list[trace.Mail]:
    """Return the mails of the log."""
    entries = []
    for number, row in enumerate(_LOG.splitlines()):
        program, _, text = row.partition(": ")
        microseconds = str(1_000_000_000_000_000 + number * 1000)
        entries.append(
            {
                "SYSLOG_IDENTIFIER": program,
                "MESSAGE": text,
                "__REALTIME_TIMESTAMP": microseconds,
            }
        )
    return trace.mails(map(trace.line, entries))


def _of(mails: list[trace.Mail], wanted: str) -> list[trace.Mail]:
    return [mail for mail in mails if mail.concerns(wanted)]


def test_way_of_a_mail_is_whole_and_in_order(mails: list[trace.Mail]) -> None:
    """Both queue ids, its milter, the filter by its task, the delivery, and its bounce."""
    (mail,) = _of(mails, "1@a.test")
    programs = [line.program for line in mail.lines]
    assert programs[:4] == [
        "postfix/submission/smtpd", "postfix/cleanup", "opendkim", "postfix/qmgr",
    ]  # fmt: skip
    assert programs.count("amavis") == 2
    assert programs.count("dovecot") == 1
    assert {line.queue_id for line in mail.lines} == {
        "4jZ3Fd2zp2zrZ2n", "4jZ3Fg33ZXzrZyC", "4jZ3Fh44ZXzrZyD", "",
    }  # fmt: skip
    assert [line.when for line in mail.lines] == sorted(line.when for line in mail.lines)
    assert not any("connect from" in line.text for line in mail.lines)
    assert mail.sender == "alice@a.test"
    assert {address: status for address, (status, _) in mail.results.items()} == {
        "bob@a.test": "sent",
        "carol@b.test": "bounced",
    }


def test_mail_is_found_by_whom_it_concerns(mails: list[trace.Mail]) -> None:
    """Its sender, its recipients and their aliases, and the login, in whatever case."""
    for wanted in ("alice@a.test", "BOB@a.test", "b@a.test", "carol@b.test", "1@a.test"):
        assert _of(mails, wanted)[0].message_id == "1@a.test", wanted
    assert _of(mails, "ob@a.test") == []


def test_what_was_refused_is_found_too(mails: list[trace.Mail]) -> None:
    """Before there was a mail, and at its end."""
    early, late = _of(mails, "eve@x.test")
    assert [line.text.partition(":")[0] for line in early.lines] == ["NOQUEUE"]
    assert str(early).startswith("no mail came in\n")
    assert late.message_id == "3@x.test"
    assert "opendmarc" in [line.program for line in late.lines]
    assert _of(mails, "no@a.test") == [early]


def test_text_and_data_say_the_same(mails: list[trace.Mail]) -> None:
    """Each line with its time; nothing that steers a terminal."""
    (mail,) = _of(mails, "1@a.test")
    text = str(mail).splitlines()
    assert text[:3] == [
        "<1@a.test> from <alice@a.test>",
        "  bounced to <carol@b.test>",
        "  sent to <bob@a.test>",
    ]
    assert text[3].startswith("  2001-09-09 01:46:40.000  postfix/submission/smtpd")
    data = mail.as_data()
    assert len(data["steps"]) == len(mail.lines) == len(text) - 3
    assert data["steps"][0]["time"] == "2001-09-09T01:46:40+00:00"
    assert data["recipients"][1] == {
        "address": "bob@a.test",
        "status": "sent",
        "text": "250 2.0.0 <bob@a.test> KNvOHvdEBmuQAgAAXd4JeA Saved",
    }
    entry = {"MESSAGE": [104, 27, 255], "__REALTIME_TIMESTAMP": "0"}
    assert trace.line(entry).text == "h?\N{REPLACEMENT CHARACTER}"
