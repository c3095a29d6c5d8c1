"""The ordered list of services, and the deploy that puts them all on a machine.

Order matters only where a reason stands beside a line; the rest is alphabetical.
"""
