"""Plays the aggregator for tests of readers: folds facts into stored pages and completes buckets."""

from collections.abc import Mapping
from typing import Any

from status_aggregator.timers import reopened
from status_aggregator.views import bucket_from
from sync_contracts.buckets import terminal_status
from sync_contracts.pages import TOTAL_NAMES, page_from, tally, update_of, with_units
from sync_contracts.units import Fact, FactType, Unit, fold
from sync_runtime.mongo import Database

NOW_MS = 1_795_420_000_000


def succeeded(attempt: int = 1, code: str = "OK", rows: int | None = 10, flags: int = 3) -> Fact:
    return Fact(FactType.SUCCEEDED, attempt, code, rows=rows, flags=flags)


def failed(code: str, attempt: int = 1, pcode: str | None = None) -> Fact:
    return Fact(FactType.FAILED, attempt, code, pcode=pcode)


def retry(code: str, attempt: int = 1, *, counted: bool) -> Fact:
    return Fact(FactType.RETRY, attempt, code, counted=counted, delay_ms=60_000)


def began(attempt: int = 1) -> Fact:
    return Fact(FactType.STARTED, attempt)


async def apply(
    database: Database, bucket: str, facts: Mapping[tuple[int, int], Fact], *, page: int = 0, now_ms: int = NOW_MS
) -> None:
    """Fold facts by `(client index, column)` into one page."""
    old = page_from(await _page(database, bucket, page))
    changed: dict[tuple[int, int], Unit] = {
        place: fold(old.rows[place[0]][place[1]], fact, now_ms) for place, fact in facts.items()
    }
    new = with_units(old, changed)
    result = await database["bucket_pages"].update_one({"_id": old.id, "v": old.v}, update_of(old, new))
    assert result.modified_count == 1


async def everywhere(database: Database, bucket: str, fact: Fact) -> None:
    """Fold a fact into every unit that has not ended."""
    async for document in database["bucket_pages"].find({"b": bucket}):
        page = page_from(document)
        places = {
            (ci, mi): fact for ci, row in enumerate(page.rows) for mi, unit in enumerate(row) if not unit.terminal
        }
        await apply(database, bucket, places, page=page.number)


async def carry(database: Database, bucket: str, *, now_ms: int = NOW_MS) -> None:
    """Carry the bucket's round into its pages and forget the selections, as the aggregator does."""
    document = await database["buckets"].find_one({"_id": bucket})
    assert document is not None
    active = bucket_from(document)
    async for found in database["bucket_pages"].find({"b": bucket}):
        old = page_from(found)
        new = reopened(old, active, now_ms)
        result = await database["bucket_pages"].update_one({"_id": old.id, "v": old.v}, update_of(old, new))
        assert result.modified_count == 1
    await database["buckets"].update_one({"_id": bucket}, {"$unset": {"retries.$[].sel": ""}})


async def complete(database: Database, bucket: str, *, now_ms: int = NOW_MS) -> None:
    """End the round as the aggregator does, by a recount of the pages."""
    totals, shown, version = dict.fromkeys("pwdrsfc", 0), [0] * 13, 0
    async for document in database["bucket_pages"].find({"b": bucket}):
        tallied = tally(page_from(document).rows)
        version += document["v"]
        for name, letter in TOTAL_NAMES.items():
            totals[letter] += tallied.counters[name]
        shown = [a + int(b) for a, b in zip(shown, tallied.h.split(","), strict=True)]
    assert totals["p"] + totals["w"] + totals["d"] + totals["r"] == 0
    h = ",".join(map(str, shown))
    status = terminal_status(totals)
    bucket_document = await database["buckets"].find_one({"_id": bucket})
    assert bucket_document is not None
    result = {"round": bucket_document["round"], "status": status, "counts": totals, "h": h, "v": version, "at": now_ms}
    change = {
        "$set": {"status": status, "summary": {"seq": version, "at": now_ms, **totals, "h": h}},
        "$unset": {"active": "", "retries.$[].sel": ""},
        "$push": {"results": result},
        "$inc": {"rev": 1},
    }
    await database["buckets"].update_one({"_id": bucket}, change)


async def _page(database: Database, bucket: str, number: int) -> dict[str, Any]:
    document = await database["bucket_pages"].find_one({"_id": f"{bucket}:{number:05d}"})
    assert document is not None
    return document
