from pathlib import Path

import pytest
from sync_runtime.settings import RuntimeSettings, SettingsRefused


def test_environment_variables_carry_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SB_INSTANCE_ID", "worker-0")
    monkeypatch.setenv("SB_HEALTH_PORT", "18120")
    monkeypatch.setenv("SB_KEK_FILE", "/run/keys/kek")

    settings = RuntimeSettings.from_environment()

    assert (settings.instance_id, settings.required_health_port()) == ("worker-0", 18120)
    assert settings.kek_file == Path("/run/keys/kek")


def test_missing_instance_id_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SB_INSTANCE_ID", raising=False)

    with pytest.raises(SettingsRefused, match="SB_INSTANCE_ID"):
        RuntimeSettings.from_environment()


@pytest.mark.parametrize(
    ("name", "value"),
    [("instance_id", "two words"), ("trace_sample_ratio", "1.5"), ("health_port", "70000"), ("log_level", "LOUD")],
)
def test_unusable_values_are_refused_without_showing_them(name: str, value: str) -> None:
    with pytest.raises(SettingsRefused, match=f"SB_{name.upper()}") as refusal:
        RuntimeSettings.from_environment(**{"instance_id": "x", name: value})

    assert value not in str(refusal.value)


def test_drain_ends_before_the_group_gives_up_on_a_member() -> None:
    with pytest.raises(SettingsRefused, match="SB_DRAIN_DEADLINE_S"):
        RuntimeSettings.from_environment(instance_id="x", drain_deadline_s=60)


def test_a_background_process_needs_a_health_port() -> None:
    with pytest.raises(SettingsRefused, match="SB_HEALTH_PORT"):
        RuntimeSettings.from_environment(instance_id="x").required_health_port()


def test_topics_and_groups_get_the_prefix() -> None:
    settings = RuntimeSettings.from_environment(instance_id="x", topic_prefix="t7.")

    assert settings.prefixed("gst.sync.events.v1") == "t7.gst.sync.events.v1"
