"""PHP: what the web server's applications run in, each by a process manager of its own.

Debian's one php8.4-fpm for all applications stays masked. It runs as root, to become each pool's
user; and one restart, one cache of compiled code and one sandbox would be everybody's. Here each
application's manager is that application's user from its first instruction, so that nothing is
root, and what one of them may read the other can't. A room with an application has a `Unit` of
postolka-php@ACCOUNT.service, and its pool in /etc/php/8.4/fpm/postolka-ACCOUNT.conf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.sandbox import Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

SETTING = "base.mailboxes"
# php8.4-fpm by name, or libapache2-mod-php would come in to satisfy the dependency.
PACKAGES = ("php8.4-cli", "php8.4-fpm", "php8.4-mysql")
#: Files of sessions are in the applications' own directories, where PHP itself ends them.
MASKED = ("php8.4-fpm.service", "phpsessionclean.timer")
CHECKS = (("php-fpm8.4", "-i"),)
READS = ("/etc/php",)
SANDBOX = (Sandbox(unit="postolka-php@.service"),)


@deploy("PHP")
def php(settings: Settings) -> None:
    """Install what all applications have in common."""
    install(__name__, settings)
