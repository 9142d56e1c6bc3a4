"""The modules of all presets against the sandbox in both styles: whole, checked, resumable, no call too many."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sync_contracts.events import CHECKED_IDENTITY, CHECKED_TOTALS
from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.modules.gstr2a import SECTIONS as SECTIONS_2A
from sync_worker.modules.port import Answer, Call, FilePortal, Incomplete, Observed, Refusal, Request, Result, Unchanged
from sync_worker.modules.registry import gst_modules

from tests.support.as_previous import as_previous, fetched_of
from tests.support.gsp_world import LARGE, ORDINARY, GspWorld, Style, gsp_world, gstin
from tests.support.kept_parts import MemoryParts

EVERYTHING = gstin("AAARA3911A")
"""Books in which every section of every return has data."""
NOTHING = gstin("AAARE9110A")
MONTH, QUARTER, YEAR = "2026-10", "2026-09", "2026-27"
PERIODS = {
    "gstr1": MONTH,
    "gstr1a": QUARTER,
    "gstr3b": MONTH,
    "gstr2a": MONTH,
    "ims": None,
    "ledgers": YEAR,
}
CHECKED = CHECKED_IDENTITY | CHECKED_TOTALS


@pytest.fixture(params=["passthrough", "managed"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[GspWorld]:
    style: Style = request.param
    async with gsp_world(style) as opened:
        yield opened


async def fetch(world: GspWorld, module: str, number: str = EVERYTHING, **more: Any) -> Result:
    """One attempt, from nothing that an earlier one has kept."""
    world.parts = MemoryParts()
    await world.forget_journal()
    return await world.sync(module, number, PERIODS[module], **more)


class TestGstr1:
    async def test_every_section_adds_up_to_the_summary(self, world: GspWorld) -> None:
        await world.log_in(EVERYTHING)
        fetched = fetched_of(await fetch(world, "gstr1"))
        assert fetched.flags == CHECKED
        assert len(fetched.sections) == 23
        assert all(total["ours"] == total["portal"] for total in fetched.totals.values())
        assert set(fetched.totals) == {"records", "txval", "iamt", "camt", "samt", "csamt"}
        assert (await world.actions())[:2] == ["RETSUM", "B2B"]
        assert len(await world.actions()) == 24

    async def test_only_sections_with_records_are_asked_for(self, world: GspWorld) -> None:
        await world.log_in(ORDINARY)
        fetched = fetched_of(await fetch(world, "gstr1", ORDINARY))
        assert len(await world.actions()) == 1 + len(fetched.sections) < 9

    async def test_an_unchanged_return_costs_one_call(self, world: GspWorld) -> None:
        await world.log_in(EVERYTHING)
        fetched = fetched_of(await fetch(world, "gstr1"))
        assert await fetch(world, "gstr1", previous=as_previous(fetched)) == Unchanged(fetched.rows, CHECKED_IDENTITY)
        assert await world.actions() == ["RETSUM"]

    async def test_f17_cdnr_fails_twice_then_comes_and_alone_is_asked_for_again(self, world: GspWorld) -> None:
        await world.log_in(EVERYTHING)
        await world.script("cdnr", {"kind": "code", "code": "RET12501"}, {"action": "CDNR"}, times=2)
        for _ in range(2):
            failed = await world.sync("gstr1", EVERYTHING, MONTH)
            assert isinstance(failed, Incomplete)
            assert (failed.code, failed.detail["missing"]) == (Code.SECTION_MISSING, "cdnr")
            assert failed.cause == Refusal(OutcomeClass.TRANSIENT, "RET12501", 200)
        await world.forget_journal()
        resumed = fetched_of(await world.sync("gstr1", EVERYTHING, MONTH))
        assert await world.actions() == ["RETSUM", "CDNR"]
        assert resumed.body == fetched_of(await fetch(world, "gstr1")).body

    async def test_nothing_is_empty(self, world: GspWorld) -> None:
        await world.log_in(NOTHING)
        assert await fetch(world, "gstr1", NOTHING) == Observed(Code.EMPTY, "RET13509")
        assert await fetch(world, "gstr1a", NOTHING) == Observed(Code.EMPTY, "RET13510")


async def test_an_amended_return_has_what_was_added_to_it(world: GspWorld) -> None:
    await world.log_in(EVERYTHING)
    fetched = fetched_of(await fetch(world, "gstr1a"))
    assert fetched.sections["b2b"] == fetched.sections["b2ba"] == 1
    offered = world.style == "passthrough"
    assert (fetched.totals["records"]["ours"] == fetched.totals["records"]["portal"]) == offered
    assert fetched.flags == (CHECKED if offered else CHECKED_IDENTITY)
    assert json.loads(fetched.body).get("not_offered", []) == ([] if offered else ["hsnsum", "dociss"])


async def test_return_and_computed_figures_of_a_3b(world: GspWorld) -> None:
    await world.log_in(EVERYTHING)
    fetched = fetched_of(await fetch(world, "gstr3b"))
    assert fetched.sections == {"summary": 1, "auto_populated": 1}
    assert await world.actions() == ["RETSUM", "AUTOLIAB"]
    assert fetched_of(await fetch(world, "gstr3b")).body == fetched.body


async def test_ledgers_add_up_to_the_balances_of_now(world: GspWorld) -> None:
    await world.log_in(EVERYTHING)
    fetched = fetched_of(await fetch(world, "ledgers"))
    assert await world.actions() == ["CASH", "ITC", "TAX", "BAL"]
    assert fetched.flags == CHECKED
    assert min(fetched.sections.values()) > 0
    again = fetched_of(await fetch(world, "ledgers", previous=as_previous(fetched)))
    assert again.body == fetched.body
    assert again.delta == {"added": 0, "updated": 0, "removed": 0}


async def test_invoices_wait_with_their_actions_as_counted(world: GspWorld) -> None:
    await world.log_in(EVERYTHING)
    fetched = fetched_of(await fetch(world, "ims"))
    actions = await world.actions()
    assert actions[0] == "GETCNT"
    assert Counter(actions[1:]) == {"GETINV": len(fetched.sections)}
    assert fetched.totals["documents"]["ours"] == fetched.totals["documents"]["portal"] == str(fetched.rows)
    documents = json.loads(fetched.body)["sections"]["b2b"]
    assert {document["action"] for document in documents} <= set("ARPN")
    assert await fetch(world, "ims", previous=as_previous(fetched)) == Unchanged(fetched.rows, CHECKED)
    assert await world.actions() == ["GETCNT"]


class TestGstr2a:
    async def test_every_section_that_the_gsp_offers_answers(self, world: GspWorld) -> None:
        await world.log_in(EVERYTHING)
        fetched = fetched_of(await fetch(world, "gstr2a"))
        absent = [] if world.style == "passthrough" else ["isda", "tdsa", "tcsa"]
        assert await world.actions() == [name for name in SECTIONS_2A if name.lower() not in absent]
        assert json.loads(fetched.body).get("not_offered", []) == absent

    async def test_f17_a2_a_file_that_the_portal_prepares_is_waited_for_with_its_token(self, world: GspWorld) -> None:
        await world.log_in(LARGE)
        first = await fetch(world, "gstr2a", LARGE)
        assert isinstance(first, Refusal)
        assert (first.outcome, first.retry_after_ms) == (OutcomeClass.WAITING_PORTAL, 60_000)
        asked = await world.actions()
        world.clock.advance(seconds=20)
        await world.forget_journal()
        early = await world.sync("gstr2a", LARGE, MONTH, cont=first.detail["token"])
        assert isinstance(early, Refusal)
        assert early.detail == first.detail
        assert await world.actions() == ["FILEDET"]
        world.clock.advance(seconds=60)
        await world.forget_journal()
        fetched = fetched_of(await world.sync("gstr2a", LARGE, MONTH, cont=first.detail["token"]))
        assert fetched.sections["b2b"] > 100
        assert (await world.actions())[0] == "FILEDET"
        assert not set(await world.actions()) & set(asked)

    @pytest.mark.parametrize("spoil", ["bad_hash", "expired_link", "missing_part"])
    async def test_f17_a3_a_file_that_did_not_come_is_fetched_over_fresh_links(
        self, world: GspWorld, spoil: str
    ) -> None:
        await world.log_in(LARGE)
        waiting = await fetch(world, "gstr2a", LARGE)
        assert isinstance(waiting, Refusal)
        world.clock.advance(seconds=80)
        await world.script("file", {"kind": spoil}, {"surface": "file"}, times=1)
        await world.script("opened", {"kind": spoil}, {"action": "LARGEFILE"}, times=1)
        await world.forget_journal()
        fetched = fetched_of(await world.sync("gstr2a", LARGE, MONTH, cont=waiting.detail["token"]))
        assert fetched.sections["b2b"] > 100
        if world.style == "passthrough" or spoil != "bad_hash":
            assert (await world.actions()).count("FILEDET") == 2

    async def test_a_file_that_could_not_be_made_is_asked_for_anew_once(self, world: GspWorld) -> None:
        await world.log_in(LARGE)
        await world.script("fails", {"kind": "file_failed"}, {"action": "B2B"})
        cont, endings = None, []
        for _ in range(3):
            result = await world.sync("gstr2a", LARGE, MONTH, cont=cont)
            endings.append(result)
            cont = result.detail.get("token") if isinstance(result, Refusal) else None
            world.clock.advance(seconds=80)
        assert [isinstance(result, Refusal) for result in endings] == [True, True, False]
        assert isinstance(endings[2], Incomplete)
        assert endings[2].detail["missing"] == "b2b"


class _Killed(Exception):
    pass


class _DyingPortal:
    """The portal of a worker that is killed in its n-th call, before anything of the answer is kept."""

    def __init__(self, portal: FilePortal, dies_at: int) -> None:
        self._portal = portal
        self._left = dies_at
        self.files, self.file = portal.files, portal.file

    async def call(self, call: Call) -> Answer | Refusal:
        answer = await self._portal.call(call)
        if self._left == 0:
            raise _Killed
        self._left -= 1
        return answer


@pytest.mark.parametrize("module", list(PERIODS))
async def test_f17_killed_at_any_call_no_section_is_fetched_again_after_it_was_stored(
    world: GspWorld, module: str
) -> None:
    await world.log_in(EVERYTHING)
    whole = fetched_of(await fetch(world, module))
    calls = len(await world.actions())
    request = Request(EVERYTHING, "regular", PERIODS[module], world.clock.now, None)
    summaries = {"gstr1": 1, "gstr1a": 1, "ims": 1}.get(module, 0)
    for dies_at in range(calls):
        world.parts = MemoryParts()
        await world.forget_journal()
        with pytest.raises(_Killed):
            await gst_modules()[module].sync(request, _DyingPortal(world.portal(EVERYTHING), dies_at), world.parts)
        resumed = fetched_of(await world.sync(module, EVERYTHING, PERIODS[module]))
        assert resumed.body == whole.body
        asked = Counter((entry["action"], entry["section"]) for entry in await world.journal())
        assert len(asked) == calls
        assert asked.total() - len(asked) <= (1 if dies_at < summaries else 1 + summaries)
