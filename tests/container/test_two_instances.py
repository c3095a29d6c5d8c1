"""Two servers of one image send each other mail, as strangers who know each other by DNS alone."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, container, machines, mailclient
from tests.container.conftest import new_instance, ssh

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from tests.container.conftest import Boots

_VERDICT = re.compile(r"\b(dkim|spf|dmarc)=(\w+)")


@pytest.fixture(scope="module")
def pair(
    boots: Boots, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[Machine, Subject]]]:
    """Boot both in one lab. OpenDKIM knows nothing below test."""
    found: dict[str, tuple[Machine, Subject]] = {}
    try:
        for domain in ("a.example", "b.example"):
            directory: Path = tmp_path_factory.mktemp(domain) / "files"
            machine = container.run(boots.request(new_instance(directory, domain)))
            found[domain] = (machine, acceptance.subject(machine, boots.lab, directory))
        yield found
    finally:
        for machine, _ in found.values():
            machines.stop(machine.name)


@pytest.mark.parametrize(
    ("here", "there"), [("a.example", "b.example"), ("b.example", "a.example")]
)
def test_mail_passes_every_check_of_the_other(
    pair: dict[str, tuple[Machine, Subject]], here: str, there: str
) -> None:
    """DKIM by both keys, SPF and DMARC, and TLS by the key that DANE names."""
    (sender, us), (_, them) = pair[here], pair[there]
    mail = acceptance.compose(us.first.address, [them.first.address], f"From {here}")
    mailclient.submit(us.server, us.first, [them.first.address], bytes(mail))
    got = mailclient.wait_for(them.server, them.first, mail["Message-ID"])
    signatures = acceptance.signatures(us.lab, got)
    assert {(s.algorithm, s.domain) for s in signatures if s.is_valid} == {
        ("rsa-sha256", here),
        ("ed25519-sha256", here),
    }
    results = message_from_bytes(got, policy=policy.default).get_all("Authentication-Results", [])
    own = [str(result) for result in results if str(result).startswith(them.server.name)]
    verdicts = {verdict for result in own for verdict in _VERDICT.findall(result)}
    assert verdicts == {("dkim", "pass"), ("spf", "pass"), ("dmarc", "pass")}, own
    # Postfix says `Verified` for a key that a TLSA record vouches for, `Trusted` or less otherwise.
    log = ssh(sender, "sudo journalctl --no-pager -o cat -u postfix.service")
    assert f"Verified TLS connection established to {them.server.name}[" in log
