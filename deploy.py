"""Put the server on a Debian 13 machine: pyinfra inventories/container.py deploy.py."""

from pyinfra.context import host

from pyinfra_deploys import machine

machine.of_host(host.data.dict())  # type: ignore[no-untyped-call]
