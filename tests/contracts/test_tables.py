"""Topics, collections and codes: what the tables promise to those who read them."""

import pytest
from sync_contracts import topics
from sync_contracts.buckets import N_SHARDS, shard_of
from sync_contracts.catalogue import MODULES, PRESETS, Module, modules_of
from sync_contracts.collections import BUCKET_PAGES, COLLECTIONS, PAGE_VIEW
from sync_contracts.outcomes import (
    COUNTED_RETRIES,
    FINAL_AS_THEMSELVES,
    HUMAN_GATED,
    NOT_READY,
    SUCCESSES,
    UNCOUNTED_RETRIES,
    WITH_DATA,
    Code,
)
from sync_contracts.reasons import REASONS, reason_of
from sync_contracts.topics import COMMANDS, EVENTS, MAX_BATCH_BYTES, TOPICS, Topic, expected_settings


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_names_its_key_its_producers_and_its_consumers(topic: Topic) -> None:
    assert topic.producers
    assert topic.consumers
    assert topic.key
    assert topic.name.startswith("gst.sync.")
    assert topic.name.endswith(".v1")
    assert 0 < topic.max_record_bytes < MAX_BATCH_BYTES
    assert topic.retention_ms >= 3_600_000


def test_topics_and_groups_have_names_of_their_own() -> None:
    groups = [topics.WORKER_GROUP, topics.SESSION_GROUP, topics.AGGREGATOR_GROUP, topics.DISPATCHER_GROUP]
    names = [topic.name for topic in TOPICS] + groups
    assert len(set(names)) == len(names)


def test_there_is_a_partition_for_every_shard() -> None:
    assert EVENTS.partitions == N_SHARDS
    assert {shard_of(f"t_{n}") for n in range(2_000)} == set(range(N_SHARDS))
    assert COMMANDS.partitions == 48


def test_settings_of_a_topic_keep_what_is_acknowledged() -> None:
    three = expected_settings(COMMANDS, 3)
    assert three["min.insync.replicas"] == "2"
    assert three["unclean.leader.election.enable"] == "false"
    assert three["message.timestamp.type"] == "LogAppendTime"
    assert expected_settings(COMMANDS, 1)["min.insync.replicas"] == "1"


def test_collections_name_their_writers_and_their_indexes_are_distinct() -> None:
    assert len({collection.name for collection in COLLECTIONS}) == len(COLLECTIONS)
    for collection in COLLECTIONS:
        assert collection.writers
        assert len({index.name for index in collection.indexes}) == len(collection.indexes)


def test_the_view_of_the_pages_is_an_index() -> None:
    assert tuple(field for field, _ in BUCKET_PAGES.indexes[0].keys) == PAGE_VIEW


def test_every_code_has_one_class() -> None:
    verdicts = set(Code) - SUCCESSES - UNCOUNTED_RETRIES - COUNTED_RETRIES
    assert not SUCCESSES & (UNCOUNTED_RETRIES | COUNTED_RETRIES)
    assert not UNCOUNTED_RETRIES & COUNTED_RETRIES
    assert verdicts >= HUMAN_GATED | NOT_READY
    assert FINAL_AS_THEMSELVES <= COUNTED_RETRIES


@pytest.mark.parametrize("code", Code)
def test_every_code_but_data_has_a_reason_with_a_text_and_a_next_step(code: Code) -> None:
    reason = reason_of(code)
    assert (reason is None) == (code in WITH_DATA)
    if reason is not None:
        assert reason.title
        assert reason.text.endswith(".")
        assert reason.action
        assert reason.states


def test_a_unit_that_used_up_its_tries_says_so_unless_its_reason_says_more() -> None:
    for code in UNCOUNTED_RETRIES | COUNTED_RETRIES:
        reason = reason_of(code, failed_by_limits=True)
        assert reason is not None
        assert (reason.reason == "retries_exhausted") == (code not in FINAL_AS_THEMSELVES)
        assert "failed" in reason.states
    assert reason_of(None) is None


def test_reasons_are_keyed_by_their_own_names() -> None:
    assert all(name == reason.reason for name, reason in REASONS.items())


@pytest.mark.parametrize("reason", ["no_access", "login_guard", "credential_invalid"])
def test_a_portal_user_that_is_missing_or_wrong_is_the_firms_to_mend(reason: str) -> None:
    assert (REASONS[reason].owner, REASONS[reason].action) == ("firm", "fix_credential")


def test_f06_the_six_presets_carry_exactly_these_names() -> None:
    assert {preset.preset: preset.name for preset in PRESETS.values()} == {
        "notice_return_register": "Notice + Return Register",
        "only_2b": "Only 2B",
        "gstr3b_ledgers": "3B + ledgers",
        "r1_r1a": "R1 + R1A",
        "ims_2a": "IMS + 2A",
        "all": "ALL",
    }


def test_f06_a1_all_is_the_union_of_the_other_five_presets() -> None:
    others = tuple(name for name in PRESETS if name != "all")
    assert modules_of(others, ()) == modules_of(("all",), ()) == modules_of(("all", *others), ("ims",))


def test_f06_a5_modules_go_out_in_the_order_in_which_they_save_calls() -> None:
    by_order = sorted(MODULES.values(), key=lambda info: info.order)
    order = "return_register gstr2b ims gstr1 gstr1a gstr3b ledgers gstr2a notices"
    assert " ".join(info.module.value for info in by_order) == order
    assert sum(info.least_calls for info in MODULES.values()) == 19


def test_presets_are_made_of_known_modules_in_the_order_of_the_catalogue() -> None:
    assert all(set(preset.modules) <= set(MODULES) for preset in PRESETS.values())
    first = (Module.NOTICES, Module.RETURN_REGISTER, Module.GSTR2B)
    assert modules_of(("only_2b", "notice_return_register"), ("notices",)) == first
    assert modules_of(("all",), ()) == tuple(MODULES) == tuple(Module)
    assert modules_of((), ("gstr2b",)) == (Module.GSTR2B,)
    with pytest.raises(KeyError, match="gstr99"):
        modules_of((), ("gstr99",))
    with pytest.raises(KeyError, match="none"):
        modules_of(("none",), ())
