"""Settings of one process, read from the environment (prefix `SB_`); every service extends `RuntimeSettings`."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sync_contracts.catalogue import cooldowns
from sync_contracts.credentials import LOGINS_PER_DAY

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class SettingsRefused(Exception):
    """A setting is missing or unusable; the text names the variable and the reason, never the value."""

    log_safe = True


class RuntimeSettings(BaseSettings):
    """What every process needs. Names of topics and groups are contract names; `prefixed` adds the prefix."""

    model_config = SettingsConfigDict(env_prefix="SB_", frozen=True, extra="ignore", hide_input_in_errors=True)

    instance_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """Stable name of this process (a slot number kept over restarts), unique among running processes."""

    kafka_bootstrap: str = "127.0.0.1:19092"
    kafka_replication: int = Field(default=1, ge=1, le=9)
    """Copies of each partition: 1 with a single broker (development, CI), 3 in production."""

    topic_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,64}$")

    mongo_url: str = "mongodb://127.0.0.1:27117/?replicaSet=rs0"
    mongo_database: str = "syncbucket"

    health_host: str = "127.0.0.1"
    health_port: int | None = Field(default=None, ge=1, le=65535)
    start_deadline_s: float = Field(default=120.0, gt=0)
    """Longest start: the first assignment of a consumer waits for a rebalance of at most 60 s."""
    drain_deadline_s: float = Field(default=45.0, gt=0, lt=60)
    """Longest drain after SIGTERM; below the consumers' rebalance time-out of 60 s."""

    log_level: LogLevel = "INFO"
    otlp_endpoint: str | None = None
    trace_sample_ratio: float = Field(default=0.05, ge=0, le=1)
    kek_file: Path = Path(".local/kek.key")
    """Key-encryption keys (`vault.KeyEncryptionKeys`)."""
    logins_per_day: int = Field(default=LOGINS_PER_DAY, ge=1, le=10)
    """Refused log-ins of a client in a day until its guard stops further ones. The same for every process."""

    cooldowns_s: dict[str, int] = {}
    """Cool-downs by module (0 to 86,400 s), as JSON; the catalogue's for the others. The same for every process."""

    @field_validator("cooldowns_s")
    @classmethod
    def _usable(cls, given: dict[str, int]) -> dict[str, int]:
        cooldowns(given)
        return given

    @classmethod
    def from_environment(cls, **given: Any) -> Self:
        """Settings of this process; `given` wins over the environment.

        Raises `SettingsRefused` naming each variable that is missing or unusable.
        """
        try:
            return cls(**given)
        except ValidationError as refusal:
            problems = "; ".join(f"SB_{str(e['loc'][0]).upper()}: {e['msg']}" for e in refusal.errors() if e["loc"])
            raise SettingsRefused(f"set these environment variables: {problems or 'unknown'}") from None

    def prefixed(self, name: str) -> str:
        """The broker's name of a topic or consumer group of the contracts."""
        return f"{self.topic_prefix}{name}"

    def required_health_port(self) -> int:
        """Port of the health server; background roles cannot run without one."""
        if self.health_port is None:
            raise SettingsRefused("SB_HEALTH_PORT: required for a background process")
        return self.health_port
