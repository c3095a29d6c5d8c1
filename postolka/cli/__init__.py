"""The command line: one module a verb, imported only when its verb is used.

A verb's module has `configure(parser)` and `run(arguments) -> int`. Results go to standard output,
progress and errors to standard error. Exit codes: 0 done, 1 failed, 2 usage, 3 differences found.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from typing import Any

from postolka import __version__
from postolka.errors import PostolkaError

VERBS = {
    "lock": "resolve every package and write postolka.lock",
    "build": "make the golden disk image of this checkout",
    "list": "show the generations in the store, and who needs each",
    "why": "tell which inputs made an image, or what differs between those of two",
    "diff": "tell what differs between the contents of two images",
    "verify": "hash the store again and find what has changed in it",
    "key": "make a key that images are signed with",
    "sign": "put a detached signature beside an image",
    "gc": "remove from the store what nobody needs",
    "instance": "make and check the data that give an instance its identity",
    "dns": "show the DNS records that an instance needs, and check whether they are live",
    "vm": "boot disposable virtual machines of an image",
    "container": "boot an image's root under systemd-nspawn",
    "lab": "start and stop the small internet that tests a server",
    "accept": "boot an image in the lab and send real mail through it",
    "demo": "the same with a server that stays up for a first look",
}


def main(argv: list[str] | None = None) -> int:
    """Run the verb named in `argv` (default: the process's arguments) and return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    verb = next((word for word in words if word in VERBS), None)
    parser = _parser(verb)
    arguments = parser.parse_args(words)
    try:
        return int(arguments.run(arguments))
    except PostolkaError as error:
        if arguments.debug:
            traceback.print_exc()
        print(f"postolka: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("postolka: interrupted", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of our output has gone; keep the interpreter from flushing into the void.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if arguments.debug or not error.filename:
            raise
        hint = "\nhint: run it as root, or set POSTOLKA_HOME"
        denied = hint if isinstance(error, PermissionError) else ""
        print(f"postolka: {error.filename}: {error.strerror}{denied}", file=sys.stderr)
        return 1


class _Parser(argparse.ArgumentParser):
    """A parser that takes --debug; those of verbs and of their actions are of this kind, too."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:  # noqa: ANN401 - argparse's own
        super().__init__(*arguments, **keywords)
        # Where it isn't given, none of them says anything about what another one was given.
        self.add_argument(
            "--debug",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show a traceback for an error",
        )


def _parser(verb: str | None) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="postolka", description="Build and try golden images of a complete mail server."
    )
    parser.add_argument("--version", action="version", version=f"postolka {__version__}")
    parser.set_defaults(debug=False)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for name, summary in VERBS.items():
        child = verbs.add_parser(name, help=summary, description=summary)
        if name == verb:
            module = importlib.import_module(f"postolka.cli.{name}")
            module.configure(child)
            child.set_defaults(run=module.run)
    return parser
