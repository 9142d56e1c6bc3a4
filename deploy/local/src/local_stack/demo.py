"""The demonstration: the stack up, then the story; the stack is left as it was found."""

import contextlib
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rich.console import Console

from local_stack.stack import Stack
from local_stack.story import Stage, WishRefused, tell
from local_stack.tools import checkout

PRESETS = ("only_2b", "notice_return_register")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the demonstration is asked for: environment CLIENTS (a CSV file), PRESET, KEEP (0: end by itself)."""

    clients_file: Path
    presets: tuple[str, ...]
    keep: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """200 clients and both presets, and the stack stays until Ctrl-C, unless said otherwise."""
        clients_file = environment.get("CLIENTS") or checkout() / "deploy" / "demo" / "clients.csv"
        preset = environment.get("PRESET")
        return cls(Path(clients_file), (preset,) if preset else PRESETS, keep=environment.get("KEEP") != "0")


def run_demo(stack: Stack, wish: Wish, console: Console) -> int:
    """Exit status of the story. A stack that was up before stays up. Raises WishRefused."""
    if not wish.clients_file.is_file():
        raise WishRefused(f"CLIENTS={wish.clients_file}: there is no such file")
    was_up = stack.supervisor.answers()
    settings = stack.settings
    try:
        stack.up()
        stage = Stage(settings.api_url, settings.sandbox_control_url, wish.clients_file, wish.presets)
        outcome = tell(stage, console)
        if wish.keep:
            console.print(f"The API and its documentation: {settings.api_url}/docs. Ctrl-C ends the demonstration.")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
        return outcome
    finally:
        if not was_up:
            stack.down()
