"""The terminal client as a cron job runs it: a process, its exit status and what it printed."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

DEADLINE_S = 100


@dataclass(frozen=True)
class Ran:
    """A finished command."""

    status: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """The JSON value on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """`syncbucket` for one service and one token."""

    url: str
    token: str

    def run(self, *arguments: str) -> Ran:
        """Run one command with `--json`."""
        environment = {**os.environ, "SYNCBUCKET_URL": self.url, "SYNCBUCKET_TOKEN": self.token, "TERM": "dumb"}
        command = [sys.executable, "-m", "syncbucket_cli", "--json", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        return Ran(done.returncode, done.stdout, done.stderr)
