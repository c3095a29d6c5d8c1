"""Autodiscovery: how to set up a mail client, for programs and for people; Apache serves it.

Thunderbird's autoconfig and Outlook's Autodiscover at names of each domain's own, a profile for
Apple's devices and a page at the server's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Host

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

SETTING = "base.mailboxes"
HOSTS = (Host(label="autoconfig", port=443), Host(label="autodiscover", port=443))
FILES = {
    f"/etc/apache2/public/{name}": Attributes(mode="0644")
    for name in ("autodiscover.xml", "config-v1.1.xml", "index.html", "mail.mobileconfig")
}


@deploy("Autodiscovery")
def autodiscover(settings: Settings) -> None:
    """Install what answers Outlook; the rest is rendered at boot."""
    install(__name__, settings)
