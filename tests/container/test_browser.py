"""What people do in the browser: PostfixAdmin and Roundcube in a real Chromium.

Set POSTOLKA_SCREENSHOTS=DIR to see what it showed.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, mailclient
from postolka.acceptance import compose
from postolka.lab import world
from tests import checkouts
from tests.container import browser
from tests.container.conftest import DOMAIN, ssh
from tests.container.managesieve import deliver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

_SET = "clients"
_PASSWORD = "a-new-one-" + secrets.token_hex(4)


@pytest.fixture(scope="module")
def chromium(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Run the browser of the lock that the server was built by."""
    root = checkouts.unpacked(_SET)
    with browser.started(root, subject.lab, tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Return the page of a visitor whom the server doesn't know."""
    with browser.page(chromium) as found:
        yield found


def _show(page: Page, name: str) -> None:
    if folder := os.environ.get("POSTOLKA_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def _url(subject: Subject, path: str) -> str:
    return f"https://{subject.server.name}{path}"


def _admin(page: Page, subject: Subject) -> None:
    page.goto(_url(subject, "/postfixadmin/"))
    _show(page, "postfixadmin-login")
    page.fill("input[name=fUsername]", subject.admin.address)
    page.fill("input[name=fPassword]", subject.admin.password)
    page.click("[type=submit]")
    page.wait_for_url("**/main.php")


def _webmail(page: Page, subject: Subject, login: Login) -> None:
    page.goto(_url(subject, "/roundcube/"))
    _show(page, "roundcube-login")
    page.fill("#rcmloginuser", login.address)
    page.fill("#rcmloginpwd", login.password)
    page.click("#rcmloginsubmit")
    page.wait_for_selector("#mailboxlist")
    # The page asks for the folders' counts then; who is faster than that loses what a new page
    # notes in the session meanwhile.
    page.wait_for_load_state("networkidle")


def _make_mailbox(page: Page, subject: Subject, name: str) -> Login:
    page.goto(_url(subject, f"/postfixadmin/edit.php?table=mailbox&domain={DOMAIN}"))
    page.fill("input[name='value[local_part]']", name)
    page.fill("input[name='value[password]']", _PASSWORD)
    page.fill("input[name='value[password2]']", _PASSWORD)
    page.fill("input[name='value[name]']", "Made In A Browser")
    _show(page, "postfixadmin-mailbox")
    page.click("input[type=submit]")
    page.wait_for_selector(f"text={name}@{DOMAIN}")
    _show(page, "postfixadmin-made")
    return mailclient.Login(address=f"{name}@{DOMAIN}", password=_PASSWORD)


def test_next_owner_of_an_address_has_no_old_mail(
    page: Page, subject: Subject, machine: Machine
) -> None:
    """A mailbox that is made and deleted in PostfixAdmin, and made there again, is empty."""
    _admin(page, subject)
    _show(page, "postfixadmin-main")
    name = f"made-{secrets.token_hex(4)}"
    login = _make_mailbox(page, subject, name)
    mail = compose(world.STRANGER, [login.address], "For the first one only")
    deliver(machine, login.address, bytes(mail))
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(_url(subject, f"/postfixadmin/list-virtual.php?domain={DOMAIN}"))
    row = page.locator("tr", has=page.locator(f"input[name=delete][value='{login.address}']"))
    row.locator("button.btn-danger").click()
    page.wait_for_load_state()
    assert login.address not in ssh(machine, "sudo postolka-instance user list")
    assert _make_mailbox(page, subject, name) == login
    with mailclient.inbox(subject.server, login) as client:
        assert client.select("INBOX") == ("OK", [b"0"])
    ssh(machine, "sudo systemctl start postolka-deleted-mail.service")
    found = ssh(machine, f"sudo grep -rlF {mail['Message-ID']!r} /var/vmail")
    assert found.startswith(f"/var/vmail/.deleted/{login.address}."), found
    with mailclient.inbox(subject.server, login) as client:
        assert client.select("INBOX")[0] == "OK"


def test_admin_makes_a_domain(page: Page, subject: Subject, machine: Machine) -> None:
    """With the addresses that each domain has to answer for, which lead to the admin."""
    name = f"made-{secrets.token_hex(4)}.example"
    _admin(page, subject)
    page.goto(_url(subject, "/postfixadmin/edit.php?table=domain"))
    page.fill("input[name='value[domain]']", name)
    page.check("input[name='value[default_aliases]']")
    page.click("input[type=submit]")
    page.wait_for_selector(f"text={name}")
    try:
        listed = ssh(machine, "sudo postolka-instance alias list")
        for role in ("abuse", "hostmaster", "postmaster", "root", "webmaster"):
            assert f"{role}@{name}  {subject.admin.address}\n" in listed
    finally:
        ssh(machine, f"sudo postolka-instance domain del {name}")


def test_user_sends_and_receives(page: Page, chromium: Browser, subject: Subject) -> None:
    """What one user writes in the browser another reads there, and it is signed and sent as any."""
    subject_line = f"From the browser {secrets.token_hex(4)}"
    _webmail(page, subject, subject.first)
    _show(page, "roundcube-inbox")
    page.goto(_url(subject, "/roundcube/?_task=mail&_action=compose"))
    page.fill("#compose_to input, #_to", f"{subject.second.address},")
    page.fill("#compose-subject", subject_line)
    page.fill("#composebody", "Dobrý den, Bobe!")
    _show(page, "roundcube-compose")
    page.click("button.send")
    page.wait_for_selector("#mailboxlist")
    with browser.page(chromium) as other:
        _webmail(other, subject, subject.second)
        _await_mail(other, subject_line)
        _show(other, "roundcube-received")
        frame = other.frame_locator("#messagecontframe")
        frame.locator("text=Dobrý den, Bobe!").wait_for()


def _new_mailbox(machine: Machine, name: str) -> Login:
    """Make a mailbox that no other test knows of."""
    login = mailclient.Login(
        address=f"{name}-{secrets.token_hex(4)}@{DOMAIN}", password="the-password-at-first"
    )
    ssh(machine, f"echo {login.password} | sudo postolka-instance user add --stdin {login.address}")
    return login


def _await_mail(page: Page, subject_line: str) -> None:
    """Open a mail in the list, once it is there."""
    row = page.locator("#messagelist tr", has_text=subject_line)
    for _ in range(60):
        if row.count():
            break
        page.click("a.refresh")
        page.wait_for_timeout(500)
    row.first.click()


def test_verdict_on_the_sender_is_shown(page: Page, subject: Subject) -> None:
    """What the server found of a stranger stands above the mail, where its reader sees it."""
    acceptance.receive(subject)
    _webmail(page, subject, subject.first)
    _await_mail(page, "A mail from outside")
    frame = page.frame_locator("#messagecontframe")
    box = frame.locator(".postolka-results")
    box.wait_for()
    _show(page, "roundcube-verdict")
    assert "SPF pass (outside.example)" in box.inner_text()


def test_user_makes_a_filter(page: Page, subject: Subject, machine: Machine) -> None:
    """A filter made in the browser files the next mail."""
    login, word = _new_mailbox(machine, "filters"), f"filtered{secrets.token_hex(4)}"
    _webmail(page, subject, login)
    page.goto(_url(subject, "/roundcube/?_task=settings&_action=plugin.managesieve"))
    page.click("a.create[onclick*=managesieve-add]:not(.disabled)")
    frame = page.frame_locator("#filter-box")
    frame.locator("#_name").fill(word)
    frame.locator("#header0").select_option("subject")
    frame.locator("input[name='_rule_target[0][]']").fill(word)
    frame.locator("#action_type0").select_option("fileinto")
    frame.locator("select[name='_action_mailbox[0]']").select_option("Archive")
    _show(page, "roundcube-filter")
    frame.locator("button.submit").click()
    page.locator("#filterslist", has_text=word).wait_for()
    mail = acceptance.compose(world.STRANGER, [login.address], f"To be {word}")
    deliver(machine, login.address, bytes(mail))
    with mailclient.inbox(subject.server, login) as client:
        assert client.select("Archive")[0] == "OK"
        found = client.search(None, "HEADER", "Message-ID", f'"{mail["Message-ID"]}"')
        assert found[1] == [b"1"]


def test_user_changes_the_password(page: Page, subject: Subject, machine: Machine) -> None:
    """From then on the new one logs in by IMAP, and the old one doesn't."""
    old = _new_mailbox(machine, "changes")
    _webmail(page, subject, old)
    page.goto(_url(subject, "/roundcube/?_task=settings&_action=plugin.password"))
    page.fill("#curpasswd", old.password)
    page.fill("#newpasswd", _PASSWORD)
    page.fill("#confpasswd", _PASSWORD)
    _show(page, "roundcube-password")
    page.click("button.submit")
    page.wait_for_selector("text=Successfully saved")
    _show(page, "roundcube-password-changed")
    new = mailclient.Login(address=old.address, password=_PASSWORD)
    with mailclient.inbox(subject.server, new) as client:
        assert client.select("INBOX")[0] == "OK"
    with (
        pytest.raises(Exception, match="AUTHENTICATIONFAILED"),
        mailclient.inbox(subject.server, old),
    ):
        pass
