"""Dead letters: as they came, with where and why, and never too large for their own topic."""

from status_aggregator.intake import Refused
from status_aggregator.publishing import Outgoing
from status_aggregator.refusing import dead_letter
from sync_contracts.dead_letters import MAX_VALUE_BYTES, DeadLetterReason
from sync_contracts.topics import DEAD_LETTERS

from tests.support.records import FakeRecord


def letter(record: FakeRecord) -> Outgoing:
    return dead_letter(Refused(record, DeadLetterReason.SCHEMA), 77)


def test_a_dead_letter_keeps_the_record_and_tells_where_it_came_from() -> None:
    kept = letter(FakeRecord(b"{}", 5, 3, key=b"k", headers=(("a", b"1"), ("b", None))))

    assert (kept.key, kept.value) == (b"k", b"{}")
    assert list(kept.headers) == [
        ("a", b"1"),
        ("b", b""),
        ("dlq-topic", b"events"),
        ("dlq-partition", b"3"),
        ("dlq-offset", b"5"),
        ("dlq-reason", b"SCHEMA"),
        ("dlq-at", b"77"),
    ]


def test_a_record_of_nothing_still_gives_a_letter_that_can_be_sent() -> None:
    assert letter(FakeRecord(None, key=None)).value == b""
    assert letter(FakeRecord(None, key=b"k")).value is None


def test_whatever_is_refused_fits_into_the_topic_of_dead_letters() -> None:
    huge = FakeRecord(b"x" * 900_000, key=b"k" * 900_000, headers=tuple((f"h{n}", b"y" * 900) for n in range(900)))

    kept = letter(huge)

    size = len(kept.key or b"") + len(kept.value or b"") + sum(len(n) + len(v) for n, v in kept.headers)
    assert size <= DEAD_LETTERS.max_record_bytes
    marks = dict(kept.headers)
    assert (len(kept.value or b""), marks["dlq-cut"]) == (MAX_VALUE_BYTES, b"900000")
    assert marks["dlq-headers-dropped"] == b"900"
