"""Settings that would be unsafe are refused at the start."""

from pathlib import Path

import pytest
from bucket_api.settings import DEV_ISSUER, Settings
from sync_runtime.settings import SettingsRefused

SAFE = {
    "instance_id": "api",
    "environment": "production",
    "issuer": "https://id.example",
    "jwks_url": "https://id.example/k",
}


def test_a_safe_production_starts() -> None:
    settings = Settings.from_environment(**SAFE)
    assert not settings.in_development


@pytest.mark.parametrize(
    "unsafe",
    [
        {"dev_issuer_key_file": Path("key.pem")},
        {"issuer": DEV_ISSUER},
        {"jwks_url": None},
        {"jwks_url": "http://id.example/k"},
        {"instance_id": ""},
        {"environment": "staging"},
    ],
)
def test_unsafe_settings_of_production_are_refused(unsafe: dict[str, object]) -> None:
    with pytest.raises(SettingsRefused):
        Settings.from_environment(**{**SAFE, **unsafe})


def test_development_keeps_its_keys_beside_the_key_encryption_keys() -> None:
    settings = Settings.from_environment(instance_id="api", kek_file=Path("state/keys/kek"))
    assert (settings.dev_key_path, settings.jwks_path) == (
        Path("state/keys/dev_issuer.pem"),
        Path("state/keys/jwks.json"),
    )


def test_rates_are_strict_in_production_and_wide_in_development() -> None:
    assert Settings.from_environment(**SAFE).per_minute == {"default": 600, "heavy": 20, "otp": 60}
    assert Settings.from_environment(instance_id="api").per_minute["default"] == 6_000
    assert Settings.from_environment(**SAFE, rate_otp_per_min=7).per_minute["otp"] == 7
