"""What the counts of a bucket say, and ids that repeat."""

import pytest
from sync_contracts.buckets import bucket_id, digest, is_open, shard_of, terminal_status, user_status, verdict
from sync_contracts.units import DISPLAY_STATES


def totals(**counts: int) -> dict[str, int]:
    return {**dict.fromkeys("pwdrsfc", 0), **counts}


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        (totals(s=5), "COMPLETED"),
        (totals(), "COMPLETED"),
        (totals(s=5, f=1), "PARTIAL"),
        (totals(f=1), "FAILED"),
        (totals(s=5, f=1, c=1), "CANCELLED"),
    ],
)
def test_the_verdict_is_a_function_of_the_counts(counts: dict[str, int], status: str) -> None:
    assert not is_open(counts)
    assert terminal_status(counts) == status


@pytest.mark.parametrize("letter", "pwdr")
def test_one_open_unit_keeps_a_bucket_open(letter: str) -> None:
    assert is_open(totals(s=9, **{letter: 1}))


def test_what_a_user_sees_while_it_runs() -> None:
    assert user_status("RUNNING", "RUN", totals(p=5)) == "queued"
    assert user_status("RUNNING", "RUN", totals(p=5, d=1)) == "running"
    assert user_status("RUNNING", "RUN", totals(p=5, s=1)) == "running"
    assert user_status("RUNNING", "RUN", totals(w=5, s=1)) == "waiting"
    assert user_status("RUNNING", "PAUSE", totals(d=5)) == "paused"
    assert user_status("RUNNING", "CANCEL", totals(d=5)) == "cancelling"
    assert user_status("PARTIAL", "CANCEL", totals(s=1, f=1)) == "complete_with_gaps"


def test_a_bucket_that_obtained_no_answer_has_failed_whatever_was_skipped() -> None:
    nothing = dict.fromkeys(DISPLAY_STATES, 0) | {"skipped": 3, "failed": 2}
    assert verdict("PARTIAL", nothing) == "failed"
    assert verdict("PARTIAL", nothing | {"not_available": 1}) == "complete_with_gaps"
    assert verdict("COMPLETED", nothing) == "complete"


def test_ids_repeat_for_the_same_request_and_differ_in_every_part() -> None:
    parts = ["t_1", "key", digest({"a": 1, "b": 2}), digest([1])]
    first = bucket_id(parts[0], parts[1], parts[2], parts[3])
    assert first == bucket_id("t_1", "key", digest({"b": 2, "a": 1}), digest([1]))
    for n in range(4):
        other = [*parts]
        other[n] += "x"
        assert bucket_id(other[0], other[1], other[2], other[3]) != first
    assert bucket_id("t_1k", "ey", parts[2], parts[3]) != bucket_id("t_1", "key", parts[2], parts[3])


def test_the_shard_of_a_tenant_never_changes() -> None:
    assert (shard_of("t_1"), shard_of("t_2")) == (31, 5)
