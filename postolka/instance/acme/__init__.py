"""Certificates from an authority: what is ordered and when, and which chain is served.

This is root's part, which has the key; the one that speaks to the authority has not (room acme).
"""
