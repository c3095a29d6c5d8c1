"""Which files of tests one worker runs, one after the other.

Those that use the server that all tests share: so three workers have it, and a lab for it, and the
others' memory is for machines of a test's own. What isn't listed is by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

#: Each about as long as the others. test_boot looks at a machine that nobody has touched.
GROUPS = (
    (
        "container/test_boot", "container/test_hanging", "container/test_opendmarc",
        "container/test_dovecot_quota", "container/test_nftables", "container/test_accounts",
        "container/test_dovecot_filters", "container/test_dovecot_learning",
        "container/test_config", "container/test_domains", "container/test_exceptions",
        "container/test_apache", "container/test_statuspage", "container/test_tools",
        "container/test_sandbox",
    ),
    (
        "container/test_failures", "container/test_dovecot_faults", "container/test_faults",
        "container/test_postfix_local", "container/test_clients", "container/test_dns",
        "container/test_bind", "container/test_postfix_srs", "container/test_postfix_faults",
        "container/test_backup", "container/test_autodiscover", "container/test_web",
        "container/test_acceptance", "container/test_apply", "container/test_hostile_smtp",
        "container/test_hostile_imap", "container/test_hostile_mime",
    ),
    (
        "container/test_viruses", "container/test_filters", "container/test_filter_sources",
        "container/test_mail", "container/test_spam_lists", "container/test_dovecot_accounts",
        "container/test_ratelimit", "container/test_postfix_in", "container/test_status",
        "container/test_fail2ban", "container/test_browser",
    ),
)  # fmt: skip


def group(nodeid: str) -> str:
    """Return the name of the group that a test belongs to; by itself, its file."""
    file = nodeid.partition("::")[0]
    name = file.removeprefix("tests/").removesuffix(".py")
    return next((names[0] for names in GROUPS if name in names), file)


class Scheduling(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """xdist's `--dist loadfile`, with each group as if it were one file.

    The last worker begins at the other end: what computes, and needs no machine, runs while the
    others wait for theirs.
    """

    def _assign_work_unit(self, node: WorkerController) -> None:
        if len(self.nodes) > 1 and node is self.nodes[-1]:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)
