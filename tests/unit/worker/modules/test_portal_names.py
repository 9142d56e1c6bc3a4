"""Names taken from portal data: whatever the portal says, they are short, plain and few."""

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sync_worker.modules.portal_names import MAX_MARKER_CHARS, MAX_SECTIONS, OTHER, marker_of, section_counts


def test_plain_names_stay_and_their_records_add_up() -> None:
    assert section_counts([("b2b", 2), ("GSTR3B", 1), ("b2b", 3)]) == {"b2b": 5, "GSTR3B": 1}


@pytest.mark.parametrize(
    "name", ["a\x00b", "", "$set", "a.b", "b2b\n", "x" * 17, "ü", "27AAPFU0939F1ZV-x", None, 7, ["b2b"], {}]
)
def test_a_name_that_is_not_plain_counts_as_other(name: object) -> None:
    assert section_counts([(name, 2), ("b2b", 1)]) == {OTHER: 2, "b2b": 1}


def test_there_are_never_more_than_64_names() -> None:
    counts = section_counts([(f"s{number}", 1) for number in range(5_000)] + [(OTHER, 1)])
    assert len(counts) == MAX_SECTIONS
    assert sum(counts.values()) == 5_001


@given(st.lists(st.tuples(st.none() | st.integers() | st.text(max_size=20), st.integers(0, 9)), max_size=80))
def test_whatever_the_names_are_the_counts_can_be_stored(counted: list[tuple[object, int]]) -> None:
    counts = section_counts(counted)
    assert bson.decode(bson.encode(counts)) == counts
    assert sum(counts.values()) == sum(records for _, records in counted)


@pytest.mark.parametrize("stamp", ["x" * 3_000_000, "a\x00b", "ü", "a\nb", "\ud800"])
def test_a_stamp_that_is_long_or_not_plain_becomes_a_digest_that_still_tells_a_change(stamp: str) -> None:
    marker = marker_of(stamp, "14-11-2026")
    assert len(marker) <= MAX_MARKER_CHARS
    assert marker.isalnum()
    assert marker == marker_of(stamp, "14-11-2026")
    assert marker != marker_of(stamp + "1", "14-11-2026")


def test_a_plain_stamp_stays_readable() -> None:
    assert marker_of("c1", "14-11-2026") == "c1|14-11-2026"
