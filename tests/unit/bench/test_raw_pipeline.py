"""The peer carries as much as the product does: every unit marked and ended, whatever the order of its events."""

from typing import Any, cast

from tests.bench.raw_messages import CLIENTS_PER_PAGE, COLUMNS, UNITS_PER_PAGE, Ended, Marked, page_documents
from tests.bench.raw_pipeline import COMMAND_PARTITIONS, Folder


class Pages:
    """Keeps the writes; each finds the page at the version that it names."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}

    async def bulk_write(self, writes: list[Any], ordered: bool) -> "Pages":  # noqa: ARG002 - as the driver is called
        for write in writes:
            self.fields |= write._doc["$set"]
        self.matched_count = len(writes)
        return self


def test_pages_hold_as_many_units_as_the_product_s() -> None:
    pages = page_documents(3 * UNITS_PER_PAGE)
    assert len(pages) == 3
    assert all(len(page["c"]) == CLIENTS_PER_PAGE and len(page["c"][0]["m"]) == COLUMNS for page in pages)
    assert COMMAND_PARTITIONS == 48


async def test_a_mark_that_comes_after_the_end_changes_nothing() -> None:
    pages = Pages()
    folder = Folder(cast("Any", pages))

    await folder.write([Ended("t", "b", 0, 1, 2, 1)])
    await folder.write([Marked("t", "b", 0, [(1, 2, 1), (1, 3, 1)])])

    assert pages.fields["c.1.m.2"]["s"] == "S"
    assert pages.fields["c.1.m.3"]["s"] == "D"
    assert folder.ended == {(0, 1, 2)}
