"""A real Chromium of Debian's, driven by playwright, among the lab's strangers.

It runs in an unpacked root of its own, with the lab's resolver: the server is found by its name, on
its own port. Its profile lives as long as one test.
"""

from __future__ import annotations

import contextlib
import shlex
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from postolka import namespace
from postolka.lab import world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from postolka.lab.client import Lab
    from postolka.tools import Tools

#: It is root in a root that is thrown away, beside other work, and calls nobody.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_TIMEOUT_MILLISECONDS = 60_000


@contextlib.contextmanager
def started(tools: Tools, lab: Lab, work: Path) -> Iterator[Browser]:
    """Run the browser; `work` is an empty directory."""
    (work / "resolv.conf").write_text(f"nameserver {world.RESOLVER.ipv4}\n")
    command = [
        *namespace.argv(lab.strangers),
        *tools.argv(
            ["env", "-i", "HOME=/tmp", "LC_ALL=C.UTF-8", "/usr/lib/chromium/chromium"],
            binds={"/etc/resolv.conf": work / "resolv.conf"},
            network=True,
        ),
    ]
    program = work / "chromium"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    program.chmod(0o755)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def page(browser: Browser) -> Iterator[Page]:
    """Open a page of a new visitor's; a script that fails in it fails the test.

    The certificate is the machine's own until an authority has vouched for it.
    """
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(_TIMEOUT_MILLISECONDS)
    errors: list[str] = []
    try:
        opened = context.new_page()
        opened.on("pageerror", lambda error: errors.append(str(error)))
        yield opened
        assert not errors, errors
    finally:
        context.close()
