"""Instance data: what gives one machine its identity.

The same code validates on the command line and in the image, where it runs on Python 3.13 with
Debian's python3-jinja2, python3-yaml and python3-cryptography alone.
"""
