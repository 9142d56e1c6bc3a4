"""What every command needs: where the service is, who asks, and how to print."""

import json
import sys
from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType

from syncbucket_cli.client import Client

WIDTH_OF_FILES = 200
"""Columns of a table that goes into a file or a pipe."""
DEFAULT_URL = "http://127.0.0.1:18080"


@dataclass
class Context:
    """Options that stand before the command. `as_json`: exactly one JSON value on standard output, nothing else."""

    url: str
    token: str | None
    as_json: bool
    console: Console
    errors: Console

    @property
    def client(self) -> Client:
        """The service as the caller."""
        return Client(self.url, self.token)

    def show(self, value: Any, text: RenderableType) -> None:
        """Print an answer: as JSON when asked for, else for people."""
        if self.as_json:
            json.dump(value, sys.stdout, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None)
            sys.stdout.write("\n")
        else:
            self.console.print(text, soft_wrap=isinstance(text, str))


def make_context(url: str, token: str | None, as_json: bool) -> Context:
    """Consoles on standard output and standard error; colours and redrawing only where the terminal can do them.

    Without markup: names that people gave are shown as they are, brackets and all.
    """
    width = None if sys.stdout.isatty() else WIDTH_OF_FILES
    console = Console(highlight=False, markup=False, width=width)
    return Context(url, token, as_json, console, Console(stderr=True, highlight=False, markup=False))
