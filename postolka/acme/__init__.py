"""ACME on the machine: what root prepares and takes, and what the client's user does between."""
