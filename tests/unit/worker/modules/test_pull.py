"""Sections pulled one after another: kept, joined, isolated, and gone on with when they come as files."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.modules.canonical import Malformed
from sync_worker.modules.findings import MAX_CONT_CHARS, Pulled, Waiting, continuation, continued, stamp_of
from sync_worker.modules.port import (
    NOT_OFFERED,
    Call,
    Files,
    Incomplete,
    Link,
    Refusal,
    Request,
)
from sync_worker.modules.pull import SectionPull
from sync_worker.modules.sections import Announced, Section, agreement

from tests.support.kept_parts import MemoryParts
from tests.support.scripted_portal import Said, ScriptedPortal

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
NAMES = ("a", "b", "c")
ROWS = {"rows": [{"inum": "1", "val": 1}]}
KEY = bytes(32)
TRANSIENT = Refusal(OutcomeClass.TRANSIENT, "RET12501", 200)
UNKNOWN = Refusal(OutcomeClass.UNKNOWN, "ODD", 200)
EMPTY = Refusal(OutcomeClass.EMPTY, "RET13508", 200)


def section(name: str, **more: Any) -> Section:
    return Section(name, Call("get", {"section": name}), lambda payload: payload["rows"], **more)


SECTIONS = tuple(section(name) for name in NAMES)


def answers(**other: Said | list[Said]) -> dict[str, Said | list[Said]]:
    found: dict[str, Said | list[Said]] = {f"get {name}": ROWS for name in NAMES}
    return found | {f"get {name}": said for name, said in other.items()}


async def pull(
    portal: ScriptedPortal,
    parts: MemoryParts | None = None,
    sections: tuple[Section, ...] = SECTIONS,
    *,
    marker: str | None = "m1",
    cont: str | None = None,
    now: datetime = NOW,
    session: str = "1",
) -> Pulled | Incomplete | Refusal:
    request = Request("27AAPFU0939F1ZV", "regular", None, now, None, cont, session)
    made = SectionPull(
        request,
        portal,
        parts or MemoryParts(),
        sections,
        marker=marker,
        files=lambda token: Call("files", {"file": token}),
    )
    return await made.all()


class TestSections:
    async def test_all_are_asked_for_in_order(self) -> None:
        portal = ScriptedPortal(answers())
        pulled = await pull(portal)
        assert isinstance(pulled, Pulled)
        assert list(pulled.values) == ["a", "b", "c"]
        assert portal.names() == ["get a", "get b", "get c"]

    async def test_no_data_is_an_answer_unless_data_was_announced(self) -> None:
        pulled = await pull(ScriptedPortal(answers(b=EMPTY)))
        assert isinstance(pulled, Pulled)
        assert list(pulled.values) == ["a", "c"]
        told = (section("a"), section("b", announced=True), section("c"))
        missing = await pull(ScriptedPortal(answers(b=EMPTY)), sections=told)
        assert missing == Incomplete(Code.SECTION_MISSING, {"missing": "b", "expected": "3"})

    async def test_that_there_is_no_data_is_not_asked_twice(self) -> None:
        parts, portal = MemoryParts(), ScriptedPortal(answers(a=EMPTY, c=[TRANSIENT, ROWS]))
        assert isinstance(await pull(portal, parts), Incomplete)
        assert isinstance(await pull(portal, parts), Pulled)
        assert portal.names() == ["get a", "get b", "get c", "get c"]

    async def test_what_a_gsp_does_not_offer_is_named(self) -> None:
        pulled = await pull(ScriptedPortal(answers(b=Refusal(OutcomeClass.NOT_APPLICABLE, NOT_OFFERED))))
        assert isinstance(pulled, Pulled)
        assert pulled.not_offered == ("b",)
        said_so = Refusal(OutcomeClass.UNKNOWN, NOT_OFFERED, 200)
        refused = await pull(ScriptedPortal(answers(b=said_so)))
        assert refused == Incomplete(Code.SECTION_MISSING, {"missing": "b", "expected": "3"}, said_so)

    @pytest.mark.parametrize("refusal", [TRANSIENT, UNKNOWN])
    async def test_a_section_that_fails_leaves_others_alone_and_is_asked_for_again(self, refusal: Refusal) -> None:
        parts = MemoryParts()
        portal = ScriptedPortal(answers(b=[refusal, ROWS]))
        first = await pull(portal, parts)
        assert first == Incomplete(Code.SECTION_MISSING, {"missing": "b", "expected": "3"}, refusal)
        assert set(parts.stored) == {"a", "c"}
        assert isinstance(await pull(portal, parts), Pulled)
        assert portal.names() == ["get a", "get b", "get c", "get b"]

    async def test_two_passing_failures_in_a_row_are_the_portals(self) -> None:
        portal = ScriptedPortal(answers(a=TRANSIENT, b=TRANSIENT))
        assert await pull(portal) == TRANSIENT
        assert portal.names() == ["get a", "get b"]

    @pytest.mark.parametrize(
        "outcome",
        [OutcomeClass.RATE_LIMITED, OutcomeClass.OTP_REQUIRED, OutcomeClass.LINE_DOWN, OutcomeClass.SERVICE_CONFIG],
    )
    async def test_a_refusal_of_the_whole_portal_ends_the_attempt(self, outcome: OutcomeClass) -> None:
        portal, parts = ScriptedPortal(answers(b=Refusal(outcome))), MemoryParts()
        assert await pull(portal, parts) == Refusal(outcome)
        assert set(parts.stored) == {"a"}
        assert portal.names() == ["get a", "get b"]

    async def test_the_same_refusal_of_every_section_is_told_as_it_is(self) -> None:
        assert await pull(ScriptedPortal(answers(a=UNKNOWN, b=UNKNOWN, c=UNKNOWN))) == UNKNOWN

    @pytest.mark.parametrize("outcome", [OutcomeClass.EMPTY, OutcomeClass.UNCHANGED, OutcomeClass.NOT_APPLICABLE])
    @pytest.mark.parametrize("count", [1, 3])
    async def test_announced_data_of_which_nothing_comes_is_missing(self, count: int, outcome: OutcomeClass) -> None:
        gone = Refusal(outcome, "RET13509", 200)
        told = tuple(section(name, announced=True) for name in NAMES[:count])
        missing = {"missing": ",".join(NAMES[:count]), "expected": str(count)}
        result = await pull(ScriptedPortal(answers(a=gone, b=gone, c=gone)), sections=told)
        assert result == Incomplete(Code.SECTION_MISSING, missing)

    async def test_what_cannot_be_read_is_not_kept(self) -> None:
        parts = MemoryParts()

        def refuse(_: Any) -> Any:
            raise Malformed("of another registration")

        foreign = (section("a"), Section("b", Call("get", {"section": "b"}), refuse), section("c"))
        result = await pull(ScriptedPortal(answers()), parts, foreign)
        assert result == Incomplete(Code.INTEGRITY_MISMATCH, {"missing": "b", "expected": "3"})
        assert set(parts.stored) == {"a", "c"}

    async def test_totals_that_differ_are_read_again_once(self) -> None:
        two = {"rows": [{"inum": "1"}, {"inum": "2"}]}
        told = (section("a", agrees=agreement(Announced(2)), announced=True),)
        good = ScriptedPortal({"get a": [ROWS, two]})
        assert isinstance(await pull(good, sections=told), Pulled)
        parts, bad = MemoryParts(), ScriptedPortal({"get a": ROWS})
        assert await pull(bad, parts, told) == Incomplete(Code.TOTALS_MISMATCH, {"missing": "a", "expected": "1"})
        assert (len(bad.asked), parts.stored) == (2, {})


class TestJoining:
    async def test_f17_a4_parts_are_joined_only_under_the_same_marker(self) -> None:
        parts = MemoryParts()
        await pull(ScriptedPortal(answers(c=TRANSIENT)), parts)
        portal = ScriptedPortal(answers())
        assert isinstance(await pull(portal, parts, marker="m2"), Pulled)
        assert portal.names() == ["get a", "get b", "get c"]

    @pytest.mark.parametrize(
        ("minutes", "session", "asked"),
        [(30, "1", ["get c"]), (31, "1", ["get a", "get b", "get c"]), (1, "2", ["get a", "get b", "get c"])],
    )
    async def test_f17_a4_without_a_marker_only_within_one_session_and_half_an_hour(
        self, minutes: int, session: str, asked: list[str]
    ) -> None:
        parts = MemoryParts()
        await pull(ScriptedPortal(answers(c=TRANSIENT)), parts, marker=None)
        portal = ScriptedPortal(answers())
        later = NOW + timedelta(minutes=minutes)
        assert isinstance(await pull(portal, parts, marker=None, now=later, session=session), Pulled)
        assert portal.names() == asked

    async def test_a_kept_part_that_cannot_be_read_is_fetched_again(self) -> None:
        parts = MemoryParts()
        await parts.keep("a", b"[1", gen="m1", expected=3)
        await parts.keep("b", b'{"at":"soon","value":1}', gen="m1", expected=3)
        portal = ScriptedPortal(answers())
        assert isinstance(await pull(portal, parts), Pulled)
        assert portal.names() == ["get a", "get b", "get c"]

    @pytest.mark.parametrize("killed_at", range(3))
    async def test_killed_at_any_call_nothing_stored_is_fetched_twice(self, killed_at: int) -> None:
        parts = MemoryParts()
        dying, next_one = _DyingPortal(answers(), killed_at), ScriptedPortal(answers())
        with pytest.raises(RuntimeError):
            await pull(dying, parts)
        assert isinstance(await pull(next_one, parts), Pulled)
        assert [*dying.names()[:-1], *next_one.names()] == ["get a", "get b", "get c"]


class _DyingPortal(ScriptedPortal):
    def __init__(self, said: dict[str, Said | list[Said]], dies_at: int) -> None:
        super().__init__(said)
        self._dies_at = dies_at

    async def call(self, call: Call) -> Any:
        answer = await super().call(call)
        if len(self.asked) > self._dies_at:
            raise RuntimeError("killed")
        return answer


def links(count: int, mark: str = "") -> Files:
    return Files(KEY, tuple(Link(f"f{number}{mark}", "h") for number in range(1, count + 1)))


def token_of(result: object) -> str:
    assert isinstance(result, Refusal), result
    assert result.outcome is OutcomeClass.WAITING_PORTAL
    return result.detail["token"]


WAIT = Refusal(OutcomeClass.WAITING_PORTAL, "RTN_24", 200)
FILE = {"rows": [{"inum": "f", "val": 1}]}


class TestFiles:
    @staticmethod
    def said(**other: Said | list[Said]) -> dict[str, Said | list[Said]]:
        first: dict[str, Said | list[Said]] = answers(b={"token": "T1", "est": "30"})
        return {**first, "files T1": links(3), "f1": FILE, "f2": FILE, "f3": FILE, **other}

    async def test_the_others_are_read_while_the_portal_prepares_one(self) -> None:
        parts = MemoryParts()
        result = await pull(ScriptedPortal(self.said()), parts)
        assert isinstance(result, Refusal)
        assert (result.outcome, result.retry_after_ms) == (OutcomeClass.WAITING_PORTAL, 30 * 60_000)
        assert set(parts.stored) == {"a", "c"}
        assert "T1" in token_of(result)

    async def test_f17_a2_the_next_attempt_polls_instead_of_asking_anew(self) -> None:
        parts = MemoryParts()
        cont = token_of(await pull(ScriptedPortal(self.said()), parts))
        waiting = ScriptedPortal(self.said(**{"files T1": WAIT}))
        result = await pull(waiting, parts, cont=cont)
        assert token_of(result) == cont
        assert waiting.names() == ["files T1"]
        ready = ScriptedPortal(self.said())
        pulled = await pull(ready, parts, cont=token_of(result))
        assert isinstance(pulled, Pulled)
        assert [row["inum"] for row in pulled.values["b"]] == ["f", "f", "f"]
        assert ready.names() == ["files T1", "f1", "f2", "f3"]

    async def test_a_later_attempt_goes_on_at_the_file_that_failed(self) -> None:
        parts = MemoryParts()
        cont = token_of(await pull(ScriptedPortal(self.said()), parts))
        failed = await pull(ScriptedPortal(self.said(f2=TRANSIENT)), parts, cont=cont)
        assert isinstance(failed, Refusal)
        assert (failed.outcome, failed.detail) == (OutcomeClass.TRANSIENT, {"token": cont})
        again = ScriptedPortal(self.said())
        assert isinstance(await pull(again, parts, cont=cont), Pulled)
        assert again.names() == ["files T1", "f2", "f3"]

    @pytest.mark.parametrize("outcome", [OutcomeClass.INTEGRITY, OutcomeClass.CLIENT_BUG, OutcomeClass.UNKNOWN])
    async def test_f17_a3_a_link_that_ended_is_renewed(self, outcome: OutcomeClass) -> None:
        parts = MemoryParts()
        cont = token_of(await pull(ScriptedPortal(self.said()), parts))
        said = self.said(f2=Refusal(outcome), f2x=FILE, f3x=FILE)
        said["files T1"] = [links(3), links(3, "x")]
        portal = ScriptedPortal(said)
        assert isinstance(await pull(portal, parts, cont=cont), Pulled)
        assert portal.names() == ["files T1", "f1", "f2", "files T1", "f2x", "f3x"]

    async def test_a_file_that_stays_damaged_is_asked_for_anew_once(self) -> None:
        damaged = Refusal(OutcomeClass.INTEGRITY)
        parts, said = MemoryParts(), self.said(f1=damaged, **{"files T2": links(1)})
        cont = token_of(await pull(ScriptedPortal(said), parts))
        said["get b"] = {"token": "T2", "est": None}
        second = ScriptedPortal(said)
        cont = token_of(await pull(second, parts, cont=cont))
        assert second.names() == ["files T1", "f1", "files T1", "f1", "get b"]
        third = ScriptedPortal(said)
        result = await pull(third, parts, cont=cont)
        assert result == Incomplete(Code.INTEGRITY_MISMATCH, {"missing": "b", "expected": "3"})
        assert "get b" not in third.names()

    @pytest.mark.parametrize(("marker", "at_last"), [("m1", []), (None, ["get a"])])
    async def test_what_came_of_files_is_not_asked_for_anew_while_others_are_made(
        self, marker: str | None, at_last: list[str]
    ) -> None:
        parts, asked = MemoryParts(), list[list[str]]()
        second: dict[str, Said] = {"get c": {"token": "T2", "est": "30"}, "files T2": WAIT, "f1x": FILE}
        said = {**self.said(), **second}
        cont: str | None = None
        for minutes in (0, 31, 65):
            portal = ScriptedPortal(said)
            later = NOW + timedelta(minutes=minutes)
            cont = token_of(await pull(portal, parts, marker=marker, cont=cont, now=later))
            asked.append(portal.names())
        assert asked[1:] == [["files T1", "f1", "f2", "f3", "files T2"], ["files T2"]]
        ready, later = ScriptedPortal({**said, "files T2": links(1, "x")}), NOW + timedelta(minutes=100)
        pulled = await pull(ready, parts, marker=marker, cont=cont, now=later)
        assert isinstance(pulled, Pulled)
        assert {name: len(rows) for name, rows in pulled.values.items()} == {"a": 1, "b": 3, "c": 1}
        assert ready.names() == ["files T2", "f1x", *at_last]

    async def test_without_a_marker_nothing_else_is_read_before_the_files_are_there(self) -> None:
        parts = MemoryParts()
        cont = token_of(await pull(ScriptedPortal(self.said()), parts, marker=None))
        later = NOW + timedelta(minutes=45)
        waiting = ScriptedPortal(self.said(**{"files T1": WAIT}))
        assert token_of(await pull(waiting, parts, marker=None, cont=cont, now=later)) == cont
        assert waiting.names() == ["files T1"]
        ready = ScriptedPortal(self.said())
        assert isinstance(await pull(ready, parts, marker=None, cont=cont, now=later), Pulled)
        assert ready.names() == ["files T1", "f1", "f2", "f3", "get a", "get c"]

    async def test_without_a_marker_another_session_asks_anew(self) -> None:
        cont = token_of(await pull(ScriptedPortal(self.said()), marker=None))
        portal = ScriptedPortal(answers())
        assert isinstance(await pull(portal, marker=None, cont=cont, session="2"), Pulled)
        assert portal.names() == ["get a", "get b", "get c"]

    async def test_files_of_data_that_has_changed_are_not_gone_on_with(self) -> None:
        cont = token_of(await pull(ScriptedPortal(self.said())))
        changed = ScriptedPortal(answers())
        assert isinstance(await pull(changed, marker="m2", cont=cont), Pulled)
        assert changed.names() == ["get a", "get b", "get c"]

    async def test_a_portal_that_is_busy_without_a_token_is_waited_for(self) -> None:
        result = await pull(ScriptedPortal(answers(b=WAIT)))
        assert isinstance(result, Refusal)
        assert (result.outcome, result.detail) == (OutcomeClass.WAITING_PORTAL, {})

    @pytest.mark.parametrize("token", ["", 7, "two words", "a,b", "a|b", "x" * 201, "é"])
    async def test_a_token_that_is_no_word_is_not_carried(self, token: object) -> None:
        result = await pull(ScriptedPortal(answers(b={"token": token, "est": "30"})))
        assert isinstance(result, Incomplete)
        assert result.code is Code.INTEGRITY_MISMATCH


WORDS = st.text("abcdefgh0123456789-_", min_size=1, max_size=200)


@settings(derandomize=True, deadline=None)
@given(st.dictionaries(st.text("abcdef0123", min_size=1, max_size=9), st.builds(Waiting, WORDS, st.integers(0, 3))))
def test_a_continuation_holds_what_fits_and_gives_it_back(waiting: dict[str, Waiting]) -> None:
    stamp = stamp_of("marker")
    cont = continuation(waiting, stamp)
    assert cont is None or len(cont) <= MAX_CONT_CHARS
    found = continued(cont, stamp)
    assert all(waiting[name] == one for name, one in found.items())
    assert len(found) == len(waiting) or len(cont or "") + 220 > MAX_CONT_CHARS
    assert continued(cont, stamp_of("other")) == {}


@settings(derandomize=True, deadline=None)
@given(st.text())
def test_any_text_as_a_continuation_is_read_without_a_mistake(text: str) -> None:
    assert isinstance(continued(text, "-"), dict)


async def test_the_bucket_that_another_one_waits_for_is_no_token() -> None:
    portal = ScriptedPortal(answers())
    assert isinstance(await pull(portal, cont="bucket:b_1"), Pulled)
