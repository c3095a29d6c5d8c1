"""Answers that debconf has for questions of package scripts."""

from __future__ import annotations

import shlex

from pyinfra.api.facts import FactBase


class Debconf(FactBase[dict[str, str]]):
    """The value of each of `questions` that has been answered or has a default."""

    default = dict

    def command(self, questions: list[str]) -> str:
        """Take names such as postfix/main_mailer_type."""
        words = " ".join(shlex.quote(question) for question in questions)
        return (
            f"export DEBIAN_FRONTEND=noninteractive; for question in {words}; do "
            'answer=$(echo "GET $question" | debconf-communicate); echo "$question $answer"; done'
        )

    def process(self, output: list[str]) -> dict[str, str]:
        """Return the values by question; debconf answers `0 VALUE`, or another number."""
        values = {}
        for line in output:
            question, _, answer = line.partition(" ")
            status, _, value = answer.partition(" ")
            if status == "0":
                values[question] = value
        return values
