"""A mail of each kind through the whole chain, all at once: an emulated machine takes its time."""

from __future__ import annotations

import re
import time
from email import message_from_bytes
from typing import TYPE_CHECKING

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container import senders
from tests.container.senders import BANK
from tests.container.test_filters import gtube
from tests.container.test_viruses import FORMS, with_files
from tests.vm.conftest import ask

if TYPE_CHECKING:
    from email.message import EmailMessage

    from postolka.acceptance import Subject
    from postolka.machines import Machine

#: What has to become of each mail.
OUTCOMES = {
    "of a protected domain, signed": "inbox, dkim=pass, dmarc=pass",
    "of a protected domain, forged": "refused with 550",
    "spam": "quarantine",
    "a virus": "quarantine, recipient told",
    "to user+Folder": "folder",
    "to an alias for the outside": "sent on as SRS0",
}
_FOLDER = "Projects"
_TARGET = "target@sink.example"
_KEPT = "find /var/lib/amavis/virusmails -type f -exec zgrep -hi '^Message-ID:' {} + || true"
_WAIT_SECONDS = 180


def outcomes(machine: Machine, subject: Subject) -> dict[str, str]:
    """Have a stranger bring one mail of each kind; return what became of each, as OUTCOMES."""
    to = subject.first.address
    alias = f"forward@{subject.domain}"
    senders.publish(subject.lab)
    values = f"'{alias}', '{_TARGET}', '{subject.domain}', 1"
    query = f"REPLACE INTO alias (address, goto, domain, active) VALUES ({values})"  # noqa: S608 - ours
    assert ask(machine, {"alias": f'mariadb postfixadmin -e "{query}"'})["alias"] == ""
    mails = {
        "of a protected domain, signed": (to, compose(BANK.address, [to], "A statement")),
        "of a protected domain, forged": (to, compose(BANK.address, [to], "A trap")),
        "spam": (to, gtube(world.STRANGER, to)),
        "a virus": (to, with_files(world.STRANGER, to, FORMS["zip"])),
        "to user+Folder": (to.replace("@", f"+{_FOLDER}@"), compose(world.STRANGER, [to], "Plan")),
        "to an alias for the outside": (alias, compose(world.STRANGER, [alias], "On and on")),
    }
    refused = _bring(subject, mails)
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        places = _places(machine, subject, [str(mail["Message-ID"]) for _, mail in mails.values()])
        found = {kind: places.get(mail["Message-ID"], "") for kind, (_, mail) in mails.items()}
        found |= refused
        if found == OUTCOMES or time.monotonic() > deadline:
            return found


def _bring(subject: Subject, mails: dict[str, tuple[str, EmailMessage]]) -> dict[str, str]:
    """Bring the mails in one session; return which were refused."""
    refused = {}
    with post.stranger(subject.lab, subject.address) as client:
        for kind, (recipient, mail) in mails.items():
            content = BANK.sign(bytes(mail)) if kind.endswith("signed") else bytes(mail)
            client.mail(world.STRANGER)
            client.rcpt(recipient)
            code, _ = client.data(content)
            if code != 250:
                refused[kind] = f"refused with {code}"
            client.rset()
    return refused


def _places(machine: Machine, subject: Subject, marks: list[str]) -> dict[str, str]:
    """Return where the mails with those Message-IDs are; not, which are under way."""
    kept = ask(machine, {"kept": _KEPT})["kept"]
    found = {mark: "quarantine" for mark in marks if mark in kept}
    for mail in post.sunk(subject.lab):
        found |= {m: f"sent on as {mail.sender.partition('=')[0]}" for m in marks if m in str(mail)}
    with mailclient.inbox(subject.server, subject.first) as client:
        for mark in marks:
            if numbers := client.search(None, "HEADER", "Message-ID", f'"{mark}"')[1][0].split():
                part = client.fetch(numbers[0].decode("ascii"), "(BODY.PEEK[HEADER])")[1][0]
                assert isinstance(part, tuple)
                found[mark] = f"inbox{_verdicts(subject, part[1])}"
            elif mark in found and client.search(None, "BODY", f'"{mark}"')[1][0]:
                found[mark] += ", recipient told"
        if client.select(_FOLDER, readonly=True)[0] == "OK":
            for mark in marks:
                if client.search(None, "HEADER", "Message-ID", f'"{mark}"')[1][0]:
                    found[mark] = "folder"
    return found


def _verdicts(subject: Subject, header: bytes) -> str:
    """Return what the server itself says of the mail's author."""
    values = message_from_bytes(header).get_all("Authentication-Results", [])
    own = " ".join(value for value in values if value.startswith(f"{subject.server.name};"))
    return "".join(f", {verdict}" for verdict in sorted(re.findall(r"\b(?:dkim|dmarc)=\w+", own)))
