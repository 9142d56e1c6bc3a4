"""The demonstration: the stack up, then the terminal client's story; the stack is left as it was found."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from local_stack.stack import Stack


def demo_arguments(wish: Mapping[str, str]) -> list[str]:
    """Arguments of `syncbucket demo`, from CLIENTS (file), PRESET and KEEP (0: end by itself)."""
    arguments = ["demo"]
    if wish.get("CLIENTS"):
        arguments += ["--clients", wish["CLIENTS"]]
    if wish.get("PRESET"):
        arguments += ["--preset", wish["PRESET"]]
    if wish.get("KEEP") == "0":
        arguments += ["--no-keep"]
    return arguments


def run_demo(stack: Stack, wish: Mapping[str, str]) -> int:
    """Exit status of the story. A stack that was up before stays up."""
    was_up = stack.supervisor.answers()
    client = Path(sys.executable).with_name("syncbucket")
    try:
        stack.up()
        return subprocess.call([str(client), *demo_arguments(wish)], env={**os.environ, **stack.env})
    finally:
        if not was_up:
            stack.down()
