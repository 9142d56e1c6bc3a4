"""Decoding and grouping: what can be used is ordered by page, what cannot gets a reason."""

import msgspec
import pytest
from status_aggregator.intake import TRACEPARENT_BYTES, read, sampled_parent, sort
from sync_contracts import events
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.events import Dispatched

from tests.support.planted import Plan
from tests.support.records import Events, FakeRecord, record

PAGE = Plan().pages()[0]
OF_PAGE = Events(PAGE)
VALID = events.encode(OF_PAGE.succeeded(0, 0, 1))


def changed(**fields: object) -> bytes:
    """A valid success with some fields replaced."""
    return msgspec.json.encode(msgspec.json.decode(VALID) | fields)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, DeadLetterReason.UNDECODABLE),
        (b"", DeadLetterReason.UNDECODABLE),
        (b"\xff\xfe", DeadLetterReason.UNDECODABLE),
        (VALID[:-5], DeadLetterReason.UNDECODABLE),
        (b'{"deep":' + b"[" * 16_000, DeadLetterReason.UNDECODABLE),
        (b"[]", DeadLetterReason.SCHEMA),
        (changed(v=99), DeadLetterReason.SCHEMA),
        (changed(type="EXPLODED"), DeadLetterReason.SCHEMA),
        (changed(attempt=0), DeadLetterReason.SCHEMA),
        (changed(attempt="1"), DeadLetterReason.SCHEMA),
        (changed(tenant="a b"), DeadLetterReason.SCHEMA),
        (changed(code="NO_SUCH_CODE"), DeadLetterReason.SCHEMA),
        (changed(more="x" * 3_000), DeadLetterReason.TOO_LARGE),
        (b"x" * 1_048_576, DeadLetterReason.TOO_LARGE),
    ],
)
def test_what_nobody_can_act_on_is_refused_with_its_reason(value: bytes | None, reason: DeadLetterReason) -> None:
    assert read(value) is reason


def test_fields_that_are_not_known_yet_are_ignored() -> None:
    assert read(changed(later="field")) == OF_PAGE.succeeded(0, 0, 1)


def test_a_page_batch_may_be_larger_than_a_unit_event() -> None:
    batch = OF_PAGE.dispatched(*((ci, mi, 1) for ci in range(100) for mi in range(5)))

    assert len(events.encode(batch)) > events.MAX_UNIT_EVENT_BYTES
    assert isinstance(read(events.encode(batch)), Dispatched)


def test_events_of_a_page_stay_in_log_order_and_pages_apart() -> None:
    one, two = Plan(clients=4, page_size=2).pages()
    first, other, second = Events(one).started(0, 0, 1), Events(two).started(0, 0, 1), Events(one).succeeded(0, 0, 1)

    intake = sort([record(first, 0), record(other, 1), record(second, 2)])

    assert [event for event, _ in intake.pages[one.id]] == [first, second]
    assert [event for event, _ in intake.pages[two.id]] == [other]
    assert intake.refused == []


def test_a_refused_record_leaves_the_others_as_they_are() -> None:
    good = OF_PAGE.started(0, 0, 1)

    intake = sort([FakeRecord(b"{", 0), record(good, 1), FakeRecord(None, 2)])

    assert [refusal.record.offset for refusal in intake.refused] == [0, 2]
    assert [event for event, _ in intake.pages[PAGE.id]] == [good]


@pytest.mark.parametrize(("flags", "kept"), [(b"01", True), (b"03", True), (b"00", False)])
def test_only_sampled_parents_are_linked(flags: bytes, *, kept: bool) -> None:
    parent = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-" + flags

    found = sampled_parent(FakeRecord(VALID, headers=(("schema", b"x"), ("traceparent", parent))))

    assert len(parent) == TRACEPARENT_BYTES
    assert found == (parent.decode() if kept else None)


@pytest.mark.parametrize("value", [None, b"", b"01", b"\xff" * TRACEPARENT_BYTES])
def test_a_malformed_parent_is_no_parent(value: bytes | None) -> None:
    assert sampled_parent(FakeRecord(VALID, headers=(("traceparent", value),))) is None


def test_no_header_at_all_is_fine() -> None:
    assert sampled_parent(FakeRecord(VALID)) is None
