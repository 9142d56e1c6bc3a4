"""Runs the raw pipeline beside the product: same servers, same number of units, its own topics and pages."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from local_stack.tools import checkout
from pymongo import MongoClient

from tests.bench import raw_pipeline
from tests.bench.processes import CpuMeter
from tests.bench.rates import Pass
from tests.bench.raw_messages import page_documents
from tests.bench.raw_pipeline import How
from tests.bench.world import Servers

_SETTINGS: Final = {"message.timestamp.type": "LogAppendTime", "min.insync.replicas": "1"}


async def raw_pass(servers: Servers, how: How, units: int, run: str) -> Pass:
    """One pass of `units` units, from the first page read to the last page written."""
    await _make_topics(servers.kafka, run)
    with MongoClient[dict[str, Any]](servers.mongo) as client:
        pages = client[raw_pipeline.DATABASE][run]
        pages.insert_many(page_documents(units))
        with _roles(servers, how, units, run) as roles:
            pids = {**servers.pids, **{name: role.pid for name, role in roles.items()}}
            begun, meter = time.monotonic(), CpuMeter(pids)
            for role in roles.values():
                _say(role, "go")
            for role in roles.values():
                _await_word(role, "done")
            took_s, cpu_s = time.monotonic() - begun, meter.used_s()
        _check_all_ended(pages.find(), units)
        pages.drop()
    return Pass(units, took_s, cpu_s)


async def _make_topics(kafka: str, run: str) -> None:
    partitions = {f"{run}.commands": raw_pipeline.COMMAND_PARTITIONS, f"{run}.events": raw_pipeline.EVENT_PARTITIONS}
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, n, 1, topic_configs=_SETTINGS) for name, n in partitions.items()])
    finally:
        await admin.close()


@contextmanager
def _roles(servers: Servers, how: How, units: int, run: str) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """The three processes, connected and waiting."""
    roles: dict[str, subprocess.Popen[str]] = {}
    try:
        for name in raw_pipeline.ROLES:
            command = [sys.executable, "-m", "tests.bench.raw_pipeline", name, how, str(units), run]
            roles[name] = subprocess.Popen(
                [*command, servers.kafka, servers.mongo],
                cwd=checkout(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        for role in roles.values():
            _await_word(role, "ready")
        yield roles
    finally:
        for role in roles.values():
            role.kill() if role.poll() is None and sys.exc_info()[0] else _say(role, "end")
            role.wait(10)


def _say(role: subprocess.Popen[str], word: str) -> None:
    stream: IO[str] | None = role.stdin
    if stream is not None and role.poll() is None:
        stream.write(f"{word}\n")
        stream.flush()


def _await_word(role: subprocess.Popen[str], word: str) -> None:
    """The role bounds its own life, so this ends."""
    line = role.stdout.readline().strip() if role.stdout else ""
    if line != word:
        raise RuntimeError(f"a role of the raw pipeline said {line!r} instead of {word!r}")


def _check_all_ended(pages: Any, units: int) -> None:
    ended = sum(unit["s"] == "S" for page in pages for client in page["c"] for unit in client["m"])
    if ended != units:
        raise RuntimeError(f"{ended} of {units} units of the raw pipeline have ended")
