"""What holds in a container holds where SELinux enforces, and nothing of it is denied."""

from __future__ import annotations

import subprocess
import sys

import pytest

from postolka import home

pytestmark = pytest.mark.soak

#: Modules of tests/container whose tests need no more than a server.
_MODULES = (
    "accounts",
    "acme",
    "apache",
    "apply",
    "autodiscover",
    "backup",
    "browser",
    "domains",
    "dovecot_accounts",
    "dovecot_faults",
    "dovecot_filters",
    "dovecot_learning",
    "dovecot_quota",
    "exceptions",
    "fail2ban",
    "filter_sources",
    "filters",
    "mail",
    "opendkim",
    "opendmarc",
    "postfix_local",
    "postfix_srs",
    "postfix_tls",
    "ratelimit",
    "spam_lists",
    "status",
    "statuspage",
    "tools",
    "viruses",
    "web",
)


def test_container_tests_hold_with_selinux() -> None:
    """The same tests, against the image in a virtual machine."""
    paths = [f"tests/container/test_{module}.py" for module in _MODULES]
    command = [sys.executable, "-m", "pytest", "-p", "tests.vm.enforced", "-m", "not soak", *paths]
    # Its output is this test's: `-s` shows it while it runs, which can take hours.
    assert subprocess.run(command, cwd=home.CHECKOUT, check=False).returncode == 0
