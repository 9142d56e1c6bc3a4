"""Settings of the service, from the environment (prefix `SB_`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator
from sync_runtime.settings import RuntimeSettings, SettingsRefused

from bucket_api.http.rates import Policy

DEV_ISSUER: Final = "https://issuer.sync-bucket.invalid/development"
PRODUCTION_RATES: Final[Mapping[Policy, int]] = {"default": 600, "heavy": 20, "otp": 60}
DEVELOPMENT_RATES: Final[Mapping[Policy, int]] = {"default": 6_000, "heavy": 600, "otp": 6_000}


class Settings(RuntimeSettings):
    """The HTTP process; the dispatcher uses the common part only."""

    environment: Literal["development", "production"] = "development"
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=18080, ge=1, le=65535)

    issuer: str = DEV_ISSUER
    audience: str = "sync-bucket"
    jwks_url: str | None = None
    """Address of the issuer's key set; wins over the file."""
    jwks_file: Path | None = None
    """Key set of the issuer. In development beside the key-encryption keys."""
    dev_issuer_key_file: Path | None = None
    """Private key of the development issuer, made at the first start. Refused in production."""

    rate_default_per_min: int | None = Field(default=None, ge=1)
    """Requests a minute that a tenant may make to this process: 600 in production, 6,000 in development."""
    rate_heavy_per_min: int | None = Field(default=None, ge=1)
    """The same for imports: 20 in production, 600 in development."""
    rate_otp_per_min: int | None = Field(default=None, ge=1)
    """The same for asking for OTPs and entering them: 60 in production, 6,000 in development."""

    @model_validator(mode="after")
    def _no_demo_keys_in_production(self) -> Self:
        if self.environment != "production":
            return self
        if self.dev_issuer_key_file is not None or self.issuer == DEV_ISSUER:
            raise SettingsRefused(
                "the development issuer is refused in production: set SB_ISSUER, unset SB_DEV_ISSUER_KEY_FILE"
            )
        if self.jwks_url is None and self.jwks_file is None:
            raise SettingsRefused("production needs the key set of the issuer: set SB_JWKS_URL or SB_JWKS_FILE")
        if self.jwks_url is not None and not self.jwks_url.startswith("https://"):
            raise SettingsRefused("SB_JWKS_URL must be an https address")
        return self

    @property
    def in_development(self) -> bool:
        """Whether the development issuer may sign."""
        return self.environment == "development"

    @property
    def per_minute(self) -> dict[Policy, int]:
        """Requests a minute of one tenant, by policy."""
        usual = DEVELOPMENT_RATES if self.in_development else PRODUCTION_RATES
        return {
            "default": self.rate_default_per_min or usual["default"],
            "heavy": self.rate_heavy_per_min or usual["heavy"],
            "otp": self.rate_otp_per_min or usual["otp"],
        }

    @property
    def dev_key_path(self) -> Path:
        """Where the development issuer keeps its key."""
        return self.dev_issuer_key_file or self.kek_file.parent / "dev_issuer.pem"

    @property
    def jwks_path(self) -> Path:
        """Where the key set lies when it is a file."""
        return self.jwks_file or self.kek_file.parent / "jwks.json"
