"""One machine, from the environment: a container of the tests, or any Debian 13 you have root on.

POSTOLKA_SSH_HOST, POSTOLKA_SSH_PORT (22), POSTOLKA_SSH_USER (root) and POSTOLKA_SSH_KEY say how to
reach it; POSTOLKA_INSTANCE names a file of `postolka instance new` with the instance's data.
"""

import os

_HOST = os.environ.get("POSTOLKA_SSH_HOST", "127.0.0.1")
_USER = os.environ.get("POSTOLKA_SSH_USER", "root")
_DATA = {
    "ssh_hostname": _HOST,
    "ssh_port": int(os.environ.get("POSTOLKA_SSH_PORT", "22")),
    "ssh_user": _USER,
    "_sudo": _USER != "root",
    # apt keeps this machine up to date, and its operator comes in as root.
    "nftables_apt": True,
    "ssh_root_login": _USER == "root",
}
if os.environ.get("POSTOLKA_SSH_KEY"):
    _DATA["ssh_key"] = os.environ["POSTOLKA_SSH_KEY"]
if _HOST == "127.0.0.1":
    # A container's host key is new each time; nobody else is on the way to it. Any other host's is
    # remembered at the first connection, and has to be the same at the next.
    _DATA["ssh_strict_host_key_checking"] = "off"
if os.environ.get("POSTOLKA_INSTANCE"):
    _DATA["instance_file"] = os.environ["POSTOLKA_INSTANCE"]

machines = [("machine", _DATA)]
