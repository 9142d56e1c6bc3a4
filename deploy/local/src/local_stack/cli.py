"""`python -m local_stack`: the stack of this checkout from the command line."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from pydantic import ValidationError
from rich.console import Console
from syncbucket_cli.client import Refused, Unreachable
from syncbucket_cli.context import WIDTH_OF_FILES

from local_stack.control import Supervised
from local_stack.demo import Wish, run_demo
from local_stack.process import NotReady
from local_stack.settings import StackSettings, refused_variables
from local_stack.stack import PortTaken, ProvisionFailed, Stack
from local_stack.story import WishRefused
from local_stack.supervisor import UnwritableValue
from local_stack.tools import SetupMissing

REFUSED = 1
DOWN = 3
"""Exit status of `status` and `pids` when nothing runs."""

REFUSALS = (NotReady, PortTaken, ProvisionFailed, SetupMissing, UnwritableValue, Refused, Unreachable, WishRefused)


def say(text: str) -> None:
    """Progress, beside the output proper."""
    print(text, file=sys.stderr, flush=True)


def up(stack: Stack, _: str | None) -> int:
    stack.up()
    say(f"ready: {stack.settings.api_url}/docs")
    return 0


def down(stack: Stack, _: str | None) -> int:
    stack.down()
    return 0


def status(stack: Stack, _: str | None) -> int:
    rows = stack.status()
    for row in rows:
        print(f"{row.name:<16}{row.state:<10}{'ready' if row.ready else 'not ready':<11}{row.pid:<8}{row.address}")
    if not rows:
        say("the stack is down; start it with make up")
        return DOWN
    return 0 if all(row.ready for row in rows) else REFUSED


def wait(stack: Stack, _: str | None) -> int:
    stack.wait_ready()
    return 0


def restart(stack: Stack, name: str | None) -> int:
    stack.restart(_known(stack, name).name)
    return 0


def pids(stack: Stack, _: str | None) -> int:
    processes = stack.supervisor.processes()
    for process in processes:
        print(process.name, process.pid)
    return 0 if processes else DOWN


def logs(stack: Stack, name: str | None) -> int:
    """Follows the log of one process, or of all."""
    files = sorted(stack.settings.logs_dir.glob(f"{name or '*'}.log"))
    if not files:
        say(f"no log of {name or 'any process'} in {stack.settings.logs_dir}")
        return REFUSED
    try:
        return subprocess.call(["tail", "-n", "50", "-F", *map(str, files)])
    except KeyboardInterrupt:  # the usual end of it
        return 0


def demo(stack: Stack, _: str | None) -> int:
    width = None if sys.stdout.isatty() else WIDTH_OF_FILES
    return run_demo(stack, Wish.from_environment(os.environ), Console(highlight=False, markup=False, width=width))


COMMANDS: dict[str, tuple[Callable[[Stack, str | None], int], str]] = {
    "up": (up, "start everything and wait until it is ready"),
    "down": (down, "stop everything cleanly"),
    "status": (status, "show every process and whether it is ready"),
    "wait": (wait, "wait until every process is ready"),
    "restart": (restart, "restart one process: restart NAME"),
    "logs": (logs, "follow the logs: logs [NAME]"),
    "pids": (pids, "print name and process id of every process"),
    "demo": (demo, "start everything and run the demonstration (CLIENTS, PRESET, KEEP)"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 refused or not ready, 2 wrong usage, 3 nothing runs."""
    lines = [f"  {name:<9}{text}" for name, (_, text) in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="python -m local_stack",
        description="The whole product on this machine.\n\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    parser.add_argument("name", nargs="?", help="a process, for example worker-0")
    parsed = parser.parse_args(arguments)
    command, _ = COMMANDS[parsed.command]
    try:
        return command(Stack(StackSettings(), say=say), parsed.name)
    except ValidationError as refusal:
        say(refused_variables(refusal))
        return REFUSED
    except REFUSALS as refusal:
        say(str(refusal))
        for line in _details(refusal):
            say(line)
        return REFUSED
    except KeyboardInterrupt:
        return 130


def _details(refusal: Exception) -> list[str]:
    """What a problem document of the service says about single fields or rows."""
    errors = (refusal.problem.get("errors") or ()) if isinstance(refusal, Refused) else ()
    return [f"  {error.get('pointer', '')} {error.get('code', '')}: {error.get('detail', '')}" for error in errors]


def _known(stack: Stack, name: str | None) -> Supervised:
    processes = stack.supervisor.processes()
    for process in processes:
        if process.name == name:
            return process
    raise NotReady(f"no process {name}; known: {', '.join(p.name for p in processes) or 'none, the stack is down'}")
