"""The whole product as processes on free ports, for tests from outside: stack, simulated portal, database, traces."""

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from local_stack.settings import StackSettings
from local_stack.stack import Stack
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from sync_runtime.vault import Decryptor, KeyEncryptionKeys

from tests.support.eventually import eventually_blocking
from tests.support.practices import Practice
from tests.support.sandbox_control import SandboxControl
from tests.support.trace_collector import TraceCollector, trace_collector

Documents = Database[dict[str, Any]]
NOTHING: Mapping[str, Any] = MappingProxyType({})
PARTS_OF_2B = 6
"""Documents in a part of a 2B: an ordinary one of size 9 then has ten parts."""


@dataclass(frozen=True)
class RunningStack:
    """Everything that a test from outside may look at."""

    stack: Stack
    sandbox: SandboxControl
    database: Documents
    traces: TraceCollector
    closing: ExitStack

    @property
    def settings(self) -> StackSettings:
        return self.stack.settings

    def practice(self, name: str) -> Practice:
        """A new tenant, closed with the stack."""
        return self.closing.enter_context(closing(Practice.open(self.settings.api_url, self.sandbox, name)))

    def kill9_and_await_return(self, name: str) -> None:
        """SIGKILL a process; wait until the supervisor has started it again (it may not be ready yet)."""
        killed = self.stack.pid(name)
        self.stack.kill9(name)
        self.await_another(name, killed)

    def await_another(self, name: str, pid: int) -> None:
        """Wait until a process of this name runs that is not `pid`."""

        def replaced() -> bool:
            return any(p.name == name and p.pid not in {0, pid} for p in self.stack.supervisor.processes())

        eventually_blocking(replaced, what=f"{name} is started again")

    def logs(self) -> Iterator[tuple[str, bytes]]:
        """Every log file's name and content."""
        for file in sorted(self.settings.logs_dir.iterdir()):
            yield file.name, file.read_bytes()

    def dataset(self, tenant: str, client: str, module: str, period: str | None) -> dict[str, Any] | None:
        """What is stored of a dataset."""
        identity = ":".join((tenant, client, module, period or "-"))
        return self.database["datasets"].find_one({"_id": identity})

    def plain(self, dataset: dict[str, Any]) -> bytes:
        """The plain text of a stored dataset, opened with the stack's own keys."""
        decryptor, identity, ver = self.decryptor(dataset["tenant_id"]), dataset["_id"], dataset["ver"]
        if dataset["n_chunks"] == 0:
            return zlib.decompress(decryptor.decrypt(dataset["data"], identity, ver, "data"))
        chunks = self.database["dataset_chunks"]
        sealed = [chunks.find_one({"_id": f"{identity}:{ver}:{n}"}) for n in range(dataset["n_chunks"])]
        parts = [decryptor.decrypt(part["data"], identity, ver, str(n)) for n, part in enumerate(sealed) if part]
        return zlib.decompress(b"".join(parts))

    def decryptor(self, tenant: str) -> Decryptor:
        """What opens the tenant's secrets."""
        keys = self.database["tenants"].find_one({"_id": tenant})
        assert keys is not None
        vault = KeyEncryptionKeys.from_file(self.settings.keys_dir / "kek")
        return vault.decryptor(tenant, {keys["key_version"]: keys["data_key_wrapped"]})


@contextmanager
def running_stack(state_dir: Path, *, workers: int = 2, portal_rate_per_s: float = 180) -> Iterator[RunningStack]:
    """Start everything, bound to this process, every request traced; stop it cleanly at the end."""
    settings = StackSettings.on_free_ports(state_dir, workers=workers)
    settings = settings.model_copy(update={"portal_rate_per_s": portal_rate_per_s})
    with running_as(settings) as running:
        yield running


@contextmanager
def running_as(
    settings: StackSettings,
    *,
    traced_share: float = 1,
    environment: Mapping[str, str] = NOTHING,
    slot_environment: Mapping[str, Mapping[str, str]] = NOTHING,
) -> Iterator[RunningStack]:
    """As `running_stack`, of a stack that is set up otherwise; the environments win over those of every test."""
    with ExitStack() as opened:
        traces = opened.enter_context(trace_collector())
        own = {**_environment(traces, traced_share), **environment}
        stack = Stack(settings, attached=True, more_environment=own, slot_environment=slot_environment)
        opened.enter_context(stack)
        sandbox = opened.enter_context(closing(SandboxControl(settings.sandbox_control_url)))
        mongo = opened.enter_context(closing(_mongo(settings)))
        majority = mongo.get_database(settings.mongo_database, read_concern=ReadConcern("majority"))
        yield RunningStack(stack, sandbox, majority, traces, opened)


def _mongo(settings: StackSettings) -> MongoClient[dict[str, Any]]:
    return MongoClient(settings.mongo_url, tz_aware=True)


def _environment(traces: TraceCollector, traced_share: float) -> dict[str, str]:
    return {
        "SB_OTLP_ENDPOINT": traces.endpoint,
        "SB_TRACE_SAMPLE_RATIO": f"{traced_share:g}",
        "SB_SANDBOX_ASSUMPTIONS": json.dumps({"profile.demo.part_documents": PARTS_OF_2B}),
    }
