"""Postolka: immutable golden images of a complete mail server for Debian 13."""

__version__ = "0.1.0"
