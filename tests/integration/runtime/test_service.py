"""The life of a background process, seen from outside: exit codes, drain, health."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from local_stack.kafka import KafkaServer
from local_stack.ports import free_ports

from tests.support.eventually import PATIENCE_S, eventually, eventually_blocking

PROGRAM = Path(__file__).with_name("background_program.py")


class Running:
    """A started program and its health server."""

    def __init__(self, child: subprocess.Popen[str], port: int, trigger: Path) -> None:
        self.child = child
        self._port = port
        self._trigger = trigger

    def health(self, path: str) -> tuple[int, Any]:
        """Status and body; (0, {}) while nothing answers."""
        try:
            response = httpx.get(f"http://127.0.0.1:{self._port}{path}", timeout=PATIENCE_S)
        except httpx.TransportError:
            return 0, {}
        return response.status_code, response.json()

    def until(self, path: str, status: int) -> Any:
        return eventually_blocking(lambda: self._body(path, status), what=f"{path} answers {status}")

    def react(self) -> None:
        self._trigger.touch()

    def end(self, sig: signal.Signals | None = None) -> tuple[int, list[str], str]:
        """Exit code, steps told on stdout, log."""
        if sig is not None:
            self.child.send_signal(sig)
        out, log = self.child.communicate(timeout=PATIENCE_S)
        return self.child.returncode, out.split(), log

    def _body(self, path: str, status: int) -> Any:
        seen, body = self.health(path)
        return body if seen == status else None


class Launcher:
    def __init__(self, kafka: KafkaServer, prefix: str, folder: Path) -> None:
        self._environment = {
            "SB_INSTANCE_ID": "p-0",
            "SB_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "SB_TOPIC_PREFIX": prefix,
        }
        self._folder = folder

    @contextmanager
    def run(self, behaviour: str, **environment: str) -> Iterator[Running]:
        (port,) = free_ports(1)
        trigger = self._folder / "trigger"
        own = {"SB_HEALTH_PORT": str(port), **self._environment, **environment}
        child = subprocess.Popen(
            [sys.executable, str(PROGRAM), behaviour, str(trigger)],
            env={**os.environ, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Running(child, int(own["SB_HEALTH_PORT"]), trigger)
        finally:
            if child.poll() is None:
                child.kill()
                child.communicate(timeout=PATIENCE_S)


@pytest.fixture
async def launcher(
    kafka_server: KafkaServer, kafka_admin: AIOKafkaAdminClient, unique_prefix: str, tmp_path: Path
) -> Launcher:
    topic = f"{unique_prefix}drained"
    await kafka_admin.create_topics([NewTopic(topic, 1, 1)])
    return Launcher(kafka_server, unique_prefix, tmp_path)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_drains_with_a_working_broker_and_ends_with_0(launcher: Launcher, sig: signal.Signals) -> None:
    with launcher.run("ok") as program:
        assert program.until("/readyz", 200) == {"ready": True, "missing": {}}
        assert program.health("/healthz") == (200, {"alive": True, "stalled": {}})

        code, steps, log = program.end(sig)

    assert (code, steps) == (0, ["started", "draining", "drained"])
    assert '"action":"drained"' in log


@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [("task-dies", '"TaskDied: work died","KeyError"'), ("task-returns", "work ended without being asked to")],
)
def test_a_dead_task_ends_the_process_with_1_and_without_a_drain(
    launcher: Launcher, behaviour: str, cause: str
) -> None:
    with launcher.run(behaviour) as program:
        program.until("/readyz", 200)
        program.react()

        code, steps, log = program.end()

    assert (code, steps) == (1, ["started"])
    assert cause in log


def test_a_failed_start_ends_with_1(launcher: Launcher) -> None:
    with launcher.run("start-fails") as program:
        code, steps, log = program.end()

    assert (code, steps) == (1, [])
    assert '"action":"death"' in log
    assert "Traceback" not in log


def test_a_start_beyond_its_deadline_ends_with_1(launcher: Launcher) -> None:
    with launcher.run("start-hangs", SB_START_DEADLINE_S="0.5") as program:
        code, steps, log = program.end()

    assert (code, steps) == (1, [])
    assert '"error":["TimeoutError"' in log


def test_a_drain_beyond_its_deadline_ends_with_1(launcher: Launcher) -> None:
    with launcher.run("drain-hangs", SB_DRAIN_DEADLINE_S="1") as program:
        program.until("/readyz", 200)
        code, steps, log = program.end(signal.SIGTERM)

    assert (code, steps) == (1, ["started", "draining"])
    assert "DrainOverran" in log


def test_a_broker_that_cannot_be_reached_ends_with_1(launcher: Launcher) -> None:
    (nothing_here,) = free_ports(1)
    with launcher.run("ok", SB_KAFKA_BOOTSTRAP=f"127.0.0.1:{nothing_here}") as program:
        code, steps, log = program.end()

    assert (code, steps) == (1, [])
    assert "KafkaConnectionError" in log


def test_a_health_port_in_use_ends_with_1(launcher: Launcher) -> None:
    with launcher.run("ok") as first:
        first.until("/readyz", 200)
        with launcher.run("ok", SB_HEALTH_PORT=str(first._port)) as second:
            code, _, log = second.end()

    assert code == 1
    assert "the health server could not start" in log


def test_readiness_follows_a_named_condition(launcher: Launcher) -> None:
    with launcher.run("loses-readiness") as program:
        program.until("/readyz", 200)
        program.react()

        assert program.until("/readyz", 503) == {"ready": False, "missing": {"work": "no partitions"}}
        assert program.health("/healthz")[0] == 200
        assert program.end(signal.SIGTERM)[0] == 0


def test_a_loop_that_does_not_beat_makes_the_process_unhealthy(launcher: Launcher) -> None:
    with launcher.run("loop-stalls") as program:
        assert "work" in program.until("/healthz", 503)["stalled"]


def test_a_signal_during_composition_is_not_lost(launcher: Launcher) -> None:
    with launcher.run("signal-while-building") as program:
        assert program.end()[:2] == (0, [])


async def test_a_stopped_broker_cannot_hold_up_the_end(launcher: Launcher, kafka_server: KafkaServer) -> None:
    with launcher.run("ok", SB_DRAIN_DEADLINE_S="1") as program:
        await eventually(lambda: program.health("/readyz")[0] == 200)
        os.kill(kafka_server.pid, signal.SIGSTOP)
        try:
            code, _, log = program.end(signal.SIGTERM)
        finally:
            os.kill(kafka_server.pid, signal.SIGCONT)

    assert code == 1
    assert "DrainOverran" in log
