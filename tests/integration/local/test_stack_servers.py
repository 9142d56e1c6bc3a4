"""The supervised servers of a second stack: restarted in place, stopped cleanly, nothing left behind."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_stack.process import NotReady
from local_stack.settings import StackSettings
from local_stack.stack import PortTaken, Stack

from tests.support.eventually import eventually_blocking


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(StackSettings.on_free_ports(tmp_path / "state"), attached=True)
    yield stack
    stack.down()


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def answering(stack: Stack) -> dict[str, bool]:
    return {row.name: row.ready for row in stack.status() if row.name in {"kafka", "mongod"}}


def test_a_killed_server_is_back_in_its_own_slot_and_a_stop_leaves_nothing(stack: Stack) -> None:
    stack.up_servers()
    assert answering(stack) == {"kafka": True, "mongod": True}
    first = {name: stack.pid(name) for name in ("kafka", "mongod")}
    for name in first:
        stack.kill9(name)
    eventually_blocking(lambda: answering(stack) == {"kafka": True, "mongod": True}, what="both are back")
    second = {name: stack.pid(name) for name in first}
    assert set(first.values()).isdisjoint(second.values())
    stack.down()
    assert stack.status() == []
    assert not [pid for pid in (*first.values(), *second.values()) if runs(pid)]
    with pytest.raises(NotReady):
        stack.pid("kafka")


def test_starting_again_keeps_what_runs_and_the_key_that_was_made(stack: Stack) -> None:
    stack.up_servers()
    key = stack.settings.keys_dir / "kek"
    before = (stack.pid("kafka"), stack.pid("mongod"), key.read_bytes())
    stack.up_servers()
    assert (stack.pid("kafka"), stack.pid("mongod"), key.read_bytes()) == before
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_changed_variables_replace_who_reads_them_and_leave_the_servers(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.up_servers()
    stack.supervisor.run("sandbox")
    eventually_blocking(lambda: stack.pid("sandbox") > 0, what="the sandbox runs")
    before = {name: stack.pid(name) for name in ("kafka", "mongod", "sandbox")}
    monkeypatch.setenv("SB_LOG_LEVEL", "DEBUG")
    stack.up_servers()
    assert {name: stack.pid(name) for name in before} == before, "none of them reads it"
    monkeypatch.setenv("SB_SANDBOX_SEED", "7")
    stack.up_servers()
    assert {name: stack.pid(name) for name in ("kafka", "mongod")}.items() <= before.items()
    with pytest.raises(NotReady, match="sandbox does not run"):
        stack.pid("sandbox")


def test_a_port_that_another_program_holds_is_named_before_anything_starts(stack: Stack) -> None:
    with socket.create_server((stack.settings.host, stack.settings.mongo_port)):
        with pytest.raises(PortTaken, match=f"{stack.settings.mongo_port} is in use.*SB_MONGO_PORT"):
            stack.up_servers()
        assert not stack.supervisor.answers()
