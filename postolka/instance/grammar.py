"""The grammars of instance data, each a function that says what is wrong with a text, or None.

They are strict so that no value can end up as a daemon's syntax: no white space, quote, `%`, `$`
or backtick passes any of them but a password hash, which goes to SQL as a hexadecimal literal, a
header's text, which is escaped, and a reason, which no daemon sees.
Pure: no I/O.
"""

from __future__ import annotations

import ipaddress
import re

from cryptography import x509

from postolka.instance.keys import from_base64

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_LOCAL = re.compile(r"[a-z0-9]+([._-]+[a-z0-9]+)*")
_TARGET_LOCAL = re.compile(r"[A-Za-z0-9]+([._+=-]+[A-Za-z0-9]+)*")
_PASSWORD = re.compile(r"[A-Za-z0-9_-]{16,128}")
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1[0-9])\$[./A-Za-z0-9]{53}")
_SHA512 = re.compile(r"\$6\$(rounds=[1-9][0-9]{3,8}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}")
_URL = re.compile(r"https://([a-z0-9.-]+)(:[0-9]{1,5})?(/[A-Za-z0-9/._~-]*)?")
_SOURCE = re.compile(r"https?://([a-z0-9.-]+)(/[A-Za-z0-9._~-]+)+")
_RELAY_USER = re.compile(r"[A-Za-z0-9._@+=/-]{1,128}")
_RELAY_PASSWORD = re.compile(r"[!-~]{1,256}")
_DQS_KEY = re.compile(r"[a-z0-9]{20,64}")
_OCTETS = r"([0-9]{1,3}|\[[0-9]{1,3}((\.\.|;)[0-9]{1,3})*\])"
_DNSBL_ANSWERS = re.compile(rf"{_OCTETS}(\.{_OCTETS}){{3}}")
_FINGERPRINT = re.compile(r"[0-9A-F]{40}")
_DIGEST = re.compile(r"[0-9A-Fa-f]{40,128}")

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_HEADER_TEXT = re.compile(r"[ -~]{1,200}")
_REASON_CHARACTERS = 200
#: Shortest prefix of a network whose hosts are trusted, by version: what one owner has at most.
_WIDEST = {4: 8, 6: 32}
_TSIG_BYTES = 16

#: RFC 1035, 2.3.4, and RFC 5321, 4.5.3.1.1.
_LABEL_CHARACTERS, _LOCAL_CHARACTERS = 63, 64
#: Leaves room for `_dmarc.`, a selector and the like in front (RFC 1035, 2.3.4: 253).
_DOMAIN_CHARACTERS = 180
#: Linux's limit (__NEW_UTS_LEN), and that of a certificate's common name.
_HOSTNAME_CHARACTERS = 64


def dns_name(text: str) -> str | None:
    """Check a fully qualified name in lower case, without the final dot (RFC 1123, 2.1)."""
    labels = text.split(".")
    rules = (
        (text.isascii(), "has other than ASCII characters; write it in its xn-- form"),
        (text == text.lower(), "must be in lower case"),
        (len(text) <= _DOMAIN_CHARACTERS, f"is longer than {_DOMAIN_CHARACTERS} characters"),
        (all(map(_is_label, labels)), "is not a domain name (labels of a-z, 0-9 and -)"),
        (len(labels) > 1, "is not fully qualified (a name with at least one dot)"),
        (not labels[-1].isdigit(), "ends in a number, as an IP address does"),
    )
    return next((problem for holds, problem in rules if not holds), None)


def hostname(text: str) -> str | None:
    """Check the name of a host."""
    if len(text) > _HOSTNAME_CHARACTERS:
        return f"is longer than {_HOSTNAME_CHARACTERS} characters, Linux's limit"
    return dns_name(text)


def selector(text: str) -> str | None:
    """Check a DKIM selector (RFC 6376, 3.1): one label, so that it fits a file's name."""
    return None if _is_label(text) else "is not a selector (a-z, 0-9 and -, at most 63 characters)"


def address(text: str) -> str | None:
    """Check an IPv4 or IPv6 address in canonical form that can stand in the DNS."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return "is not an IP address"
    if "%" in text:
        return "has a zone"
    if str(found) != text:
        return f"must be in its canonical form, {found}"
    if found.is_unspecified or found.is_multicast or found.is_loopback or found.is_link_local:
        return "is not an address that others can reach"
    return None


def relay_user(text: str) -> str | None:
    """Check a login at a relay host."""
    return None if _RELAY_USER.fullmatch(text) else "is not a user name (A-Z a-z 0-9 . _ @ + = / -)"


def relay_password(text: str) -> str | None:
    """Check a password at a relay host; it stands at a line's end in a file of its own."""
    return None if _RELAY_PASSWORD.fullmatch(text) else "must be printable ASCII without spaces"


def relay_sender(text: str) -> str | None:
    """Check a sender's address, or its domain alone."""
    return mail_target(text) if "@" in text else dns_name(text)


def network(text: str) -> str | None:
    """Check a network in canonical form, address/prefix length."""
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        return "is not a network (address/prefix length, no bit set behind the prefix)"
    return None if str(found) == text else f"must be in its canonical form, {found}"


def forwarder(text: str) -> str | None:
    """Check the address or the network of hosts elsewhere."""
    if "/" not in text:
        return address(text)
    found = network(text)
    if found:
        return found
    if text.endswith("/0"):
        return "is the whole internet"
    return address(text.partition("/")[0])


def client_network(text: str) -> str | None:
    """Check the network of hosts that are trusted to send: no relay is open to half the world."""
    problem = network(text)
    if problem:
        return problem
    found = ipaddress.ip_network(text)
    shortest = _WIDEST[found.version]
    return f"is wider than a /{shortest}" if found.prefixlen < shortest else None


def header_name(text: str) -> str | None:
    """Check a header's name (RFC 5322, 2.2), without its colon."""
    return None if _HEADER.fullmatch(text) else "is not a header's name"


def header_text(text: str) -> str | None:
    """Check what a header may contain: headers are ASCII, words in others are encoded."""
    if _HEADER_TEXT.fullmatch(text) and text.strip() == text:
        return None
    return "is not a text of printable ASCII (at most 200 characters, no space at its ends)"


def reason(text: str) -> str | None:
    """Check a sentence for people."""
    if text.isprintable() and 0 < len(text.strip()) <= len(text) <= _REASON_CHARACTERS:
        return None
    return f"is not a reason (a line of at most {_REASON_CHARACTERS} characters)"


def dnsbl_answers(text: str) -> str | None:
    """Check a filter of postscreen_dnsbl_sites, postconf(5)."""
    if _DNSBL_ANSWERS.fullmatch(text):
        return None
    return "is not a filter of answers, such as 127.0.0.2 or 127.0.0.[2..11]"


def dqs_key(text: str) -> str | None:
    """Check a key of Spamhaus's Data Query Service: a label in the names that are asked."""
    return None if _DQS_KEY.fullmatch(text) else "is not a key (20 to 64 of a-z and 0-9)"


def host_or_address(text: str) -> str | None:
    """Check a fully qualified name or an address."""
    return address(text) if ":" in text or text.rpartition(".")[2].isdigit() else dns_name(text)


def local_part(text: str) -> str | None:
    """Check a mailbox's local part: also a directory's name, and never with an extension."""
    if len(text) > _LOCAL_CHARACTERS or not _LOCAL.fullmatch(text):
        return "is not a local part (a-z, 0-9 and single words joined by . _ -, at most 64)"
    return None


def mailbox(text: str) -> str | None:
    """Check the address of a mailbox of this server."""
    local, at, domain = text.rpartition("@")
    if not at:
        return "is not a mail address"
    return local_part(local) or dns_name(domain)


def mail_target(text: str) -> str | None:
    """Check an address that mail may be sent to, here or elsewhere."""
    local, at, domain = text.rpartition("@")
    if not at or len(local) > _LOCAL_CHARACTERS or not _TARGET_LOCAL.fullmatch(local):
        return "is not a mail address"
    return dns_name(domain)


def password(text: str) -> str | None:
    """Check a machine-made password."""
    return None if _PASSWORD.fullmatch(text) else "must be 16 to 128 of A-Z, a-z, 0-9, _ and -"


def password_hash(text: str) -> str | None:
    """Check a hash that Dovecot's CRYPT scheme and PHP's crypt() both know."""
    if _BCRYPT.fullmatch(text) or _SHA512.fullmatch(text):
        return None
    return "is not a bcrypt ($2b$) or SHA-512 ($6$) password hash"


def url(text: str) -> str | None:
    """Check an https URL without user, query and fragment."""
    found = _URL.fullmatch(text)
    if not found:
        return "is not an https URL (no user, query or fragment)"
    host, port = found[1], found[2]
    if port and not 0 < int(port[1:]) < 65536:  # noqa: PLR2004 - ports have 16 bits
        return "has a port out of range"
    return host_or_address(host)


def source(text: str) -> str | None:
    """Check the URL of a file, on the protocol's own port, which the firewall knows."""
    found = _SOURCE.fullmatch(text)
    if not found:
        return "is not the URL of a file (http or https, no port, user, query or fragment)"
    return host_or_address(found[1])


def certificate(text: str) -> str | None:
    """Check base64 of one DER certificate."""
    try:
        x509.load_der_x509_certificate(from_base64(text))
    except ValueError:
        return "is not a certificate (DER in base64 on one line)"
    return None


def key_name(text: str) -> str | None:
    """Check the name of a TSIG key (RFC 8945, 4.2), one label or more."""
    labels = text.split(".")
    if len(text) <= _DOMAIN_CHARACTERS and all(map(_is_label, labels)):
        return None
    return "is not a key's name (labels of a-z, 0-9 and -)"


def tsig_secret(text: str) -> str | None:
    """Check a TSIG key: at least as long as half of SHA-256's hash (RFC 8945, 5.2.2.1)."""
    try:
        found = from_base64(text)
    except ValueError:
        found = b""
    least = _TSIG_BYTES
    return None if len(found) >= least else f"is not base64 of {least} bytes or more on one line"


def digest(text: str) -> str | None:
    """Check the digest of a DS record."""
    return None if _DIGEST.fullmatch(text) else "is not a hexadecimal digest"


def fingerprint(text: str) -> str | None:
    """Check the fingerprint of an OpenPGP key (version 4)."""
    return None if _FINGERPRINT.fullmatch(text) else "is not 40 hexadecimal digits in capitals"


def armored_key(text: str) -> str | None:
    """Check base64 of an OpenPGP public key as `gpg --armor --export` writes it."""
    try:
        lines = from_base64(text).decode("ascii").strip()
    except ValueError:
        lines = ""
    begin, end = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "\n-----END PGP PUBLIC KEY BLOCK-----"
    if lines.startswith(begin) and lines.endswith(end):
        return None
    return "is not an armoured OpenPGP public key in base64 on one line"


def _is_label(text: str) -> bool:
    return len(text) <= _LABEL_CHARACTERS and bool(_LABEL.fullmatch(text))
