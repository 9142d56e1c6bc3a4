"""The sandbox as a process: cut connections over real sockets, and its start and stop."""

import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from local_stack.ports import free_ports
from portal_sandbox.taxpayers import username_of

from tests.component.sandbox.callers import StyleACaller, code_of
from tests.component.sandbox.conftest import Sandbox, number
from tests.support.eventually import PATIENCE_S, eventually

GSTIN = number()
SCRIPT = Path(__file__).parents[3] / "deploy" / "sandbox" / "scripts" / "flaky-section.yaml"


@dataclass(frozen=True)
class Running:
    """The process with its two base addresses."""

    process: subprocess.Popen[bytes]
    portal_url: str
    control_url: str


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    ports = free_ports(2)
    names = {"SB_SANDBOX_PORT": str(ports[0]), "SB_SANDBOX_CONTROL_PORT": str(ports[1])}
    environment = names | {
        "SB_SANDBOX_PROFILE": "instant",
        "SB_SANDBOX_START_AT": "2026-11-24T06:00:00Z",
        "SB_SANDBOX_SCRIPT": str(SCRIPT),
    }
    with subprocess.Popen([sys.executable, "-m", "portal_sandbox"], env=environment) as process:
        yield Running(process, *(f"http://127.0.0.1:{port}" for port in ports))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_S) == 0


@pytest.fixture
async def sandbox(running: Running) -> AsyncIterator[Sandbox]:
    portal = httpx.AsyncClient(base_url=running.portal_url, timeout=PATIENCE_S)
    control = httpx.AsyncClient(base_url=running.control_url, timeout=PATIENCE_S)
    async with portal, control:
        await eventually(lambda: is_healthy(portal), what="the portal is up")
        await eventually(lambda: is_healthy(control), what="the control port is up")
        yield Sandbox(portal, control)


async def is_healthy(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health")).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
async def caller(sandbox: Sandbox) -> StyleACaller:
    found = StyleACaller(sandbox.portal, GSTIN, username_of(GSTIN))
    await found.ask_otp()
    await found.open(await sandbox.otp(GSTIN))
    return found


@pytest.mark.parametrize(
    ("effect", "error"),
    [
        ({"kind": "reset"}, httpx.ReadError),
        ({"kind": "hang", "delay_ms": 50}, httpx.ReadError),
        ({"kind": "truncate"}, httpx.RemoteProtocolError),
    ],
)
async def test_cut_connection(
    sandbox: Sandbox, caller: StyleACaller, effect: dict[str, str], error: type[Exception]
) -> None:
    await sandbox.change("PUT", "/scenarios/cut", {"match": {"action": "GET2B"}, "times": 1, "effect": effect})
    with pytest.raises(error):
        await caller.twob("102026")
    assert code_of(await caller.twob("102026")) == ""


async def test_dripped_answer_arrives_whole(sandbox: Sandbox, caller: StyleACaller) -> None:
    whole = await caller.twob("102026")
    effect = {"kind": "drip", "delay_ms": 50}
    await sandbox.change("PUT", "/scenarios/drip", {"match": {"action": "GET2B"}, "times": 1, "effect": effect})
    assert await caller.twob("102026") == whole


async def test_script_of_the_settings_is_played_at_the_start(sandbox: Sandbox) -> None:
    assert (await sandbox.ask("/script"))["name"] == "flaky-section"
    assert "cdnr-fails-twice" in {item["id"] for item in (await sandbox.ask("/scenarios"))["items"]}


async def test_null_call_over_a_socket(sandbox: Sandbox) -> None:
    await sandbox.change("DELETE", "/bench")
    assert (await sandbox.portal.get("/bench/null?delay_ms=5")).status_code == 204
    assert (await sandbox.ask("/bench"))["calls"] == 1


def test_taken_port_ends_the_process_with_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environment = {
            "SB_SANDBOX_PORT": str(taken.getsockname()[1]),
            "SB_SANDBOX_CONTROL_PORT": str(free_ports(1)[0]),
            "SB_SANDBOX_LOG_LEVEL": "error",
        }
        ended = subprocess.run(
            [sys.executable, "-m", "portal_sandbox"],
            env=environment,
            timeout=PATIENCE_S,
            check=False,
            capture_output=True,
        )
    assert ended.returncode != 0


def test_client_list_is_printed() -> None:
    command = [sys.executable, "-m", "portal_sandbox", "gstins", "--count", "3", "--seed", "5"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_S).stdout
    assert printed.startswith("gstin,name,filing_frequency,tags,portal_username,status\n")
    assert len(printed.splitlines()) == 4


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PROFILE", "bogus"),
        ("CONTROL_HOST", "0.0.0.0"),
        ("ASSUMPTIONS", "{"),
        ("ASSUMPTIONS", '{"no.such": 1}'),
        ("SCRIPT", "nowhere.yaml"),
        ("SCRIPT", str(Path(__file__))),
    ],
)
def test_a_bad_setting_is_told_in_one_line(variable: str, value: str) -> None:
    command, environment = [sys.executable, "-m", "portal_sandbox"], {f"SB_SANDBOX_{variable}": value}
    ended = subprocess.run(command, env=environment, timeout=PATIENCE_S, check=False, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.startswith("portal_sandbox: ")
    assert ended.stderr.count("\n") == 1


def test_more_clients_than_there_are_names_are_refused() -> None:
    command = [sys.executable, "-m", "portal_sandbox", "gstins", "--count", "100000"]
    ended = subprocess.run(command, timeout=PATIENCE_S, check=False, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "from 1 to 10,000" in ended.stderr
