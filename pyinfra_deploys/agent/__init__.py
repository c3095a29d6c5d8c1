"""The instance agent: renders an instance's configuration from its data at each boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("python3-jinja2", "python3-yaml", "python3-cryptography")


@deploy("Agent")
def agent(settings: Settings) -> None:
    """Install the agent."""
    install(__name__, settings)
