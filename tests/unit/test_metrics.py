"""Status for Prometheus, read by its own client's parser."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from postolka.errors import Problem
from postolka.instance import metrics, status, units
from postolka.instance.checks.check import Check, Figure
from postolka.instance.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHECK = Check(
    name="queue",
    text="3 mails",
    problems=(Problem("queue", "too many"), Problem("queue", "too old")),
    figures=(
        Figure(name="queue_mails", value=3, labels={"queue": 'a"\\b\n'}),
        Figure(name="queue_mails", value=0.5, labels={"queue": "hold"}),
        Figure(name="nobody_knows", value=1),
    ),
)
_STATUS = Status(
    state="ready",
    report={"data": "good", "serial": 7, "hostname": "mail.example.test"},
    units=(units.Unit("postfix.service", "active"), units.Unit("x.service", "failed")),
    ports=({"number": 25, "protocol": "tcp", "name": "smtp", "is_open": True},),
    image={"IMAGE_VERSION": "3"},
    checks=(_CHECK,),
    firewall={"in.dropped": 1795564813},
)


def _read(text: str) -> dict[str, list[tuple[Mapping[str, str], float]]]:
    return {
        family.name: [(sample.labels, sample.value) for sample in family.samples]
        for family in text_string_to_metric_families(text)
    }


def test_prometheus_reads_every_figure() -> None:
    """With its labels, whatever stands in them; each metric once, with what it means."""
    text = metrics.render(_STATUS)
    found = _read(text)
    assert found["postolka_ready"] == [({}, 1)]
    assert found["postolka_queue_mails"] == [({"queue": 'a"\\b\n'}, 3), ({"queue": "hold"}, 0.5)]
    assert found["postolka_unit_up"] == [
        ({"unit": "postfix.service"}, 1),
        ({"unit": "x.service"}, 0),
    ]
    # As often as it is told, one series.
    assert ({"subject": "queue"}, 1) in found["postolka_problem"]
    assert len(found["postolka_problem"]) == 2
    # The parser takes the ending away.
    assert found["postolka_firewall_packets"] == [({"rule": "in.dropped"}, 1795564813)]
    assert "nobody_knows" not in text
    helps = [line.split()[2] for line in text.splitlines() if line.startswith("# HELP")]
    assert len(helps) == len(set(helps)) == len(found)


def test_names_follow_the_conventions() -> None:
    """Counters end in _total and nothing else does; units are base units."""
    for name, (kind, text) in metrics._METRICS.items():
        assert name.endswith("_total") == (kind == "counter"), name
        assert not any(part in name for part in ("mib", "_ms", "percent", "hours", "days")), name
        assert text.endswith("."), name


@pytest.mark.parametrize(
    ("request_text", "code", "has_body"),
    [
        ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", True),
        ("GET /metrics?x=1 HTTP/1.0\n\n", "200 OK", True),
        ("HEAD /metrics HTTP/1.1\r\n\r\n", "200 OK", False),
        ("GET / HTTP/1.1\r\n\r\n", "404 Not Found", True),
        ("POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed", True),
        ("", "405 Method Not Allowed", True),
        ("\xff" * 20000, "405 Method Not Allowed", True),
    ],
)
def test_questions_are_answered(
    request_text: str, code: str, monkeypatch: pytest.MonkeyPatch, *, has_body: bool
) -> None:
    """/metrics and nothing else, whatever comes."""

    def read(*_: Any, **__: Any) -> Status:  # noqa: ANN401
        return _STATUS

    monkeypatch.setattr(status, "read", read)
    said = metrics.answer(io.BytesIO(request_text.encode("latin-1"))).decode()
    head, _, body = said.partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {code}\r\n")
    assert bool(body) is has_body
