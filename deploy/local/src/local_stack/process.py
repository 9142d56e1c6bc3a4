"""One child process: started, waited for, killed; it never outlives the process that started it."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

POLL_S = 0.05


class NotReady(Exception):
    """A process did not become ready before its deadline; the text carries its last log lines."""


def bound_to_parent(command: Sequence[str], sig: signal.Signals) -> list[str]:
    """The command, wrapped so that the kernel sends `sig` when the parent dies (where util-linux has setpriv)."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return list(command)
    return [setpriv, "--pdeathsig", sig.name.removeprefix("SIG"), "--", *command]


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log file; empty when there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 256 * lines))
        return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])


def wait_until(condition: Callable[[], bool], deadline_s: float) -> bool:
    """Poll until the condition holds; False when the deadline passed first."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


class ServerProcess:
    """A server as a child process with its output in a log file. Restarting keeps command and log."""

    def __init__(self, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.command = list(command)
        self.log = log
        self._env = dict(env) if env is not None else None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running server. Raises NotReady when none was started."""
        if self._child is None:
            raise NotReady(f"{self.command[0]} was not started")
        return self._child.pid

    def start(self, ready: Callable[[], bool], deadline_s: float) -> None:
        """Start and wait until ready. Raises NotReady with the end of the log; the process is gone then."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                bound_to_parent(self.command, signal.SIGKILL),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._env,
            )
        child = self._child
        if not wait_until(lambda: child.poll() is not None or ready(), deadline_s) or child.poll() is not None:
            self.kill()
            log = tail(self.log)
            raise NotReady(f"{self.command[0]} is not ready after {deadline_s} s; the end of its log:\n{log}")

    def kill(self) -> None:
        """SIGKILL, as a machine failure would."""
        self._end(signal.SIGKILL, deadline_s=60)

    def stop(self, deadline_s: float = 15) -> None:
        """SIGTERM, then SIGKILL after the deadline."""
        self._end(signal.SIGTERM, deadline_s)

    def _end(self, sig: signal.Signals, deadline_s: float) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.send_signal(sig)
        try:
            child.wait(deadline_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(60)
