"""What the sandbox keeps over a restart."""

import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from local_stack.ports import free_ports
from portal_sandbox.app import apps_over
from portal_sandbox.keeping import StateFile
from portal_sandbox.portal import Portal
from portal_sandbox.settings import Settings
from portal_sandbox.taxpayers import username_of

from tests.component.sandbox.callers import StyleACaller, code_of
from tests.component.sandbox.conftest import START, Sandbox, client_over, number
from tests.component.sandbox.test_process import is_healthy
from tests.support.eventually import PATIENCE_S, eventually

GSTIN = number()


def portal_of(seed: int = 1) -> Portal:
    return Portal(Settings(profile="instant", start_at=START, seed=seed))


def sandbox_over(portal: Portal) -> Sandbox:
    return Sandbox(*map(client_over, apps_over(portal)))


def restarted(path: Path, seed: int = 1) -> Portal:
    portal = portal_of(seed)
    StateFile(path, portal).restore()
    return portal


async def open_session(portal: Portal) -> StyleACaller:
    sandbox = sandbox_over(portal)
    caller = StyleACaller(sandbox.portal, GSTIN, username_of(GSTIN))
    await caller.ask_otp()
    assert code_of(await caller.open(await sandbox.otp(GSTIN))) == ""
    return caller


async def test_a_session_and_the_certificate_live_on_and_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    path, before = tmp_path / "data" / "sandbox.json", portal_of()
    caller = await open_session(before)
    StateFile(path, before).save()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    after = restarted(path)
    caller.portal = sandbox_over(after).portal
    assert code_of(await caller.refresh()) == ""
    assert after.keys.private_pem() == before.keys.private_pem()


async def test_an_otp_that_was_asked_before_opens_a_session_after(tmp_path: Path) -> None:
    path, before = tmp_path / "sandbox.json", portal_of()
    sandbox = sandbox_over(before)
    caller = StyleACaller(sandbox.portal, GSTIN, username_of(GSTIN))
    await caller.ask_otp()
    otp = await sandbox.otp(GSTIN)
    StateFile(path, before).save()

    caller.portal = sandbox_over(restarted(path)).portal
    assert code_of(await caller.open(otp)) == ""


async def test_another_seed_and_a_broken_file_start_anew(tmp_path: Path) -> None:
    path, before = tmp_path / "sandbox.json", portal_of()
    await open_session(before)
    StateFile(path, before).save()
    assert len(restarted(path).sessions) == 1
    assert len(restarted(path, seed=2).sessions) == 0
    path.write_bytes(path.read_bytes()[:100])
    assert len(restarted(path).sessions) == 0


@asynccontextmanager
async def process_with(state_file: Path) -> AsyncIterator[Sandbox]:
    """A sandbox process from its start to a clean stop."""
    ports = free_ports(2)
    names = {"SB_SANDBOX_PORT": str(ports[0]), "SB_SANDBOX_CONTROL_PORT": str(ports[1])}
    environment = names | {"SB_SANDBOX_PROFILE": "instant", "SB_SANDBOX_STATE_FILE": str(state_file)}
    portal, control = (httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) for port in ports)
    process = start(environment)
    try:
        async with portal, control:
            await eventually(lambda: is_healthy(portal), what="the portal is up")
            await eventually(lambda: is_healthy(control), what="the control port is up")
            yield Sandbox(portal, control)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_S) == 0


def start(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "portal_sandbox"], env=environment)


async def test_a_session_outlives_a_clean_stop_of_the_process(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    async with process_with(path) as sandbox:
        caller = StyleACaller(sandbox.portal, GSTIN, username_of(GSTIN))
        await caller.ask_otp()
        assert code_of(await caller.open(await sandbox.otp(GSTIN))) == ""
    async with process_with(path) as sandbox:
        caller.portal = sandbox.portal
        assert code_of(await caller.refresh()) == ""
