"""Settings of the sandbox, prefix SB_SANDBOX_."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from portal_sandbox.assumptions import Value


def refused_variables(refusal: ValidationError) -> str:
    """One line that names each refused variable and why, never the value."""
    errors = refusal.errors(include_input=False, include_url=False)
    return "; ".join(f"SB_SANDBOX_{str(error['loc'][0]).upper()}: {error['msg']}" for error in errors)


class Settings(BaseSettings):
    """Where the sandbox listens, its seed, its profile of assumed limits and its made-up GSP accounts."""

    model_config = SettingsConfigDict(env_prefix="SB_SANDBOX_", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 18090
    control_host: str = "127.0.0.1"
    control_port: Annotated[int, Field(ge=0, le=65535)] = 18091
    seed: int = 1
    profile: Literal["demo", "assumed", "instant"] = "demo"
    start_at: AwareDatetime | None = None
    assumptions: dict[str, Value] = Field(default_factory=dict)
    gsp_accounts: dict[str, str] = Field(default={"sandbox-gsp": "sandbox-gsp-secret"})
    asp_accounts: dict[str, str] = Field(default={"sandbox-asp": "sandbox-asp-secret"})
    state_file: Path | None = None
    """Where accounts, OTPs, sessions and the key pair are kept over a restart; None: they are lost with the process."""
    script: Path | None = None
    """A scenario script that is played at the start."""
    log_level: Literal["debug", "info", "warning", "error"] = "warning"

    @field_validator("control_host")
    @classmethod
    def _only_loopback(cls, host: str) -> str:
        if host != "localhost" and not ip_address(host).is_loopback:
            raise ValueError("the control port has no authentication and listens on loopback only")
        return host
