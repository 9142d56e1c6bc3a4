"""mongod on loopback: a replica set of one member, or of three for fail-over and roll-back tests."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from local_stack.ports import free_ports
from local_stack.process import NotReady, ServerProcess, wait_until
from local_stack.tools import Tools

REPLICA_SET = "rs0"
START_DEADLINE_S = 120
_ALREADY_INITIALIZED = 23
_TIMEOUT_MS = 1_000
_ELECTION_TIMEOUT_MS = 2_000  # default 10 s; members on one machine notice a dead primary sooner
_QUIESCE_MS = 500  # default 15 s; how long a stopping member of a larger set waits for its clients to leave
_HISTORY_S = 0  # default 300; nobody reads the past, and files of dropped collections stay open so long


@dataclass(frozen=True, slots=True)
class MongoMember:
    """One member's place: its data directory and port."""

    data_dir: Path
    port: int
    tools: Tools
    host: str = "127.0.0.1"
    cache_gb: float = 1.0

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def command(self) -> list[str]:
        """Runs the member in the foreground; SIGTERM stops it cleanly. Needs `environment`."""
        place = ["--dbpath", str(self.data_dir), "--bind_ip", self.host, "--port", str(self.port)]
        limits = ["--wiredTigerCacheSizeGB", str(self.cache_gb), "--quiet", "--nounixsocket"]
        limits += ["--setParameter", f"shutdownTimeoutMillisForSignaledShutdown={_QUIESCE_MS}"]
        limits += ["--setParameter", f"minSnapshotHistoryWindowInSeconds={_HISTORY_S}"]
        return [str(self.tools.mongod), *place, "--replSet", REPLICA_SET, *limits]

    @property
    def environment(self) -> dict[str, str]:
        """mongod links OpenSSL 1.1, which lies beside it."""
        return {"LD_LIBRARY_PATH": str(self.tools.mongod_libs)}

    def prepare(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)

    def answers(self) -> bool:
        """The member answers a ping, whatever its role."""
        with contextlib.suppress(PyMongoError), _direct(self) as client:
            client.admin.command("ping")
            return True
        return False

    def is_writable_primary(self) -> bool:
        with contextlib.suppress(PyMongoError), _direct(self) as client:
            return bool(client.admin.command("hello")["isWritablePrimary"])
        return False


def initiate(members: list[MongoMember]) -> None:
    """Make one replica set of the members; a set that exists stays as it is. Raises PyMongoError."""
    config = {
        "_id": REPLICA_SET,
        "members": [{"_id": n, "host": m.address} for n, m in enumerate(members)],
        "settings": {"electionTimeoutMillis": _ELECTION_TIMEOUT_MS, "heartbeatIntervalMillis": 500},
    }
    with _direct(members[0]) as client:
        try:
            client.admin.command("replSetInitiate", config)
        except OperationFailure as failure:
            if failure.code != _ALREADY_INITIALIZED:
                raise


def wait_writable(members: list[MongoMember], deadline_s: float = START_DEADLINE_S) -> None:
    """Wait until one member is a writable primary. Raises NotReady."""
    if not wait_until(lambda: any(m.is_writable_primary() for m in members), deadline_s):
        raise NotReady(f"no writable primary among {len(members)} members after {deadline_s} s")


def replica_set_url(members: list[MongoMember]) -> str:
    """Connection string that finds the primary."""
    return f"mongodb://{','.join(m.address for m in members)}/?replicaSet={REPLICA_SET}"


def _direct(member: MongoMember) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        member.host,
        member.port,
        directConnection=True,
        serverSelectionTimeoutMS=_TIMEOUT_MS,
        socketTimeoutMS=_TIMEOUT_MS * 5,
    )


class MongoServer:
    """A replica set of its own for tests: free ports, data kept over kill and restart, gone with the test process."""

    def __init__(self, data_dir: Path, *, members: int = 1, tools: Tools | None = None, cache_gb: float = 0.5) -> None:
        parts = tools or Tools.of_checkout()
        self.members = [
            MongoMember(data_dir / f"member-{n}", port, parts, cache_gb=cache_gb)
            for n, port in enumerate(free_ports(members))
        ]
        self._processes = [
            ServerProcess(m.command, log=data_dir / f"member-{n}.out", env={**os.environ, **m.environment})
            for n, m in enumerate(self.members)
        ]

    @property
    def url(self) -> str:
        """Connection string that finds the primary."""
        return replica_set_url(self.members)

    def pid(self, member: int = 0) -> int:
        return self._processes[member].pid

    def start(self) -> Self:
        """Start every member, initiate the set on first use, wait for a writable primary. Raises NotReady."""
        for n in range(len(self.members)):
            self.start_member(n)
        initiate(self.members)
        wait_writable(self.members)
        return self

    def start_member(self, member: int) -> None:
        """Start one member (again); it answers but may not have found its role yet."""
        self.members[member].prepare()
        self._processes[member].start(self.members[member].answers, START_DEADLINE_S)

    def primary(self) -> int:
        """Number of the member that is a writable primary. Raises NotReady when there is none."""
        for n, member in enumerate(self.members):
            if member.is_writable_primary():
                return n
        raise NotReady("no writable primary")

    def kill(self, member: int = 0) -> None:
        """SIGKILL one member; its data stays as it is."""
        self._processes[member].kill()

    def restart(self, member: int = 0) -> None:
        """Clean stop if it runs, then start on the same data and port; waits for a writable primary."""
        self._processes[member].stop()
        self.start_member(member)
        wait_writable(self.members)

    def stop(self) -> None:
        """Clean stop of every member, bounded."""
        for process in reversed(self._processes):
            process.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
