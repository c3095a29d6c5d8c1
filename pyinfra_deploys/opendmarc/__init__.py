"""OpenDMARC judges incoming mail by its author's domain, and a second milter acts on the verdict.

OpenDMARC 1.4 takes a DNS failure for "no policy", and with RejectFailures refuses a mail for good
whose SPF it couldn't look up. So it only marks; `postolka.dmarc` reads the mark and refuses, puts
off, or sends to Spam.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import LIBRARY, deploy, install, modules
from pyinfra_deploys.room import Attributes, Port, Reader, Unit, User
from pyinfra_deploys.sandbox import Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = (
    "dbconfig-no-thanks",  # its reports want a database, which nothing here writes to
    "opendmarc",
    "publicsuffix",
    "python3-milter",
)
USERS = (User(name="opendmarc", id=130, home="/run/opendmarc"),)
PORTS = (
    Port(number=8893, name="opendmarc", is_public=False),
    Port(number=8894, name="dmarc-policy", is_public=False),
)
UNITS = (Unit(name="opendmarc.service"), Unit(name="dmarc-policy.service"))
FILES = {
    "/etc/opendmarc/policy.json": Attributes(mode="0644"),
    "/usr/libexec/postolka/dmarc-policy": Attributes(mode="0755"),
}
CHECKS = (
    # The milter's own imports, with the image's Python and nothing but Debian's modules.
    ("/usr/libexec/postolka/dmarc-policy", "--help"),
)
READS = ("/usr/libexec/postolka/dmarc-policy", LIBRARY)
READERS = (Reader(unit="dmarc-policy.service", files=("/etc/opendmarc/policy.json",)),)
SANDBOX = (
    Sandbox(unit="opendmarc.service", writes=("/run/opendmarc",)),
    Sandbox(unit="dmarc-policy.service"),
)


@deploy("OpenDMARC")
def opendmarc(settings: Settings) -> None:
    """Install both milters and their configuration."""
    install(__name__, settings, extra=modules("postolka/dmarc/*.py"))
