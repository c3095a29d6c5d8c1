"""SpamAssassin's rules and scores."""

from __future__ import annotations

from dataclasses import replace

from postolka.instance.filters import Filters, RuleChannel
from postolka.instance.secret import Secret
from pyinfra_deploys import spamassassin
from pyinfra_deploys.sections import SpamassassinSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

_LOCAL = "/etc/spamassassin/local.cf"
_INSTANCE = "/etc/spamassassin/90-instance.cf"


def test_configuration_is_golden() -> None:
    """The site's rules are the ones that were read and tried."""
    golden.check("spamassassin", _LOCAL, golden.baked(spamassassin)[_LOCAL])


def test_instances_part_is_golden() -> None:
    """What the instance's data say to it is what was read and tried."""
    golden.check("spamassassin", _INSTANCE, golden.rendered(spamassassin)[_INSTANCE])


def test_scores_are_settings() -> None:
    """SPF and DKIM count as much as the operator says."""
    scores = SpamassassinSettings(
        score_spf_fail=6.5, score_spf_softfail=2, score_dkim_invalid=0, bayes_auto_learn=False
    )
    text = golden.baked(spamassassin, replace(Settings(), spamassassin=scores))[_LOCAL].decode()
    for line in (
        "score SPF_FAIL 6.5",
        "score SPF_SOFTFAIL 2",
        "score DKIM_INVALID 0",
        "bayes_auto_learn 0",
    ):
        assert f"\n{line}\n" in text


def test_own_addresses_are_trusted() -> None:
    """A hop through this machine is no stranger's."""
    text = golden.rendered(spamassassin)[_INSTANCE]
    for address in golden.EXAMPLE.addresses:
        assert f"\ntrusted_networks {address}\n" in text
        assert f"\ninternal_networks {address}\n" in text


def test_a_key_replaces_the_public_lists() -> None:
    """With a key of Spamhaus's every rule of its asks by that key, and none by the public name."""
    instance = replace(golden.EXAMPLE, dqs_key=Secret("k" * 26))
    text = golden.rendered(spamassassin, instance)[_INSTANCE]
    assert "\ndns_query_restriction deny zen.spamhaus.org dbl.spamhaus.org\n" in text
    rules = [line for line in text.splitlines() if line.startswith(("header", "uri"))]
    assert len(rules) > 15
    assert all(f"{'k' * 26}." in line for line in rules)


def test_channels_are_golden() -> None:
    """Where newer rules come from, each with the key that it has to be signed by."""
    own = RuleChannel(name="rules.example.org", fingerprint="A" * 40, key="a2V5Cg==")
    channels = (*Filters().rule_channels, own)
    instance = replace(golden.EXAMPLE, filters=Filters(rule_channels=channels))
    files = golden.rendered(spamassassin, instance)
    lines = files["/etc/spamassassin/channels"].splitlines()
    assert lines[2:] == ["updates.spamassassin.org -", f"rules.example.org {'A' * 40}"]
    assert files["/etc/spamassassin/channels.asc"] == "key\n"
