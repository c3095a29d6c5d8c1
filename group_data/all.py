"""Features and limits of every server; see pyinfra_deploys/sections.py for each key."""

postfix_message_size_limit_mib = 50
