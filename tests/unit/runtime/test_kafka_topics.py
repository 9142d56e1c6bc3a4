from dataclasses import replace

import pytest
from sync_contracts.topics import EVENTS, expected_settings
from sync_runtime.kafka_topics import TopicState, broker_drift, topic_drift

AS_AGREED = TopicState(partitions=EVENTS.partitions, replication=1, settings=expected_settings(EVENTS, 1))


def test_a_topic_as_agreed_has_no_drift() -> None:
    assert topic_drift("t", EVENTS, 1, AS_AGREED) == []


def test_more_partitions_and_unrelated_settings_are_welcome() -> None:
    wider = replace(AS_AGREED, partitions=64, settings={**AS_AGREED.settings, "segment.ms": "1"})

    assert topic_drift("t", EVENTS, 1, wider) == []


@pytest.mark.parametrize("key", sorted(expected_settings(EVENTS, 1)))
@pytest.mark.parametrize("value", ["other", None])
def test_each_setting_that_differs_is_named_with_both_values(key: str, value: str | None) -> None:
    settings = {k: v for k, v in AS_AGREED.settings.items() if k != key} | ({key: value} if value else {})

    (cause,) = topic_drift("t", EVENTS, 1, replace(AS_AGREED, settings=settings))

    assert f"{key}={value}" in cause
    assert expected_settings(EVENTS, 1)[key] in cause


def test_fewer_partitions_replicas_and_a_missing_topic_are_named() -> None:
    assert "31 partitions, needs at least 32" in topic_drift("t", EVENTS, 1, replace(AS_AGREED, partitions=31))[0]
    causes = topic_drift("t", EVENTS, 3, AS_AGREED)
    assert any("1 replicas, needs 3" in cause for cause in causes)
    assert any("min.insync.replicas=1, needs 2" in cause for cause in causes)
    assert "provision" in topic_drift("t", EVENTS, 1, None)[0]


@pytest.mark.parametrize(
    ("settings", "cure"),
    [
        ({"auto.create.topics.enable": "true", "offsets.retention.minutes": "20160"}, "auto.create.topics.enable"),
        ({"auto.create.topics.enable": "false", "offsets.retention.minutes": "10080"}, "offsets.retention.minutes"),
    ],
)
def test_unsafe_broker_settings_are_named(settings: dict[str, str], cure: str) -> None:
    (cause,) = broker_drift(settings)

    assert cure in cause
