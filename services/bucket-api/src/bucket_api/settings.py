"""Settings of the service, from the environment (prefix `SB_`)."""

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator
from sync_runtime.settings import RuntimeSettings, SettingsRefused

DEV_ISSUER: Final = "https://issuer.sync-bucket.invalid/development"


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
    def dev_key_path(self) -> Path:
        """Where the development issuer keeps its key."""
        return self.dev_issuer_key_file or self.kek_file.parent / "dev_issuer.pem"

    @property
    def jwks_path(self) -> Path:
        """Where the key set lies when it is a file."""
        return self.jwks_file or self.kek_file.parent / "jwks.json"
