"""Commands and the DISPATCHED event of a page batch."""

from bucket_api.dispatch.backlog import ActiveBucket, Column
from bucket_api.dispatch.messages import PageBatch, command_records, dispatched_record, sampled
from bucket_api.dispatch.takes import WaitingUnit
from msgspec.structs import replace
from sync_contracts import commands, events
from sync_contracts.commands import MAX_BYTES
from sync_contracts.events import MAX_DISPATCHED_BYTES

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
BUCKET = ActiveBucket("b_1", "t_1", 7, "RUN", (Column("gstr2b", "2026-10"), Column("notices")), 1)


def batch(*units: WaitingUnit, traceparent: str | None = TRACE) -> PageBatch:
    return PageBatch(BUCKET, 3, ["c_0", "c_1"], units, traceparent)


def test_a_command_says_everything_about_its_unit() -> None:
    (record,) = command_records(batch(WaitingUnit((1, 0), 1_004, 0, "token")), 55, 0.0)
    assert record.key == b"t_1:c_1"
    assert record.partition is None
    assert commands.decode(record.value) == commands.Command(
        tenant="t_1",
        bucket="b_1",
        client="c_1",
        page=3,
        ci=1,
        mi=0,
        attempt=1_004,
        module="gstr2b",
        params=commands.Params("2026-10"),
        shard=7,
        cont="token",
        issued_at=55,
    )


def test_a_command_carries_the_weight_of_the_plan_where_it_is_not_the_usual_one() -> None:
    bucket = replace(BUCKET, weight=2.5)
    (record,) = command_records(PageBatch(bucket, 3, ["c_0"], [WaitingUnit((0, 0), 1, 0)], TRACE), 0, 0.0)
    assert commands.decode(record.value).weight == 2.5
    (usual,) = command_records(batch(WaitingUnit((1, 0), 1, 0)), 0, 0.0)
    assert commands.decode(usual.value).weight is None


def test_a_live_module_has_no_period() -> None:
    (record,) = command_records(batch(WaitingUnit((0, 1), 1, 0)), 0, 0.0)
    assert commands.decode(record.value).params.period is None


def test_the_largest_command_keeps_its_bound() -> None:
    bucket = ActiveBucket("b" * 64, "t" * 64, 4_095, "RUN", (Column("m" * 32, "p" * 32),), 5_000)
    units = [WaitingUnit((99, 0), 499_900, 0, "é" * 512)]
    (record,) = command_records(PageBatch(bucket, 4_999, ["c" * 64] * 100, units, TRACE), 2**53, 1.0)
    assert len(record.value) <= MAX_BYTES


def test_the_mark_goes_to_the_partition_of_the_shard_and_keeps_its_bound() -> None:
    units = [WaitingUnit((ci, 499), 499_900, 0) for ci in range(100) for _ in range(5)]
    record = dispatched_record(batch(*units), units, "dispatcher-0")
    assert (record.key, record.partition) == (b"b_1", 7)
    assert len(record.value) <= MAX_DISPATCHED_BYTES
    event = events.decode(record.value)
    assert isinstance(event, events.Dispatched)
    assert event.units[0] == (0, 499, 499_900)
    assert (event.by, event.page) == ("dispatcher-0", 3)


def test_headers_carry_schema_and_trace_and_flag_the_sample() -> None:
    unit = WaitingUnit((0, 0), 1, 0)
    (kept,) = command_records(batch(unit), 0, 1.0)
    (passed,) = command_records(batch(unit), 0, 0.0)
    assert dict(kept.headers) == {
        "content-type": b"application/json",
        "schema": b"sync.command.v1",
        "traceparent": TRACE[:-2].encode() + b"01",
    }
    assert dict(passed.headers)["traceparent"] == TRACE.encode()
    assert dict(dispatched_record(batch(unit), [unit], "d").headers)["traceparent"] == TRACE.encode()


def test_without_a_trace_there_is_no_header_for_it() -> None:
    (record,) = command_records(batch(WaitingUnit((0, 0), 1, 0), traceparent=None), 0, 1.0)
    assert "traceparent" not in dict(record.headers)


def test_the_sample_is_the_same_for_every_attempt_and_near_its_ratio() -> None:
    chosen = [
        sampled("b_1", page, WaitingUnit((ci, mi), 1, 0), 0.05)
        for page in range(20)
        for ci in range(100)
        for mi in range(5)
    ]
    assert 0.03 < sum(chosen) / len(chosen) < 0.07
    assert all(
        sampled("b_1", 1, WaitingUnit((ci, 0), 1, 0), 0.05) == sampled("b_1", 1, WaitingUnit((ci, 0), 9, 0), 0.05)
        for ci in range(100)
    )
    assert not sampled("b_1", 0, WaitingUnit((0, 0), 1, 0), 0.0)
    assert sampled("b_1", 0, WaitingUnit((0, 0), 1, 0), 1.0)
