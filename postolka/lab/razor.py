"""A Razor2 server: it knows which mails have been reported, and tells who asks.

Run as a program: `python -m postolka.lab.razor ADDRESS`. It is every kind of server at once
(discovery, catalogue, nomination), keeps all in memory, and believes whoever reports. The protocol
(SIS) has no specification; this is what razor-agents 2.85 speaks (Razor2::Client::Core).
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

PORT = 2703
#: Engine 4's seed and separator (`ep4`).
EP4 = "7542-10"
#: sn: discovery, nomination, catalogue; srl: when it grows clients ask for `state` again.
_GREETING = {"sn": "DNC", "srl": "1", "ep4": EP4, "a": "l"}
#: se: engines 4 and 8, as bits; dre: the engine of reports; ac: average confidence; bql, bqs: lines
#: and KiB in one batch.
_STATE = {"ac": "20", "bql": "50", "bqs": "128", "dre": "4", "ep4": EP4, "se": "88"}
_UNKNOWN_USER = "213"
_ERROR = "202"
_MAX_LINE_BYTES = 1 << 20

Query = dict[str, str]


@dataclass(slots=True)
class Catalogue:
    """What has been reported, and who may."""

    address: str
    """Where clients find it."""
    known: set[tuple[str, str]] = field(default_factory=set)
    """Engine and signature."""
    users: set[str] = field(default_factory=set)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def answer(self, query: Query) -> Query:
        """Answer one query."""
        signature = (query.get("e", ""), query.get("s", ""))
        match query.get("a"):
            case "c":
                return {"p": "1", "cf": "100"} if signature in self.known else {"p": "0"}
            case "r" if all(signature):
                self.known.add(signature)
                return {"res": "1"}
            case "revoke" if all(signature):
                self.known.discard(signature)
                return {"res": "1"}
            case "g":
                return self._about_itself(query.get("pm", ""))
            case _:
                return self._account(query)

    def _about_itself(self, what: str) -> Query:
        if what in ("csl", "nsl"):
            return {what: self.address}
        return dict(_STATE) if what == "state" else {"err": _ERROR}

    def _account(self, query: Query) -> Query:
        """Register or recognise a user; every password is right."""
        match query.get("a"):
            case "reg":
                user = query.get("user") or f"lab{next(self._numbers)}"
                self.users.add(user)
                return {"res": "1", "user": user, "pass": query.get("pass") or "lab"}
            case "ai" if query.get("user") in self.users:
                return {"achal": "lab"}
            case "ai":
                return {"err": _UNKNOWN_USER}
            case "auth":
                return {"res": "1"}
            case _:
                return {"err": _ERROR}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak SIS with one client until it says `a=q`."""
        try:
            writer.write(_line(_GREETING))
            while line := await reader.readline():
                queries, is_batch = [_query(line)], line.startswith(b"-")
                while is_batch and (line := await reader.readline()) not in (b".\r\n", b""):
                    queries.append(_query(line))
                if queries[0].get("a") == "q":
                    break
                answers = b"".join(_line(self.answer(query)) for query in queries)
                writer.write(b"-" + answers + b".\r\n" if is_batch else answers)
                await writer.drain()
        except (OSError, ValueError):
            pass
        finally:
            writer.close()


def _query(line: bytes) -> Query:
    text = line.decode("ascii").removeprefix("-").rstrip("\r\n")
    return dict(parse_qsl(text, keep_blank_values=True))


def _line(fields: Mapping[str, str]) -> bytes:
    return urlencode(fields).encode("ascii") + b"\r\n"


async def _main(address: str) -> None:
    catalogue = Catalogue(address)
    server = await asyncio.start_server(catalogue.serve, address, PORT, limit=_MAX_LINE_BYTES)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
