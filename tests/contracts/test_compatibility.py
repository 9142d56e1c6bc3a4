"""What one version wrote the other reads: pages of another version, and messages that either has written."""

import json

import msgspec
from sync_contracts import events
from sync_contracts.pages import page_document, page_from

from tests.contracts.test_examples import EXAMPLES, example

EVENTS = ("Started", "Retry", "Succeeded", "Failed", "Cancelled", "Dispatched")


def test_a_page_with_fields_of_a_later_version_is_read_as_if_they_were_not_there() -> None:
    page = example("Page")
    later = json.loads(json.dumps(page))
    later["added_later"] = {"deep": [1]}
    later["c"][0]["added_later"] = 1
    later["c"][0]["m"][0]["zz"] = "new"

    assert page_from(later) == page_from(page)


def test_a_page_written_by_this_version_reads_as_the_one_it_was_read_from() -> None:
    before = page_from(example("Page"))

    assert page_from(page_document(before)) == before


def test_an_event_that_went_through_both_versions_means_the_same() -> None:
    for name in EVENTS:
        recorded = (EXAMPLES / f"{name}.v1.json").read_bytes()
        later = json.dumps({**json.loads(recorded), "added_later": 1}).encode()
        first = events.decode(recorded)
        again = events.decode(events.encode(events.decode(later)))
        assert list(events.facts(again)) == list(events.facts(first))
        assert msgspec.to_builtins(again) == msgspec.to_builtins(first)
