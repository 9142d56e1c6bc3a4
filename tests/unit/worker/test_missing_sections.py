"""How an attempt ends of which only some sections came, and what is left to the next one."""

import pytest
from sync_contracts.outcomes import Code, OutcomeClass
from sync_contracts.units import DEFAULT_LIMITS, Unit
from sync_worker.execution.retry import Done, GiveUp, TryAgain, after_incomplete, after_refusal, going_on
from sync_worker.modules.port import Incomplete, Refusal

MISSING = {"missing": "cdnr", "expected": "3"}
SYSTEM_FAILURE = Refusal(OutcomeClass.TRANSIENT, "RET12501", 200)


def missing(cause: Refusal | None) -> Incomplete:
    return Incomplete(Code.SECTION_MISSING, MISSING, cause)


@pytest.mark.parametrize("failures", range(DEFAULT_LIMITS.max_failures))
def test_f12_a3_a_system_failure_of_one_section_is_tried_again_then_the_section_is_missing(failures: int) -> None:
    ending = after_incomplete(missing(SYSTEM_FAILURE), Unit("R", 1, failures), 0.5)
    if failures + 1 < DEFAULT_LIMITS.max_failures:
        assert isinstance(ending, TryAgain)
        assert (ending.code, ending.counted, ending.pcode) == (Code.PORTAL_ERROR, True, "RET12501")
    else:
        assert ending == GiveUp(Code.SECTION_MISSING, "RET12501")


def test_an_unknown_code_of_one_section_is_tried_once_more_and_shown() -> None:
    odd = missing(Refusal(OutcomeClass.UNKNOWN, "ODD-1", 200))
    first = after_incomplete(odd, Unit("R", 1), 0.5)
    assert isinstance(first, TryAgain)
    assert (first.code, first.pcode) == (Code.UNKNOWN, "ODD-1")
    assert after_incomplete(odd, Unit("R", 2, 1, e="UNKNOWN"), 0.5) == GiveUp(Code.SECTION_MISSING, "ODD-1")


def test_a_section_that_will_not_come_is_not_tried_again() -> None:
    assert after_incomplete(missing(None), Unit("R", 1), 0.5) == GiveUp(Code.SECTION_MISSING)


@pytest.mark.parametrize("outcome", [OutcomeClass.WAITING_PORTAL, OutcomeClass.TRANSIENT, OutcomeClass.RATE_LIMITED])
def test_a_token_goes_into_the_next_attempt_whatever_ended_this_one(outcome: OutcomeClass) -> None:
    ending = after_refusal(Refusal(outcome, detail={"token": "t"}), Unit("R", 1), 0.5)
    assert isinstance(ending, TryAgain)
    assert ending.cont == "t"


def test_an_attempt_that_never_looked_at_its_files_leaves_their_token() -> None:
    waiting = TryAgain(Code.CLIENT_SERIAL, False)
    assert going_on(waiting, "t") == TryAgain(Code.CLIENT_SERIAL, False, cont="t")
    assert going_on(TryAgain(Code.ATTACHED, False, cont="bucket:b"), "t").cont == "bucket:b"  # type: ignore[union-attr]
    assert going_on(waiting, None) == going_on(waiting, "bucket:b") == waiting
    assert going_on(Done(Code.OK), "t") == Done(Code.OK)
