"""The image's root in a container, in the lab: the checks that the image itself has to pass."""

from __future__ import annotations

import os
import smtplib
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, build, example, mailclient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("promise", "check"), acceptance.CHECKS, ids=[c[0] for c in acceptance.CHECKS]
)
def test_server_keeps_its_promise(
    subject: acceptance.Subject, promise: str, check: Callable[[acceptance.Subject], str]
) -> None:
    """Each check that an image has to pass."""
    assert check(subject), promise


@pytest.mark.soak
def test_example_is_served_as_a_demo_serves_it(tmp_path: Path) -> None:
    """Booted as `make demo` and Packer do, as mail.example.test in a lab of its own."""
    example.new_instance(tmp_path / "example")
    request = example.Request(
        image=build.realise(want="root", progress=print, temporary_lock=True),
        kind="container",
        directory=tmp_path / "example",
        memory_mib=1024,
        lab=f"acceptance-{os.getpid()}",
    )
    with example.running(request, print) as (machine, lab):
        found = acceptance.subject(machine, lab, tmp_path / "example")
        acceptance.run(found, lambda _promise, _seen: None)


def test_both_signatures_verify_outside(subject: acceptance.Subject) -> None:
    """An outgoing mail carries an RSA and an Ed25519 signature, and a changed one fails both."""
    _, outside = acceptance.send(subject, port=465)
    found = acceptance.signatures(subject.lab, outside)
    assert {s.algorithm for s in found} == {"rsa-sha256", "ed25519-sha256"}
    assert all(s.is_valid and s.domain == subject.domain for s in found)
    forged = outside.replace(b"A mail to outside", b"A mail to 0utside")
    assert forged != outside
    assert not any(s.is_valid for s in acceptance.signatures(subject.lab, forged))


def test_sender_must_be_the_logins_own(subject: acceptance.Subject) -> None:
    """A user can't send as another one: 553."""
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        mailclient.submit(
            subject.server,
            subject.first,
            [subject.second.address],
            b"Subject: not me\r\n\r\n",
            sender=subject.second.address,
        )
    ((code, _),) = refused.value.recipients.values()
    assert code == 553
