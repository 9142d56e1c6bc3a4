"""Settings of the local stack: where its state lies, on which ports its parts listen, how many of each run."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from local_stack.ports import free_run
from local_stack.tools import checkout

MOST_MEMBERS = 3
MOST_SLOTS = 10
"""Health ports of one role are ten consecutive ones, so a role has at most ten slots."""

Port = Annotated[int, Field(ge=1, le=65_535)]
FirstPort = Annotated[int, Field(ge=1, le=65_536 - MOST_SLOTS)]


def _count(name: str, default: int) -> int:
    """A number of slots, from NAME or SB_NAME."""
    count: int = Field(default, ge=1, le=MOST_SLOTS, validation_alias=AliasChoices(name, f"SB_{name}"))
    return count


def refused_variables(refusal: ValidationError) -> str:
    """One line that names each refused variable and its bound, never the value."""
    faults = [(str(error["loc"][0]), error["msg"]) for error in refusal.errors(include_input=False, include_url=False)]
    return "; ".join(f"{name if name.isupper() else f'SB_{name.upper()}'}: {text}" for name, text in faults)


class StackSettings(BaseSettings):
    """One stack. Read from the environment (prefix `SB_`); WORKERS, AGGREGATORS and DISPATCHERS need no prefix."""

    model_config = SettingsConfigDict(env_prefix="SB_", env_ignore_empty=True, frozen=True, populate_by_name=True)

    state_dir: Path = Field(default_factory=lambda: checkout() / ".local")
    """Data, logs, keys and run files; a second stack has its own."""
    host: str = "127.0.0.1"

    kafka_port: Port = 19092
    kafka_controller_port: Port = 19093
    mongo_port: Port = 27117
    """Of the first member of the replica set; the n-th listens on this port + n."""
    mongo_members: int = Field(default=1, ge=1, le=MOST_MEMBERS)
    """1 as everywhere on one machine; 3 to show what a fail-over does."""
    mongo_database: str = "syncbucket"
    mongo_cache_gb: float = 1.0
    api_port: Port = 18080
    sandbox_port: Port = 18090
    sandbox_control_port: Port = 18091
    dispatcher_health_port: FirstPort = 18100
    """First of ten; slot n listens on this port + n. So do the next two."""
    aggregator_health_port: FirstPort = 18110
    worker_health_port: FirstPort = 18120
    scheduler_health_port: Port = 18130

    sandbox_account: str = "sandbox-gsp"
    """Our access at the simulated GSP: made up, known to the sandbox from the start."""
    sandbox_secret: str = "sandbox-gsp-secret"  # noqa: S105 - of the sandbox, where nothing is secret
    sandbox_asp_account: str = "sandbox-asp"
    """The same for its public part (return register)."""
    sandbox_asp_secret: str = "sandbox-asp-secret"  # noqa: S105 - as above
    portal_rate_per_s: float = 180
    """Calls a second that the workers allow themselves together; the sandbox's demo profile refuses above 200."""
    portal_burst: float = 100

    kafka_proxy: Port | None = None
    """Where the services find Kafka when something stands between them (tests); so do the next two."""
    mongo_proxy: Port | None = None
    sandbox_proxy: Port | None = None

    dispatchers: int = _count("DISPATCHERS", 1)
    aggregators: int = _count("AGGREGATORS", 1)
    workers: int = _count("WORKERS", 2)

    ready_deadline_s: float = 120

    @field_validator("state_dir")
    @classmethod
    def _absolute(cls, state_dir: Path) -> Path:
        """Servers run in other directories than the one in which a relative path was meant."""
        return state_dir.expanduser().resolve()

    @classmethod
    def on_free_ports(
        cls, state_dir: Path, *, workers: int = 2, aggregators: int = 1, dispatchers: int = 1, mongo_members: int = 1
    ) -> Self:
        """A second whole stack beside the first: its own state and ports that are free now."""
        last = 5 + MOST_MEMBERS
        first = free_run(last + 3 * MOST_SLOTS + 1)
        kafka, controller, api, sandbox, control, mongo, *_ = range(first, first + last)
        return cls(
            state_dir=state_dir,
            kafka_port=kafka,
            kafka_controller_port=controller,
            mongo_port=mongo,
            mongo_members=mongo_members,
            mongo_cache_gb=0.5,
            api_port=api,
            sandbox_port=sandbox,
            sandbox_control_port=control,
            dispatcher_health_port=first + last,
            aggregator_health_port=first + last + MOST_SLOTS,
            worker_health_port=first + last + 2 * MOST_SLOTS,
            scheduler_health_port=first + last + 3 * MOST_SLOTS,
            workers=workers,
            aggregators=aggregators,
            dispatchers=dispatchers,
        )

    @property
    def kafka_bootstrap(self) -> str:
        return f"{self.host}:{self.kafka_proxy or self.kafka_port}"

    @property
    def mongo_ports(self) -> range:
        """Of every member of the replica set."""
        return range(self.mongo_port, self.mongo_port + self.mongo_members)

    @property
    def mongo_url(self) -> str:
        """Finds the primary; behind a proxy it is the only member, whatever address it tells of itself."""
        if self.mongo_proxy:
            return f"mongodb://{self.host}:{self.mongo_proxy}/?directConnection=true"
        members = ",".join(f"{self.host}:{port}" for port in self.mongo_ports)
        return f"mongodb://{members}/?replicaSet=rs0"

    @property
    def api_url(self) -> str:
        return f"http://{self.host}:{self.api_port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://{self.host}:{self.sandbox_proxy or self.sandbox_port}"

    @property
    def sandbox_control_url(self) -> str:
        return f"http://{self.host}:{self.sandbox_control_port}"

    @property
    def keys_dir(self) -> Path:
        return self.state_dir / "keys"

    @property
    def logs_dir(self) -> Path:
        return self.state_dir / "logs"

    @property
    def data_dir(self) -> Path:
        return self.state_dir / "data"

    @property
    def run_dir(self) -> Path:
        return self.state_dir / "run"
