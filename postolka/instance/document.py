"""The document that holds instance data: YAML, alone or as a part of cloud-init's user-data.

Contract: whatever the bytes are, the result is plain data or a ProblemsError. Pure: no I/O.
"""

from __future__ import annotations

import email
import email.policy
from typing import TYPE_CHECKING

import yaml

from postolka.errors import Problem, ProblemsError

if TYPE_CHECKING:
    from collections.abc import Hashable

#: Content type of the part of user-data that holds instance data.
CONTENT_TYPE = "text/x-postolka-instance"

#: Far above what a server with a hundred domains needs, far below what would hurt.
_MAX_BYTES = 1 << 20


class _Loader(yaml.SafeLoader):
    """Plain YAML: no aliases (a few of them can stand for gigabytes), no key twice."""

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"line {event.start_mark.line + 1}: aliases aren't allowed")
        return super().compose_node(parent, index)  # type: ignore[arg-type]

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002 - PyYAML's own
    ) -> dict[Hashable, object]:
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: the same key stands above already")
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def part(data: bytes, *, where: str) -> bytes:
    """Return the instance data in `data`: user-data in MIME form, or the document itself.

    Raises ProblemsError where MIME user-data don't hold exactly one such part.
    """
    if not data.lstrip()[:64].lower().startswith((b"content-type:", b"mime-version:")):
        return data
    message = email.message_from_bytes(data, policy=email.policy.default)
    found = [item for item in message.walk() if item.get_content_type() == CONTENT_TYPE]
    if len(found) != 1:
        text = f"has {len(found)} parts of type {CONTENT_TYPE}; one is wanted"
        raise ProblemsError(where, [Problem("user-data", text)])
    content = found[0].get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def load(data: bytes, *, where: str) -> object:
    """Return the plain data of the YAML document in `data`.

    Raises ProblemsError for anything that isn't one YAML document of plain data.
    """
    try:
        if len(data) > _MAX_BYTES:
            raise yaml.YAMLError(f"is longer than {_MAX_BYTES} bytes")  # noqa: TRY301
        return yaml.load(data, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        problem = _one_line(error)
    except RecursionError:
        problem = "is nested too deeply"
    except (ValueError, TypeError):
        # The exception's own text would quote the value, which can be a secret.
        problem = "is not plain YAML: a value doesn't fit its type (a broken date or number?)"
    raise ProblemsError(where, [Problem("document", problem)])


def _one_line(error: yaml.YAMLError) -> str:
    """Say what is wrong and where, without the excerpt, which could show a secret."""
    mark = getattr(error, "problem_mark", None)
    text = getattr(error, "problem", None)
    if mark is None or text is None:
        return " ".join(str(error).split())
    return f"line {mark.line + 1}, column {mark.column + 1}: {text}"
