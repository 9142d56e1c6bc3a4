"""What is told of shares."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from bucket_api.dispatch import telling
from bucket_api.dispatch.shares import Share
from bucket_api.dispatch.standing import ShareOfLine, Standing
from bucket_api.dispatch.store import StoreUnavailable
from bucket_api.dispatch.telling import document_of, tell_standing
from sync_contracts.line_reports import LineShareDocument

from tests.support.eventually import PATIENCE_S, eventually
from tests.support.page_world import PageWorld, dispatcher_in, run_until_idle


class AwayAtFirst:
    """Refuses the first write."""

    def __init__(self) -> None:
        self.told: list[Sequence[LineShareDocument]] = []
        self.refused = 0

    async def tell(self, shares: Sequence[LineShareDocument]) -> None:
        if not self.refused:
            self.refused = 1
            raise StoreUnavailable
        self.told.append(shares)


def test_a_share_is_told_with_the_tenant_and_the_line_in_its_id() -> None:
    share = Share("t_1", "up_2", weight=2.0, part=0.4, of=5, window=240, in_flight=200, due=7_000)
    assert document_of(ShareOfLine(share, 0.41), 1_500) == {
        "_id": "t_1:up_2",
        "tenant_id": "t_1",
        "line_id": "up_2",
        "share": 0.4,
        "measured": 0.41,
        "tenants_active": 5,
        "units_waiting": 7_000,
        "in_flight": 200,
        "window": 240,
        "at": datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC),
    }


async def test_shares_are_told_again_after_an_outage_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "EVERY_S", 0.01)
    world = PageWorld()
    world.add("b_1", clients=10)
    dispatcher = dispatcher_in(world)
    await run_until_idle(world, dispatcher)
    kept, seen, stopped = AwayAtFirst(), list[Standing](), asyncio.Event()
    task = asyncio.create_task(tell_standing(dispatcher, kept, lambda: world.now_ms, seen.append, stopped))
    await eventually(lambda: len(kept.told) >= 2)
    stopped.set()
    await asyncio.wait_for(task, PATIENCE_S)
    assert len(seen) >= 3
    (told,) = kept.told[0]
    assert (told["tenant_id"], told["in_flight"], told["measured"]) == ("t_one", 10, 1.0)


def test_nobody_is_told_what_does_not_run() -> None:
    assert dispatcher_in(PageWorld()).standing(5) == Standing((), {}, 0)
