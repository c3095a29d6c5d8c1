"""The operator's tools run on the server, as the operator, over SSH."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.container.conftest import ssh

if TYPE_CHECKING:
    from postolka.acceptance import Subject
    from postolka.machines import Machine


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("dig +short MX {domain}", "10 {host}."),
        ("dig +short +tcp @127.0.0.1 {host} A", "{address}"),
        ("openssl s_client -brief -connect localhost:993 </dev/null 2>&1", "TLSv1.3"),
        ("openssl x509 -noout -ext subjectAltName -in /run/postolka/tls/certificate.pem", "{host}"),
        ("swaks --server localhost --to {login} --quit-after RCPT", "250 2.1.5 Ok"),
        ("less /etc/os-release", "trixie"),
    ],
)
def test_tool_says_what_it_sees(
    machine: Machine, subject: Subject, command: str, said: str
) -> None:
    """DNS, TLS, mail, and a file."""
    names = {
        "domain": subject.domain,
        "host": subject.server.name,
        "address": subject.address,
        "login": subject.first.address,
    }
    assert said.format(**names) in ssh(machine, command.format(**names))


def test_packets_are_seen(machine: Machine) -> None:
    """By root alone, and as an account without rights once the device is open."""
    seen = ssh(
        machine,
        "(sleep 1; openssl s_client -connect 127.0.0.1:79 >/dev/null 2>&1) & "
        "sudo timeout 30 tcpdump -n -i lo -c 1 'tcp dst port 79' 2>&1",
    )
    assert "127.0.0.1.79: Flags [S]" in seen
    assert "permission" in ssh(machine, "/usr/bin/tcpdump -i lo -c 1 2>&1 || true").lower()


def test_file_is_edited(machine: Machine) -> None:
    """Text, Ctrl-S, Ctrl-X."""
    program, *words = machine.ssh()
    edit = [program, "-tt", *words, "rm -f /tmp/note; TERM=xterm nano /tmp/note"]
    with subprocess.Popen(edit, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as nano:
        assert nano.stdin
        assert nano.stdout
        screen = b""
        while b"Exit" not in screen:
            screen += nano.stdout.read(1024) or pytest.fail(screen.decode())
        nano.stdin.write(b"a note\x13\x18")
        assert nano.wait(60) == 0
    assert ssh(machine, "cat /tmp/note") == "a note\n"
