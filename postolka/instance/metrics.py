"""Status as Prometheus reads it (text exposition format 0.0.4), for one question at a time.

systemd listens (postolka-metrics.socket), and starts the program with the connection as its
standard input and output. https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from postolka.instance import question, status
from postolka.instance.checks.check import Figure
from postolka.instance.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.instance.status import Status

_PREFIX = "postolka"
_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: Type and meaning of each, in the order in which they are told.
_METRICS = {
    "ready": ("gauge", "Whether the server serves: 1 for the state ready."),
    "problem": ("gauge", "Something that keeps the server from its work, always 1."),
    "warning": ("gauge", "Something that isn't as it should be, always 1."),
    "info": ("gauge", "Hostname, serial of the data and version of the image, always 1."),
    "unit_up": ("gauge", "Whether a unit of this server is as it should be."),
    "port_open": ("gauge", "Whether something listens on a port of this server."),
    "logins_over_limit": ("gauge", "Logins that sent too much in the last hour."),
    "firewall_packets_total": ("counter", "Packets that met a rule of the firewall."),
    "queue_mails": ("gauge", "Mails in a queue of Postfix."),
    "queue_oldest_seconds": ("gauge", "How long the oldest mail in the queue has waited."),
    "certificate_end_timestamp_seconds": ("gauge", "When the certificate ends."),
    "certificate_self_signed": ("gauge", "Whether no authority has signed the certificate."),
    "certificate_order_failures": ("gauge", "Orders of a certificate that failed in a row."),
    "signatures_timestamp_seconds": ("gauge", "When virus signatures were last fetched."),
    "rules_timestamp_seconds": ("gauge", "When the question for rules against spam had an answer."),
    "database_up": ("gauge", "Whether the database answers."),
    "mailboxes": ("gauge", "Mailboxes in the database."),
    "domains": ("gauge", "Domains in the database."),
    "bans": ("gauge", "Clients that are shut out for too many wrong passwords."),
    "quarantine_mails": ("gauge", "Mails in the quarantine."),
    "state_size_bytes": ("gauge", "Size of the state partition."),
    "state_free_bytes": ("gauge", "What is free of it."),
    "state_inodes": ("gauge", "Inodes of the state partition."),
    "state_free_inodes": ("gauge", "Inodes of it that are free."),
    "backup_timestamp_seconds": ("gauge", "When the last backup was made; 0: never."),
    "clock_synchronized": ("gauge", "Whether a server has told the time within a day."),
    "memory_limits_met": ("gauge", "How often units met a limit on memory in the last day."),
    "job_ok": ("gauge", "Whether the last run of a timer's job came to its end."),
    "lookout_timestamp_seconds": ("gauge", "When the lookout last looked."),
    "port_25_open": ("gauge", "Whether somebody's mail server greets this one."),
    "ptr_ok": ("gauge", "Whether an address of this server has its name."),
    "list_has_us": ("gauge", "Whether a DNS list has an address of this server."),
    "list_refuses": ("gauge", "Whether a DNS list refuses to answer this server."),
    "dns_record_sets": ("gauge", "Record sets that were looked up."),
    "dns_record_sets_wrong": ("gauge", "Record sets that aren't as they should be."),
    "dnssec_ok": ("gauge", "Whether the resolver vouches for what DANE needs of a zone."),
}


def render(found: Status) -> str:
    """Return everything that status knows as figures."""
    figures: dict[str, list[Figure]] = {name: [] for name in _METRICS}
    for figure in (*_of_status(found), *(item for check in found.checks for item in check.figures)):
        # What the lookout's file says isn't known by its name alone.
        if figure.name in figures:
            figures[figure.name].append(figure)
    lines = []
    for name, items in figures.items():
        if items:
            kind, text = _METRICS[name]
            lines += [f"# HELP {_PREFIX}_{name} {text}", f"# TYPE {_PREFIX}_{name} {kind}"]
            lines += [_line(item) for item in items]
    return "".join(f"{line}\n" for line in lines)


def _of_status(found: Status) -> Iterator[Figure]:
    yield Figure(name="ready", value=found.state == "ready")
    for name, problems in (("problem", found.problems), ("warning", found.warnings)):
        # One a subject: what is said of it changes, and would make a new series each time.
        for path in dict.fromkeys(problem.path for problem in problems):
            yield Figure(name=name, value=1, labels={"subject": path})
    labels = {
        "hostname": str(found.report.get("hostname") or ""),
        "serial": str(found.report.get("serial") or ""),
        "image": found.image.get("IMAGE_VERSION") or found.image.get("BUILD_ID") or "",
    }
    yield Figure(name="info", value=1, labels=labels)
    for unit in found.units:
        yield Figure(name="unit_up", value=unit.is_up, labels={"unit": unit.name})
    for port in found.ports:
        labels = {"port": str(port["number"]), "protocol": port["protocol"], "name": port["name"]}
        yield Figure(name="port_open", value=port["is_open"], labels=labels)
    yield Figure(name="logins_over_limit", value=len(found.exceeded))
    for rule, packets in found.firewall.items():
        yield Figure(name="firewall_packets_total", value=packets, labels={"rule": rule})


def _line(figure: Figure) -> str:
    labels = ",".join(f'{name}="{_escaped(text)}"' for name, text in figure.labels.items())
    value = float(figure.value)
    number = str(int(value)) if value.is_integer() else repr(value)
    return f"{_PREFIX}_{figure.name}{f'{{{labels}}}' if labels else ''} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def answer(stream: BinaryIO) -> bytes:
    """Return the answer to one HTTP request: /metrics, by GET or HEAD."""
    request = question.read(stream)
    if request.method not in ("GET", "HEAD"):
        return _response("405 Method Not Allowed", "GET /metrics\n")
    if request.path != "/metrics":
        return _response("404 Not Found", "GET /metrics\n", is_head=request.is_head)
    text = render(status.read(Paths(), for_people=True))
    return _response("200 OK", text, is_head=request.is_head)


def _response(code: str, text: str, *, is_head: bool = False) -> bytes:
    return question.response(code, text, kind=_TYPE, is_head=is_head)


def main() -> None:
    """Answer on the connection that is standard input and output."""
    question.serve(answer)
