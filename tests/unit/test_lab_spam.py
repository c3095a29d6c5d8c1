"""What the lab's blocklists and its Razor server say, without a lab."""

from __future__ import annotations

import asyncio

import pytest

from postolka.errors import PostolkaError
from postolka.lab import blocklists, segment, world, zones
from postolka.lab.razor import Catalogue


def _answers(blocked: dict[blocklists.Entry, list[str]]) -> dict[str, set[str]]:
    rrsets = zones.read(blocklists.zone(blocked), where="lists")
    return {
        rrset.name.to_text(): {rdata.to_text() for rdata in rrset}
        for rrset in rrsets
        if rrset.rdtype.name == "A"
    }


@pytest.mark.parametrize(
    ("subject", "name", "answers"),
    [
        ("198.51.100.101", "101.100.51.198.zen.spamhaus.org.", {"127.0.0.2", "127.0.0.4"}),
        ("2001:db8::1", "1" + ".0" * 23 + ".8.b.d.0.1.0.0.2.zen.spamhaus.org.", None),
        ("Evil.Example.", "evil.example.dbl.spamhaus.org.", {"127.0.1.2"}),
        ("evil.example", "evil.example.multi.uribl.com.", {"127.0.0.2"}),
    ],
)
def test_blocked_subject_is_on_the_usual_lists(
    subject: str, name: str, answers: set[str] | None
) -> None:
    """Addresses backwards, domains as they are, with the lists' own codes."""
    found = _answers(blocklists.entries(subject, None, ()))
    assert name in found
    assert answers is None or found[name] == answers


def test_answer_and_list_can_be_chosen() -> None:
    """Any list, and what it answers."""
    found = blocklists.entries("192.0.2.1", "bl.example.org.", ("127.0.0.9",))
    assert _answers(found)["1.2.0.192.bl.example.org."] == {"127.0.0.9"}


def test_list_that_answers_everything_has_no_other_name() -> None:
    """A name that exists would hide the wildcard from what is below it."""
    blocked = blocklists.entries("mail.evil.example", "dbl.spamhaus.org", ())
    blocked |= blocklists.entries("*", "dbl.spamhaus.org", ())
    found = _answers(blocked)
    assert [name for name in found if "dbl.spamhaus.org" in name] == ["*.dbl.spamhaus.org."]
    assert found["*.dbl.spamhaus.org."] == {"127.255.255.254"}
    assert "2.0.0.127.zen.spamhaus.org." in found


@pytest.mark.parametrize("answer", ["10.0.0.1", "listed", "::1"])
def test_answer_that_no_list_gives_is_refused(answer: str) -> None:
    """RFC 5782, 2.1: 127.0.0.0/8."""
    with pytest.raises(PostolkaError, match=f"{answer}: is no answer of a blocklist"):
        blocklists.entries("192.0.2.1", None, (answer,))


def test_answers_of_lists_make_no_reverse_zone() -> None:
    """127.0.0.2 is nobody's address."""
    tree = zones.tree(zones.read(blocklists.zone({}), where="lists"))
    assert not any(child.name.to_text() == "arpa." for child in tree.children)


def test_silent_hosts_are_dropped_on_the_router() -> None:
    """Both families; none is dropped when nobody is silent."""
    assert f"ip6 daddr {world.RAZOR.ipv6} drop" in segment.silent([world.RAZOR])
    assert " drop" not in segment.silent([])


def test_razor_knows_what_was_reported() -> None:
    """By engine and signature, until it is revoked."""
    catalogue = Catalogue("192.0.2.1")
    check = {"a": "c", "e": "8", "s": "x-_"}
    assert catalogue.answer(check) == {"p": "0"}
    assert catalogue.answer({"a": "r", "e": "8", "s": "x-_"}) == {"res": "1"}
    assert catalogue.answer(check)["p"] == "1"
    assert catalogue.answer({"a": "c", "e": "4", "s": "x-_"}) == {"p": "0"}
    assert catalogue.answer({"a": "revoke", "e": "8", "s": "x-_"}) == {"res": "1"}
    assert catalogue.answer(check) == {"p": "0"}


def test_unknown_razor_user_is_told_so() -> None:
    """Error 213, on which clients register again; and nonsense is an error too."""
    catalogue = Catalogue("192.0.2.1")
    assert catalogue.answer({"a": "ai", "user": "u"}) == {"err": "213"}
    catalogue.answer({"a": "reg", "user": "u", "pass": "p"})
    assert "achal" in catalogue.answer({"a": "ai", "user": "u"})
    assert "err" in catalogue.answer({"a": "r", "message": "*"})


def test_batch_gets_as_many_answers() -> None:
    """One greeting; a batch begins with a dash and ends with a dot, either way."""

    async def run() -> bytes:
        catalogue = Catalogue("192.0.2.1", known={("4", "AB-")})
        async with await asyncio.start_server(catalogue.serve, "127.0.0.1") as listener:
            port = listener.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await reader.readline()
            writer.write(b"-a=c&e=4&s=AB-\r\na=c&e=8&s=CD\r\n.\r\na=q\r\n")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer

    assert asyncio.run(run()) == b"-p=1&cf=100\r\np=0\r\n.\r\n"
