"""Your own Debian 13 machines: put names and what differs from group_data/all.py here.

    machines = [
        ("mail.example.org", {"instance_file": "example.org/user-data", "nftables_apt": True}),
    ]

The user to log in as (ssh_user; root needs ssh_root_login) has to be root or to have sudo (_sudo).
"""

machines: list[tuple[str, dict[str, object]]] = []
