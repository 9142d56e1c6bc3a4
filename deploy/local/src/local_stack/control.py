"""A running supervisord, spoken to over its unix socket."""

import contextlib
import http.client
import subprocess
import sys
import xmlrpc.client
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_stack.process import NotReady, wait_until
from local_stack.supervisor import socket_path
from local_stack.unix_rpc import unix_rpc

_ANSWER_DEADLINE_S = 60
_STOP_DEADLINE_S = 75


@dataclass(frozen=True, slots=True)
class Supervised:
    """One process as the supervisor sees it."""

    name: str
    state: str
    pid: int
    """0 when it does not run."""


class Supervisor:
    """Controls one supervisord; it may not run."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._socket = socket_path(run_dir)
        self.config = run_dir / "supervisord.conf"

    def answers(self) -> bool:
        """Does supervisord run?"""
        with contextlib.suppress(OSError, http.client.HTTPException, xmlrpc.client.Fault), self._rpc() as rpc:
            return bool(rpc.getState()["statecode"] == 1)
        return False

    def start(self, wrapper: Sequence[str] = ()) -> "subprocess.Popen[bytes] | None":
        """Start supervisord with the written configuration: as a daemon, or as a child behind `wrapper`."""
        self._socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [*wrapper, sys.executable, "-m", "supervisor.supervisord", "-c", str(self.config)]
        child = None
        if wrapper:
            child = subprocess.Popen([*command, "-n"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        else:
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=_ANSWER_DEADLINE_S)
        if not wait_until(self.answers, _ANSWER_DEADLINE_S):
            raise NotReady(f"supervisord does not answer on {self._socket}")
        return child

    def processes(self) -> list[Supervised]:
        """Every process of the configuration; empty when supervisord does not run."""
        if not self.answers():
            return []
        with self._rpc() as rpc:
            rows = rpc.getAllProcessInfo()
        return [Supervised(row["name"], row["statename"], row["pid"]) for row in rows]

    def run(self, name: str) -> None:
        """Start a process unless it runs; does not wait for it."""
        with _ignoring("ALREADY_STARTED"), self._rpc() as rpc:
            rpc.startProcess(name, False)

    def restart(self, name: str) -> None:
        """Clean stop within its own limit, then start."""
        with _ignoring("NOT_RUNNING"), self._rpc() as rpc:
            rpc.stopProcess(name)
        self.run(name)

    def stop_together(self, names: Sequence[str], *, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Stop several processes side by side, each within its own limit. Raises NotReady if one does not end.

        `meanwhile` is done once all were told and before they are waited for.
        """
        with self._rpc() as rpc:
            for name in names:
                with _ignoring("NOT_RUNNING"):
                    rpc.stopProcess(name, False)
        meanwhile()
        if not wait_until(lambda: not any(p.pid for p in self.processes() if p.name in names), _STOP_DEADLINE_S):
            raise NotReady(f"not all of {', '.join(names)} have stopped after {_STOP_DEADLINE_S} s")

    def adopt_config(self, *, stop_last: Collection[str]) -> None:
        """Make the running supervisord follow the written configuration: stop what left, replace what changed.

        Processes stop side by side; those named by `stop_last` (servers) only when all others have ended.
        """
        with self._rpc() as rpc:
            added, changed, removed = rpc.reloadConfig()[0]
        leaving = (*removed, *changed)
        for names in stop_rounds(leaving, stop_last):
            self.stop_together(names)
        with self._rpc() as rpc:
            for name in leaving:
                rpc.removeProcessGroup(name)
            for name in (*added, *changed):
                rpc.addProcessGroup(name)

    def shutdown(self) -> None:
        """Stop every process, then supervisord; SIGKILL ends what outlives its limit. Bounded."""
        if not self.answers():
            return
        with self._rpc() as rpc:
            rpc.shutdown()
        if not wait_until(lambda: not self._socket.exists(), _STOP_DEADLINE_S):
            raise NotReady(f"supervisord still runs {_STOP_DEADLINE_S} s after it was told to stop")

    @contextlib.contextmanager
    def _rpc(self) -> Iterator[Any]:
        with unix_rpc(self._socket, _STOP_DEADLINE_S) as server:
            yield server.supervisor


def stop_rounds(names: Sequence[str], last: Collection[str]) -> list[list[str]]:
    """Who stops side by side, round by round: first those who use the last."""
    rounds = [name for name in names if name not in last], [name for name in names if name in last]
    return [names for names in rounds if names]


@contextlib.contextmanager
def _ignoring(fault: str) -> Iterator[None]:
    """Ignore one fault of supervisord's interface, by its name."""
    try:
        yield
    except xmlrpc.client.Fault as answer:
        if not answer.faultString.startswith(fault):
            raise
