"""What TLS a destination's mail needs: DANE (RFC 7672) before MTA-STS (RFC 8461).

`service` answers Postfix's smtp_tls_policy_maps, `dane` asks the DNS.

It runs on the image's Python with Debian's python3-dnspython and python3-idna alone.
"""
