"""The table of the product's processes: what each runs, which environment it gets, when it is ready, how it stops.

One frozen table; the supervisor's configuration is generated from it, and the container files are compared with it.
In values, `{name}` stands for a property of the settings, `{instance}` and `{health_port}` for those of the slot.
"""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from local_stack.settings import StackSettings

Role = Literal["sandbox", "api", "dispatcher", "scheduler", "aggregator", "worker"]
Inherits = Literal["nothing", "sandbox", "service"]
"""Which variables a process takes over from the shell: a server none, so that no setting of ours restarts it."""

_OF_SANDBOX = "SB_SANDBOX_"


@dataclass(frozen=True, slots=True)
class Program:
    """One kind of process."""

    role: Role
    module: tuple[str, ...]
    """What follows `python -m`."""
    environment: Mapping[str, str]
    ready_url: str
    health_ports: str = ""
    """Setting that holds the health port of slot 0; empty for a program that has one slot and its own HTTP server."""
    slots: str = ""
    """Setting that holds how many run; empty: one."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: int = 50
    """Longer than a service's longest drain (45 s), then SIGKILL."""

    def count(self, settings: StackSettings) -> int:
        """How many of it run."""
        return int(getattr(settings, self.slots)) if self.slots else 1


@dataclass(frozen=True, slots=True)
class Slot:
    """One process to run: a program in a numbered place, with everything filled in."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    ready_url: str | None
    stop_signal: signal.Signals
    stop_timeout_s: int
    inherits: Inherits = "nothing"


_RUNTIME = MappingProxyType(
    {
        "SB_INSTANCE_ID": "{instance}",
        "SB_KAFKA_BOOTSTRAP": "{kafka_bootstrap}",
        "SB_KEK_FILE": "{keys_dir}/kek",
        "SB_MONGO_DATABASE": "{mongo_database}",
        "SB_MONGO_URL": "{mongo_url}",
    }
)
_HEALTH = MappingProxyType({"SB_HEALTH_HOST": "{host}", "SB_HEALTH_PORT": "{health_port}"})
_READY = "http://{host}:{health_port}/readyz"

SANDBOX = Program(
    role="sandbox",
    module=("portal_sandbox",),
    environment=MappingProxyType(
        {
            "SB_SANDBOX_HOST": "{host}",
            "SB_SANDBOX_PORT": "{sandbox_port}",
            "SB_SANDBOX_CONTROL_HOST": "{host}",
            "SB_SANDBOX_CONTROL_PORT": "{sandbox_control_port}",
            "SB_SANDBOX_STATE_FILE": "{data_dir}/sandbox.json",
        }
    ),
    ready_url="{sandbox_control_url}/control/v1/health",
    stop_timeout_s=10,
)
API = Program(
    role="api",
    module=("bucket_api", "serve"),
    environment=MappingProxyType({**_RUNTIME, "SB_HTTP_HOST": "{host}", "SB_HTTP_PORT": "{api_port}"}),
    ready_url="{api_url}/readyz",
)
DISPATCHER = Program(
    role="dispatcher",
    module=("bucket_api", "dispatch"),
    environment=MappingProxyType({**_RUNTIME, **_HEALTH}),
    ready_url=_READY,
    health_ports="dispatcher_health_port",
    slots="dispatchers",
)
SCHEDULER = Program(
    role="scheduler",
    module=("bucket_api", "schedule"),
    environment=MappingProxyType({**_RUNTIME, **_HEALTH}),
    ready_url=_READY,
    health_ports="scheduler_health_port",
)
AGGREGATOR = Program(
    role="aggregator",
    module=("status_aggregator",),
    environment=MappingProxyType({**_RUNTIME, **_HEALTH}),
    ready_url=_READY,
    health_ports="aggregator_health_port",
    slots="aggregators",
)
WORKER = Program(
    role="worker",
    module=("sync_worker",),
    environment=MappingProxyType(
        {
            **_RUNTIME,
            **_HEALTH,
            "SB_PORTAL_URL": "{sandbox_url}",
            "SB_PORTAL_SIMULATED": "true",
            "SB_PORTAL_CLIENT_ID": "{sandbox_account}",
            "SB_PORTAL_CLIENT_SECRET": "{sandbox_secret}",
            "SB_PORTAL_ASP_USERNAME": "{sandbox_asp_account}",
            "SB_PORTAL_ASP_PASSWORD": "{sandbox_asp_secret}",
            "SB_PORTAL_RATE_PER_S": "{portal_rate_per_s:g}",
            "SB_PORTAL_BURST": "{portal_burst:g}",
        }
    ),
    ready_url=_READY,
    health_ports="worker_health_port",
    slots="workers",
)
PROGRAMS = (SANDBOX, API, DISPATCHER, SCHEDULER, AGGREGATOR, WORKER)
"""In the order in which they start."""


def slots(program: Program, settings: StackSettings, python: str) -> list[Slot]:
    """Every process of one program. Its instance id is stable, so a restarted member finds its partitions again."""
    return [_slot(program, settings, python, number) for number in range(program.count(settings))]


def environment(program: Program, settings: StackSettings, number: int) -> dict[str, str]:
    """The environment of one slot, filled in."""
    values = _values(program, settings, number)
    return {name: value.format_map(values) for name, value in program.environment.items()}


def inherited_by(slot: Slot, variables: Mapping[str, str]) -> dict[str, str]:
    """The part of the stack's variables that this process reads."""
    match slot.inherits:
        case "nothing":
            return {}
        case "sandbox":
            return {name: value for name, value in variables.items() if name.startswith(_OF_SANDBOX)}
        case "service":
            return {name: value for name, value in variables.items() if not name.startswith(_OF_SANDBOX)}


def instance_id(program: Program, number: int) -> str:
    """`worker-0`; a program with one fixed slot is called as its role."""
    return f"{program.role}-{number}" if program.slots else program.role


def _slot(program: Program, settings: StackSettings, python: str, number: int) -> Slot:
    return Slot(
        name=instance_id(program, number),
        command=(python, "-m", *program.module),
        environment=environment(program, settings, number),
        ready_url=program.ready_url.format_map(_values(program, settings, number)),
        stop_signal=program.stop_signal,
        stop_timeout_s=program.stop_timeout_s,
        inherits="sandbox" if program.role == "sandbox" else "service",
    )


def _values(program: Program, settings: StackSettings, number: int) -> dict[str, object]:
    names = [name for name in dir(type(settings)) if isinstance(getattr(type(settings), name), property)]
    derived = {name: getattr(settings, name) for name in names if not name.startswith(("model_", "_"))}
    port = int(getattr(settings, program.health_ports)) + number if program.health_ports else ""
    return {**settings.model_dump(), **derived, "instance": instance_id(program, number), "health_port": port}
