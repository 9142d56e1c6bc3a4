"""What a worker tells of itself, on a real database."""

from sync_runtime.mongo import Database
from sync_worker.recent_calls import RecentCalls
from sync_worker.reporting import Reporting


async def test_a_worker_keeps_one_document_with_its_places_and_recent_calls(mongo_db: Database) -> None:
    recent, now_s, busy = RecentCalls(), 0.0, 3
    reporting = Reporting(
        mongo_db, recent, instance="worker-0", line="up_1", slots=8, busy=lambda: busy, clock_s=lambda: now_s
    )
    recent.note(now_s, 100, 200)
    recent.note(now_s, 100, 503)
    await reporting.tell()
    busy, now_s = 0, 400.0
    (first,) = await mongo_db["worker_reports"].find().to_list(None)
    await reporting.tell()
    (second,) = await mongo_db["worker_reports"].find().to_list(None)

    assert (first["busy"], first["calls"], first["errors"], first["took"]) == (3, 2, 1, {"26": 2})
    assert (second["_id"], second["line_id"], second["slots"]) == ("worker-0", "up_1", 8)
    assert (second["busy"], second["calls"], second["took"]) == (0, 0, {})
    assert second["at"] >= first["at"]
