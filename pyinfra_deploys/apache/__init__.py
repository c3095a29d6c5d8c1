"""Apache: what mail clients, other servers and people ask the server by HTTP.

Its own are the MTA-STS policy of every domain, and the answers to a certificate authority, which
alone are served without TLS. Other rooms have pages at the server's name (/etc/apache2/host.d). All
else is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.instance import mtasts
from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Host, Port, Reader, Unit, complaints, plain
from pyinfra_deploys.sandbox import Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("apache2",)
PORTS = (Port(number=80, name="http"), Port(number=443, name="https", tls="implicit"))
HOSTS = (Host(label=mtasts.HOST, port=443),)
UNITS = (Unit(name="apache2.service"),)
_PUBLIC = "/etc/apache2/public"
FILES = {f"{_PUBLIC}/mta-sts.txt": Attributes(mode="0644")}
READERS = (
    Reader(unit="apache2.service", files=("/etc/apache2/sites.conf", "/run/postolka/tls")),
    Reader(unit="", files=(_PUBLIC,)),
)
#: It wants the directory that systemd-tmpfiles makes at boot.
CHECKS = (("sh", "-c", "mkdir -p /run/apache2 && apache2 -t"),)
READS = ("/etc/apache2",)
CHECKERS = (complaints("apache2 -t", "Syntax OK"),)
EFFECTIVE = (plain("/etc/apache2/apache2.conf", "/etc/apache2/sites.conf"), ("apache2", "-S"))
#: Debian's own housekeeping of a cache that isn't used.
MASKED = ("apache-htcacheclean.service",)
SANDBOX = (
    Sandbox(
        unit="apache2.service",
        writes=("/run/apache2", "/var/log/apache2"),
        # Ports below 1024; the server's key; who serves is www-data.
        capabilities=("CHOWN", "DAC_READ_SEARCH", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"),
    ),
)


@deploy("Apache")
def apache(settings: Settings) -> None:
    """Install the web server's configuration."""
    install(__name__, settings)
