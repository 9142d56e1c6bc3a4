"""Child processes: ready or refused with their log, and never left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from local_stack.process import NotReady, ServerProcess, tail

from tests.support.eventually import eventually_blocking

STARTS_A_CHILD = """
import sys, time
from pathlib import Path
from local_stack.process import ServerProcess
child = ServerProcess(["sleep", "600"], log=Path(sys.argv[1]))
child.start(lambda: Path(f"/proc/{child.pid}/comm").read_text() == "sleep\\n", 60)
print(child.pid, flush=True)
time.sleep(600)
"""


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state == "Z"


def test_a_child_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTS_A_CHILD, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not is_gone(child)
        parent.kill()
    eventually_blocking(lambda: is_gone(child), what="the child is gone")


def test_a_server_that_ends_at_once_is_refused_with_the_end_of_its_log(tmp_path: Path) -> None:
    server = ServerProcess(["sh", "-c", "echo no such file; exit 3"], log=tmp_path / "log")
    with pytest.raises(NotReady, match="no such file"):
        server.start(lambda: False, 60)


def test_a_server_that_never_gets_ready_is_ended_at_the_deadline(tmp_path: Path) -> None:
    server = ServerProcess(["sleep", "600"], log=tmp_path / "log")
    with pytest.raises(NotReady, match=r"not ready after 0\.3 s"):
        server.start(lambda: False, 0.3)
    with pytest.raises(NotReady, match="not started"):
        _ = server.pid


def test_a_server_that_ignores_the_stop_signal_is_killed(tmp_path: Path) -> None:
    started = tmp_path / "started"
    server = ServerProcess(["sh", "-c", f"trap '' TERM; touch {started}; exec sleep 600"], log=tmp_path / "log")
    server.start(started.exists, 60)
    pid = server.pid
    server.stop(deadline_s=0.3)
    assert is_gone(pid)


def test_the_tail_is_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log) == ""
    log.write_text("".join(f"line {n}\n" for n in range(1_000)))
    assert tail(log, 2) == "line 998\nline 999"
