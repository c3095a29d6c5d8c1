"""The certificate that the daemons show: whose it is, for which names, and until when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509

from postolka.errors import Problem
from postolka.instance.checks.check import Check, Figure, duration

if TYPE_CHECKING:
    from pathlib import Path

#: An authority's is renewed when a third of its time is left; by then that has failed for a while.
_LEFT = 1 / 4


def check(file: Path, hostname: str, now: float) -> Check:
    """Judge the certificate in `file` (PEM), which clients of `hostname` get."""
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError) as error:
        problem = Problem("certificate", f"can't be read: {error}")
        return Check(name="tls", text="no certificate", problems=(problem,))
    return judge(certificate, hostname, now)


def judge(certificate: x509.Certificate, hostname: str, now: float) -> Check:
    """Judge a certificate at a time."""
    begin = certificate.not_valid_before_utc.timestamp()
    end = certificate.not_valid_after_utc.timestamp()
    names = _names(certificate)
    is_own = certificate.issuer == certificate.subject
    problems, warnings = [], []
    if now >= end:
        problems.append(Problem("certificate", f"has ended {duration(now - end)} ago"))
    elif now < begin:
        problems.append(Problem("certificate", "isn't valid yet; is the clock right?"))
    elif end - now < (end - begin) * _LEFT:
        warnings.append(Problem("certificate", f"ends in {duration(end - now)}"))
    if hostname not in names:
        said = f"isn't for {hostname}, but {', '.join(names) or 'nobody'}"
        problems.append(Problem("certificate", said))
    until = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d")
    who = "self-signed" if is_own else certificate.issuer.rfc4514_string()
    return Check(
        name="tls",
        text=f"{', '.join(names)}, {who}, until {until}",
        problems=tuple(problems),
        warnings=tuple(warnings),
        figures=(
            Figure(name="certificate_end_timestamp_seconds", value=end),
            Figure(name="certificate_self_signed", value=is_own),
        ),
    )


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return names.value.get_values_for_type(x509.DNSName)
