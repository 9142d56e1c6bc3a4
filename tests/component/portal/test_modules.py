"""The modules of the two presets against the sandbox in both styles: whole, checked, resumable."""

import json
from collections.abc import AsyncIterator
from datetime import date

import pytest
from sync_contracts.events import CHECKED_IDENTITY, CHECKED_TOTALS
from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.modules.port import Fetched, Incomplete, Observed, Previous, Refusal, Unchanged

from tests.support.gsp_world import LARGE, ORDINARY, START, GspWorld, Style, gsp_world, gstin

MONTH = "2026-10"
YEAR = "2026-27"
UNFILED = {"return": "gstr3b", "period": "2026-09"}


@pytest.fixture(params=["passthrough", "managed"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[GspWorld]:
    style: Style = request.param
    async with gsp_world(style) as opened:
        yield opened


def as_previous(fetched: Fetched) -> Previous:
    async def load() -> bytes:
        return fetched.body

    return Previous(fetched.marker, fetched.rows, START, load)


async def fetch(world: GspWorld, module: str, number: str, period: str | None) -> Fetched:
    result = await world.sync(module, number, period)
    assert isinstance(result, Fetched), result
    return result


class TestGstr2b:
    async def test_a_statement_adds_up_to_the_portals_own_sums(self, world: GspWorld) -> None:
        await world.log_in(ORDINARY)
        fetched = await fetch(world, "gstr2b", ORDINARY, MONTH)
        assert fetched.flags == CHECKED_IDENTITY | CHECKED_TOTALS
        assert fetched.rows == sum(fetched.sections.values()) > 0
        assert all(total["ours"] == total["portal"] for total in fetched.totals.values())
        assert json.loads(fetched.body)["docdata"]["b2b"][0]["inv"][0]["txval"].count(".") == 1

    async def test_an_equal_stamp_is_unchanged_after_one_call(self, world: GspWorld) -> None:
        await world.log_in(ORDINARY)
        fetched = await fetch(world, "gstr2b", ORDINARY, MONTH)
        await world.forget_journal()
        again = await world.sync("gstr2b", ORDINARY, MONTH, as_previous(fetched))
        assert again == Unchanged(fetched.rows, CHECKED_IDENTITY)
        assert await world.actions() == ["GET2B"]

    async def test_a_statement_made_anew_is_fetched_anew(self, world: GspWorld) -> None:
        await world.log_in(ORDINARY)
        fetched = await fetch(world, "gstr2b", ORDINARY, MONTH)
        await world.change(ORDINARY, regenerate="102026")
        again = await world.sync("gstr2b", ORDINARY, MONTH, as_previous(fetched))
        assert isinstance(again, Fetched)
        assert again.marker != fetched.marker

    async def test_a_large_statement_is_read_in_parts_and_its_first_answer_thrown_away(self, world: GspWorld) -> None:
        await world.log_in(LARGE)
        await world.forget_journal()
        fetched = await fetch(world, "gstr2b", LARGE, MONTH)
        assert fetched.totals["documents"]["ours"] == fetched.totals["documents"]["portal"] == str(fetched.rows)
        assert [entry["section"] for entry in await world.journal()] == ["", "1", "2", "3"]
        assert world.parts.expected == 3

    async def test_a_later_attempt_goes_on_at_the_part_that_failed(self, world: GspWorld) -> None:
        await world.log_in(LARGE)
        await world.script("fail", {"kind": "http", "http": 503}, {"section": "3"}, times=1)
        failed = await world.sync("gstr2b", LARGE, MONTH)
        assert isinstance(failed, Refusal)
        assert failed.outcome is OutcomeClass.TRANSIENT
        await world.forget_journal()
        fetched = await fetch(world, "gstr2b", LARGE, MONTH)
        assert [entry["section"] for entry in await world.journal()] == ["", "3"]
        assert fetched.totals["documents"]["ours"] == fetched.totals["documents"]["portal"]

    async def test_a_resumed_statement_has_the_bytes_of_one_read_at_once(self, world: GspWorld) -> None:
        await world.log_in(LARGE)
        whole = await fetch(world, "gstr2b", LARGE, MONTH)
        resumed = await fetch(world, "gstr2b", LARGE, MONTH)
        assert resumed.body == whole.body

    async def test_a_part_that_the_portal_does_not_have_is_named(self, world: GspWorld) -> None:
        await world.log_in(LARGE)
        await world.script("gone", {"kind": "missing_part"}, {"section": "2"})
        result = await world.sync("gstr2b", LARGE, MONTH)
        assert result == Incomplete(Code.SECTION_MISSING, {"missing": "2", "expected": "3"})
        assert set(world.parts.stored) == {"part-0001", "part-0003"}

    async def test_another_taxpayers_statement_is_never_taken(self, world: GspWorld) -> None:
        await world.log_in(ORDINARY)
        await world.script("mix-up", {"kind": "foreign_body"}, {"action": "GET2B"})
        assert await world.sync("gstr2b", ORDINARY, MONTH) == Incomplete(Code.INTEGRITY_MISMATCH)

    @pytest.mark.parametrize(
        ("pan", "period", "observed"),
        [
            ("AAARN3111A", "2026-10", Observed(Code.NOT_YET, "RET2B1023")),
            ("AAARU3111A", "2026-10", Observed(Code.PRECONDITION, "GTR2B-002", UNFILED)),
            ("AAARE3111A", "2026-10", Observed(Code.EMPTY, "RET2B1016")),
            ("AAARA3111A", "2026-11", Observed(Code.NOT_YET, "RET2B1018", {"available_from": "2026-12-14"})),
            ("AAAXA3111A", "2026-10", Observed(Code.NOT_APPLICABLE, "GTR2B-001")),
        ],
    )
    async def test_what_the_portal_does_not_have_is_observed(
        self, world: GspWorld, pan: str, period: str, observed: Observed
    ) -> None:
        number = gstin(pan)
        await world.log_in(number)
        assert await world.sync("gstr2b", number, period) == observed

    @pytest.mark.parametrize(
        ("kind", "period"), [("qrmp", "2026-10"), ("composition", "2026-10"), ("tds_deductor", "2026-10")]
    )
    async def test_what_cannot_apply_costs_no_call(self, world: GspWorld, kind: str, period: str) -> None:
        result = await world.sync("gstr2b", ORDINARY, period, kind=kind)
        assert result == Observed(Code.NOT_APPLICABLE, None)
        assert await world.journal() == []

    async def test_without_a_session_an_otp_is_needed(self, world: GspWorld) -> None:
        refused = await world.sync("gstr2b", ORDINARY, MONTH)
        assert isinstance(refused, Refusal)
        assert refused.outcome is OutcomeClass.OTP_REQUIRED


class TestReturnRegister:
    async def test_a_year_needs_no_session(self, world: GspWorld) -> None:
        fetched = await fetch(world, "return_register", ORDINARY, YEAR)
        rows = json.loads(fetched.body)["rows"]
        assert len(rows) == fetched.rows > 10
        assert set(fetched.sections) == {"GSTR1", "GSTR3B"}

    async def test_the_same_rows_give_the_same_bytes(self, world: GspWorld) -> None:
        one = await fetch(world, "return_register", ORDINARY, YEAR)
        two = await world.sync("return_register", ORDINARY, YEAR, as_previous(one))
        assert isinstance(two, Fetched)
        assert two.body == one.body
        assert two.delta == {"added": 0, "updated": 0, "removed": 0}

    async def test_a_year_without_returns_is_empty(self, world: GspWorld) -> None:
        assert await world.sync("return_register", ORDINARY, "2027-28") == Observed(Code.EMPTY, "RET13510")

    async def test_the_accounts_own_token_is_asked_for_once_and_renewed_when_it_ends(self) -> None:
        async with gsp_world("passthrough") as world:
            await fetch(world, "return_register", ORDINARY, YEAR)
            await fetch(world, "return_register", ORDINARY, YEAR)
            assert (await world.actions()).count("ACCESSTOKEN") == 1
            world.clock.advance(hours=7)
            await fetch(world, "return_register", ORDINARY, YEAR)
            assert (await world.actions()).count("ACCESSTOKEN") == 2

    async def test_a_refused_token_of_the_account_is_renewed_once(self) -> None:
        async with gsp_world("passthrough") as world:
            await fetch(world, "return_register", ORDINARY, YEAR)
            await world.script("once", {"kind": "code", "code": "AUTH4038"}, {"action": "RETTRACK"}, times=1)
            await fetch(world, "return_register", ORDINARY, YEAR)
            assert (await world.actions()).count("ACCESSTOKEN") == 2

    async def test_a_rotated_certificate_does_not_stop_the_accounts_token(self) -> None:
        async with gsp_world("passthrough") as world:
            await fetch(world, "return_register", ORDINARY, YEAR)
            await world.control.post("/control/v1/certificate/rotate")
            world.clock.advance(hours=7)
            await fetch(world, "return_register", ORDINARY, YEAR)


class TestNotices:
    async def test_every_notice_comes_with_its_detail_and_documents(self, world: GspWorld) -> None:
        await world.log_in(ORDINARY)
        fetched = await fetch(world, "notices", ORDINARY, None)
        notices = json.loads(fetched.body)["notices"]
        assert len(notices) == fetched.rows == 3
        assert fetched.totals["notices"] == {"ours": "3", "portal": "3"}
        assert fetched.totals["documents"]["ours"] == fetched.totals["documents"]["portal"]
        assert all(notice["documents"] for notice in notices)
        assert all(document["hash"] == document["sha256"] for notice in notices for document in notice["documents"])
        assert all(notice["reply_by"] is None or date.fromisoformat(notice["reply_by"]) for notice in notices)

    async def test_known_notices_are_not_read_again(self, world: GspWorld) -> None:
        await world.log_in(ORDINARY)
        fetched = await fetch(world, "notices", ORDINARY, None)
        await world.forget_journal()
        again = await world.sync("notices", ORDINARY, None, as_previous(fetched))
        assert isinstance(again, Unchanged)
        assert len(await world.journal()) == 1

    async def test_a_new_notice_alone_is_read_and_counted(self, world: GspWorld) -> None:
        await world.log_in(ORDINARY)
        await world.change(ORDINARY, notices=2)
        fetched = await fetch(world, "notices", ORDINARY, None)
        await world.change(ORDINARY, notices=3)
        await world.forget_journal()
        again = await world.sync("notices", ORDINARY, None, as_previous(fetched))
        assert isinstance(again, Fetched)
        assert again.delta == {"added": 1, "updated": 0}
        assert again.rows == 3
        assert (await world.actions()).count("NOTICEDTL") == 1

    async def test_a_notice_that_left_the_list_stays(self, world: GspWorld) -> None:
        await world.log_in(ORDINARY)
        fetched = await fetch(world, "notices", ORDINARY, None)
        await world.change(ORDINARY, notices=0)
        assert await world.sync("notices", ORDINARY, None, as_previous(fetched)) == Unchanged(3, 0)

    async def test_listed_notices_are_read_again_after_a_month(self, world: GspWorld) -> None:
        await world.log_in(ORDINARY)
        fetched = await fetch(world, "notices", ORDINARY, None)
        world.clock.advance(days=30)
        await world.change(ORDINARY, access="enabled")
        await world.log_in(ORDINARY)
        again = await world.sync("notices", ORDINARY, None, as_previous(fetched))
        assert isinstance(again, Fetched)
        assert again.body == fetched.body
        assert again.delta == {"added": 0, "updated": 0}
        assert again.marker != fetched.marker

    async def test_no_notices_at_all_are_empty(self, world: GspWorld) -> None:
        number = gstin("AAARA0111A")
        await world.log_in(number)
        assert await world.sync("notices", number, None) == Observed(Code.EMPTY, "NOTC_010")

    async def test_a_later_attempt_joins_what_was_read(self, world: GspWorld) -> None:
        await world.log_in(ORDINARY)
        await world.script("down", {"kind": "http", "http": 503}, {"action": "NOTICEDOC"}, times=1)
        assert isinstance(await world.sync("notices", ORDINARY, None), Refusal)
        await fetch(world, "notices", ORDINARY, None)
        kept = len(world.parts.stored)
        await world.forget_journal()
        await fetch(world, "notices", ORDINARY, None)
        assert (kept, len(await world.journal())) == (3, 1)
        world.clock.advance(minutes=31)
        await world.forget_journal()
        await fetch(world, "notices", ORDINARY, None)
        assert len(await world.journal()) > 1

    async def test_an_unknown_code_on_one_document_leaves_the_other_notices_read(self, world: GspWorld) -> None:
        await world.log_in(ORDINARY)
        await world.script("odd", {"kind": "code", "code": "ODD_1"}, {"action": "NOTICEDTL"}, times=1)
        refused = await world.sync("notices", ORDINARY, None)
        assert isinstance(refused, Refusal)
        assert (refused.outcome, refused.code) == (OutcomeClass.UNKNOWN, "ODD_1")
        assert len(world.parts.stored) == 2


class TestFaults:
    @pytest.mark.parametrize(
        ("effect", "outcome"),
        [
            ({"kind": "http", "http": 503}, OutcomeClass.TRANSIENT),
            ({"kind": "http", "http": 429}, OutcomeClass.RATE_LIMITED),
            ({"kind": "code", "code": "RET13504"}, OutcomeClass.RATE_LIMITED),
            ({"kind": "code", "code": "GEN5008", "http": 500}, OutcomeClass.MAINTENANCE),
            ({"kind": "http", "http": 502, "code": "GSPGSTDOWN"}, OutcomeClass.LINE_DOWN),
            ({"kind": "code", "code": "RET12501"}, OutcomeClass.TRANSIENT),
            ({"kind": "code", "code": "NEVER_SEEN"}, OutcomeClass.UNKNOWN),
        ],
    )
    async def test_a_fault_of_the_portal_has_its_class(
        self, world: GspWorld, effect: dict[str, object], outcome: OutcomeClass
    ) -> None:
        await world.log_in(ORDINARY)
        await world.script("fault", effect, {"surface": "taxpayer"})
        refused = await world.sync("gstr2b", ORDINARY, MONTH)
        assert isinstance(refused, Refusal)
        assert refused.outcome is outcome

    async def test_a_reset_connection_is_repeated_once(self, world: GspWorld) -> None:
        await world.log_in(ORDINARY)
        await world.script("cut", {"kind": "reset"}, {"surface": "taxpayer"}, times=1)
        await fetch(world, "gstr2b", ORDINARY, MONTH)
        await world.script("cut", {"kind": "reset"}, {"surface": "taxpayer"}, times=2)
        refused = await world.sync("gstr2b", ORDINARY, MONTH)
        assert isinstance(refused, Refusal)
        assert refused.outcome is OutcomeClass.TRANSIENT

    async def test_a_spoiled_hmac_is_never_believed(self) -> None:
        async with gsp_world("passthrough") as world:
            await world.log_in(ORDINARY)
            await world.script("spoil", {"kind": "bad_hash"}, {"surface": "taxpayer"})
            refused = await world.sync("gstr2b", ORDINARY, MONTH)
            assert isinstance(refused, Refusal)
            assert refused.outcome is OutcomeClass.INTEGRITY

    async def test_maintenance_of_the_whole_gsp_is_told(self, world: GspWorld) -> None:
        await world.log_in(ORDINARY)
        window = {"from": "2026-11-24T00:00:00Z", "to": "2026-11-25T00:00:00Z"}
        await world.control.put("/control/v1/faults", json={"maintenance": window})
        refused = await world.sync("gstr2b", ORDINARY, MONTH)
        assert isinstance(refused, Refusal)
        assert refused.outcome is OutcomeClass.MAINTENANCE
