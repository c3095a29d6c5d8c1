"""SpamAssassin's rules and scores."""

from __future__ import annotations

from dataclasses import replace

from pyinfra_deploys import spamassassin
from pyinfra_deploys.settings import Settings, SpamassassinSettings
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
