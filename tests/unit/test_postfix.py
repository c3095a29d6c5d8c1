"""The MTA's configuration."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pyinfra_deploys import postfix, postfixadmin
from pyinfra_deploys.room import ports, read
from pyinfra_deploys.sections import OpendkimSettings, PostfixSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

_MAIN = "/etc/postfix/main.cf"
_MASTER = "/etc/postfix/master.cf"


def _services(settings: Settings | None = None) -> dict[str, str]:
    """Return the text of each service of master.cf that listens on the network, by its name."""
    text = golden.baked(postfix, settings)[_MASTER].decode()
    return dict(re.findall(r"^(\w+) +inet .*\n((?:    .*\n)*)", text, re.MULTILINE))


def test_configuration_is_golden() -> None:
    """The main configuration is the one that was read and tried."""
    golden.check("postfix", _MAIN, golden.rendered(postfix)[_MAIN])


def test_services_are_golden() -> None:
    """The list of services is the one that was read and tried."""
    golden.check("postfix", _MASTER, golden.baked(postfix)[_MASTER])


@pytest.mark.parametrize(
    "name",
    [
        "alias_domains",
        "aliases",
        "domains",
        "mailboxes",
        "own_senders",
        "sender_alias_domains",
        "senders",
    ],
)
def test_queries_are_golden(name: str) -> None:
    """Each lookup in SQL is the one that was read and tried."""
    path = f"/etc/postfix/sql/{name}.cf"
    golden.check("postfixadmin", path, golden.rendered(postfixadmin)[path])


def test_every_lookup_has_its_file() -> None:
    """main.cf names each SQL file that is rendered, and no other."""
    files = golden.rendered(postfixadmin) | golden.rendered(postfix)
    named = set(re.findall(r"proxy:mysql:(\S+)", files[_MAIN]))
    assert named == {path for path in files if path.startswith("/etc/postfix/sql/")}


def test_passwords_are_for_postfix_alone() -> None:
    """A file that holds the database's password can be read by root and postfix only."""
    for path, text in golden.rendered(postfixadmin).items():
        if golden.DATABASE.postfix in text:
            found = postfixadmin.FILES[path]
            assert (found.mode, found.group) == ("0640", "postfix")


def test_logins_are_offered_on_submission_only() -> None:
    """No AUTH on port 25."""
    offering = {name for name, text in _services().items() if "smtpd_sasl_auth_enable=yes" in text}
    assert offering == {"submission", "submissions"}
    assert "smtpd_sasl_auth_enable" not in golden.rendered(postfix)[_MAIN]


def test_implicit_tls_can_be_switched_off() -> None:
    """postfix.submissions off: port 465 neither in master.cf nor in the list of ports."""
    settings = replace(Settings(), postfix=PostfixSettings(submissions=False))
    assert set(_services(settings)) == {"smtp", "submission"}
    public = [port.number for port in ports([read(postfix)], settings) if port.is_public]
    assert public == [25, 587]


def test_nothing_is_chrooted() -> None:
    """The fifth column of master.cf says n on every line."""
    text = golden.baked(postfix)[_MASTER].decode()
    columns = [line.split()[4] for line in text.splitlines() if re.match(r"[a-z]", line)]
    assert set(columns) == {"n"}


def test_limits_are_settings() -> None:
    """Size, rate and the queue's lifetime come from the settings, in Postfix' own units."""
    limits = PostfixSettings(
        message_size_limit_mib=2, connections_per_minute=99, queue_lifetime_days=3
    )
    text = golden.rendered(postfix, settings=replace(Settings(), postfix=limits))[_MAIN]
    assert "\nmessage_size_limit = 2097152\n" in text
    assert "\nsmtpd_client_connection_rate_limit = 99\n" in text
    assert "\nmaximal_queue_lifetime = 3d\n" in text


def test_second_signature_can_be_switched_off() -> None:
    """opendkim.ed25519 off: the second milter isn't asked."""
    settings = replace(Settings(), opendkim=OpendkimSettings(ed25519=False))
    text = golden.rendered(postfix, settings=settings)[_MAIN]
    assert "\nsubmission_milters = inet:127.0.0.1:8891\n" in text


def test_hostname_that_is_a_mail_domain_is_left_to_sql() -> None:
    """Postfix warns, and delivers wrongly, where a domain is both local and virtual."""
    instance = replace(golden.EXAMPLE, hostname="example.test")
    assert "\nmydestination = localhost\n" in golden.rendered(postfix, instance)[_MAIN]


def test_every_mail_goes_through_the_filter_once() -> None:
    """What comes in by 10024, what is sent by 10026, and what comes back from it nowhere again."""
    main, master = golden.rendered(postfix)[_MAIN], golden.baked(postfix)[_MASTER].decode()
    assert "\ncontent_filter = smtp-amavis:[127.0.0.1]:10024\n" in main
    services = dict(re.findall(r"^(\S+) .*\n((?:    .*\n)*)", master, re.MULTILINE))
    filters = {
        name: found[0]
        for name, text in services.items()
        if (found := re.findall(r"-o content_filter=(.*)", text))
    }
    sent = "smtp-amavis:[127.0.0.1]:10026"
    assert filters == {
        "submission": sent,
        "submissions": sent,
        "pickup": sent,
        "127.0.0.1:10025": "",
        # The second pass of forwarded mail.
        "127.0.0.1:10027": "",
    }
