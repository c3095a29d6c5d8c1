"""Without mailboxes: filters a domain's mail for another server, and sends for it."""

base_mailboxes = False
