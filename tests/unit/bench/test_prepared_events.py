"""The events that B3 writes: a whole bucket, each unit marked before it ends."""

from collections import Counter

from sync_contracts.events import Dispatched, facts
from sync_contracts.units import FactType, Unit, fold

from tests.bench.b3 import events_of
from tests.bench.buckets import Accepted

UNITS = 12_000
BUCKET = Accepted({"_id": "b_1", "n_units": UNITS})


def test_every_unit_is_marked_once_and_ends_once_after_it() -> None:
    seen: Counter[FactType] = Counter()
    units: dict[tuple[int, int, int], Unit] = {}
    for event in events_of(BUCKET):
        for ci, mi, fact in facts(event):
            address = (event.page, ci, mi)
            before = units.get(address, Unit())
            units[address] = fold(before, fact, 0)
            assert units[address] is not before
            seen[fact.type] += 1

    assert seen == {FactType.DISPATCHED: UNITS, FactType.SUCCEEDED: UNITS}
    assert len(units) == UNITS
    assert all(unit.s == "S" for unit in units.values())


def test_results_lie_behind_their_marks_as_far_as_a_full_window() -> None:
    events = list(events_of(BUCKET))
    first_result = next(place for place, event in enumerate(events) if not isinstance(event, Dispatched))
    marked = sum(len(event.units) for event in events[:first_result] if isinstance(event, Dispatched))
    assert marked >= 10_000
