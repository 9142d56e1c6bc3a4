"""Settings of the worker, read from the environment (prefix `SB_`)."""

from typing import Literal

from pydantic import Field, SecretStr, field_validator
from sync_runtime.settings import RuntimeSettings

from sync_worker.limits.upstreams import LineRate
from sync_worker.portal.gsp.line import Account


class Settings(RuntimeSettings):
    """What the worker needs beyond what every process needs. No credential has a default."""

    max_inflight: int = Field(default=256, ge=1, le=2_000)
    """Units that ask the portal at the same time in this process. How often it is asked is the line's rate;
    more units in flight share their reads and writes of the database better."""

    portal_url: str = "http://127.0.0.1:18090"
    portal_line: str = Field(default="up_gst_1", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Name of the line (`line_id` of clients) that this account serves."""
    portal_style: Literal["passthrough", "managed"] = "passthrough"
    """How the GSP wants to be spoken to; the name of a profile."""
    portal_client_id: str
    portal_client_secret: SecretStr
    portal_asp_username: str = ""
    portal_asp_password: SecretStr = SecretStr("")
    portal_email: str = ""
    portal_ip: str = "127.0.0.1"
    """Address that the GSP asks for in each call."""
    portal_rate_per_s: float | None = Field(default=None, gt=0, le=100_000)
    """Calls a second that the line tolerates, shared by all workers; empty: no limit is known, none is kept."""
    portal_burst: float = Field(default=10, ge=1, le=100_000)
    """Calls that the line tolerates at once after a pause."""

    worker_extra_modules: str = ""
    """For benchmarks and tests only: `package.module:factory`, a callable that returns further modules by name."""

    @field_validator("portal_rate_per_s", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    def account(self) -> Account:
        """Our own access at the GSP."""
        return Account(
            self.portal_client_id,
            self.portal_client_secret.get_secret_value(),
            ip=self.portal_ip,
            email=self.portal_email,
            asp_username=self.portal_asp_username,
            asp_password=self.portal_asp_password.get_secret_value(),
        )

    def rates(self) -> dict[str, LineRate]:
        """Limits by line; none for a line without one."""
        if self.portal_rate_per_s is None:
            return {}
        return {self.portal_line: LineRate(self.portal_rate_per_s, self.portal_burst)}
