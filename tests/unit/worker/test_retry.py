"""The retry table: which outcome is tried again, when, whether it counts, and what is a verdict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sync_contracts.events import MAX_DELAY_MS
from sync_contracts.outcomes import COUNTED_RETRIES, HUMAN_GATED, SUCCESSES, UNCOUNTED_RETRIES, Code, OutcomeClass
from sync_contracts.units import Unit
from sync_worker.execution.retry import (
    DELAYS,
    Done,
    GiveUp,
    TryAgain,
    after_incomplete,
    after_refusal,
    attached,
    back_off,
    crash_loop,
    taken_over,
)
from sync_worker.modules.port import SESSION_BUSY, Incomplete, Refusal

OPEN = Unit("D", 1)

AGAIN = [
    (OutcomeClass.TRANSIENT, Code.PORTAL_ERROR, True),
    (OutcomeClass.REFRESH, Code.PORTAL_ERROR, True),
    (OutcomeClass.REHANDSHAKE, Code.PORTAL_ERROR, True),
    (OutcomeClass.REFETCH_CERT, Code.PORTAL_ERROR, True),
    (OutcomeClass.INTEGRITY, Code.INTEGRITY_MISMATCH, True),
    (OutcomeClass.UNKNOWN, Code.UNKNOWN, True),
    (OutcomeClass.RATE_LIMITED, Code.RATE_LIMITED, False),
    (OutcomeClass.MAINTENANCE, Code.PORTAL_MAINTENANCE, False),
    (OutcomeClass.LINE_DOWN, Code.LINE_DOWN, False),
    (OutcomeClass.SESSION_CAP, Code.SESSION_CAP, False),
    (OutcomeClass.WAITING_PORTAL, Code.PORTAL_PREPARING, False),
]
VERDICTS = [
    (OutcomeClass.OTP_REQUIRED, Code.OTP_REQUIRED),
    (OutcomeClass.OTP_INVALID, Code.OTP_REQUIRED),
    (OutcomeClass.ACCESS_DISABLED, Code.ACCESS_DISABLED),
    (OutcomeClass.CONSENT_EXPIRED, Code.CONSENT_EXPIRED),
    (OutcomeClass.CREDENTIAL_INVALID, Code.CREDENTIAL_INVALID),
    (OutcomeClass.PASSWORD_EXPIRED, Code.PASSWORD_EXPIRED),
    (OutcomeClass.ACCOUNT_LOCKED, Code.ACCOUNT_LOCKED),
    (OutcomeClass.SERVICE_CONFIG, Code.SERVICE_CONFIG),
    (OutcomeClass.CLIENT_BUG, Code.REQUEST_REJECTED),
]
SUCCEEDED = [
    (OutcomeClass.EMPTY, Code.EMPTY),
    (OutcomeClass.UNCHANGED, Code.UNCHANGED),
    (OutcomeClass.NOT_APPLICABLE, Code.NOT_APPLICABLE),
    (OutcomeClass.NOT_YET, Code.NOT_YET),
    (OutcomeClass.PRECONDITION, Code.PRECONDITION),
]


@pytest.mark.parametrize(("outcome", "code", "counted"), AGAIN)
def test_these_outcomes_are_tried_again(outcome: OutcomeClass, code: Code, counted: bool) -> None:
    ending = after_refusal(Refusal(outcome), OPEN, 0.5)
    assert isinstance(ending, TryAgain)
    assert (ending.code, ending.counted) == (code, counted)
    assert (code in COUNTED_RETRIES, code in UNCOUNTED_RETRIES) == (counted, not counted)


@pytest.mark.parametrize(("outcome", "code"), VERDICTS)
def test_these_outcomes_are_verdicts_and_keep_the_portals_code(outcome: OutcomeClass, code: Code) -> None:
    assert after_refusal(Refusal(outcome, "AUTH4032"), OPEN, 0.5) == GiveUp(code, "AUTH4032")


@pytest.mark.parametrize(("outcome", "code"), SUCCEEDED)
def test_these_outcomes_are_answers(outcome: OutcomeClass, code: Code) -> None:
    assert after_refusal(Refusal(outcome), OPEN, 0.5) == Done(code)
    assert code in SUCCESSES


def test_every_outcome_class_has_an_ending() -> None:
    assert {row[0] for row in (*AGAIN, *VERDICTS, *SUCCEEDED)} == set(OutcomeClass) - {OutcomeClass.OK}
    assert isinstance(after_refusal(Refusal(OutcomeClass.OK), OPEN, 0.5), TryAgain)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(OutcomeClass.INTEGRITY, Code.INTEGRITY_MISMATCH), (OutcomeClass.UNKNOWN, Code.UNKNOWN)],
)
def test_the_second_of_its_kind_in_a_row_is_the_verdict(outcome: OutcomeClass, code: Code) -> None:
    assert after_refusal(Refusal(outcome), Unit("W", 2, 1, e=code.value), 0.5) == GiveUp(code)
    assert isinstance(after_refusal(Refusal(outcome), Unit("W", 2, 1, e="PORTAL_ERROR"), 0.5), TryAgain)


def test_incomplete_data_is_a_verdict_except_for_a_first_mismatch() -> None:
    assert after_incomplete(Incomplete(Code.SECTION_MISSING), OPEN, 0.5) == GiveUp(Code.SECTION_MISSING)
    assert after_incomplete(Incomplete(Code.TOTALS_MISMATCH), OPEN, 0.5) == GiveUp(Code.TOTALS_MISMATCH)
    assert isinstance(after_incomplete(Incomplete(Code.INTEGRITY_MISMATCH), OPEN, 0.5), TryAgain)


def test_what_a_person_must_do_is_never_retried() -> None:
    codes = {after_refusal(Refusal(outcome), OPEN, 0.5).code for outcome, _ in VERDICTS}  # type: ignore[union-attr]
    assert codes & HUMAN_GATED == HUMAN_GATED - {Code.HUMAN_STEP}


def test_a_busy_session_waits_for_its_client() -> None:
    ending = after_refusal(Refusal(OutcomeClass.TRANSIENT, SESSION_BUSY), OPEN, 0.0)
    assert isinstance(ending, TryAgain)
    assert (ending.code, ending.counted) == (Code.CLIENT_SERIAL, False)


def test_a_stopped_log_in_is_a_verdict_without_the_portal() -> None:
    assert after_refusal(Refusal(OutcomeClass.CREDENTIAL_INVALID, "LOGIN_GUARD"), OPEN, 0) == GiveUp(Code.LOGIN_GUARD)


def test_the_file_token_travels_as_continuation() -> None:
    refusal = Refusal(OutcomeClass.WAITING_PORTAL, retry_after_ms=1_800_000, detail={"token": "abc"})
    ending = after_refusal(refusal, OPEN, 0.0)
    assert ending == TryAgain(Code.PORTAL_PREPARING, False, 1_800_000, "abc")


def test_text_of_the_portal_never_becomes_a_code() -> None:
    ending = after_refusal(Refusal(OutcomeClass.CLIENT_BUG, "Invalid GSTIN 27AAACB1234C1Z5"), OPEN, 0.5)
    assert ending == GiveUp(Code.REQUEST_REJECTED, None)


@given(st.integers(0, 2**31), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_shorter_than_the_portal_asked_for(retry_after_ms: int, jitter: float) -> None:
    ending = after_refusal(Refusal(OutcomeClass.RATE_LIMITED, retry_after_ms=retry_after_ms), OPEN, jitter)
    assert isinstance(ending, TryAgain)
    assert min(retry_after_ms, MAX_DELAY_MS) <= ending.delay_ms <= MAX_DELAY_MS


@given(st.integers(0, 900), st.floats(0, 1, exclude_max=True))
def test_back_off_doubles_within_limits(failures: int, jitter: float) -> None:
    delay = back_off(failures, jitter)
    assert 1_000 <= delay <= 450_000
    if failures < 6:
        assert back_off(failures + 1, jitter) in {2 * delay, 2 * delay + 1}


def test_endings_without_a_call() -> None:
    crashed, taken = crash_loop(OPEN, 0.5), taken_over(0.5)
    assert isinstance(crashed, TryAgain)
    assert isinstance(taken, TryAgain)
    assert (crashed.code, crashed.counted) == (Code.CRASH_LOOP, True)
    assert (taken.code, taken.counted) == (Code.CLIENT_SERIAL, False)
    assert attached("b_2", 60_000, 0.0) == TryAgain(Code.ATTACHED, False, 60_000, "bucket:b_2")
    assert attached("b_2", 0, 0.0) == TryAgain(Code.ATTACHED, False, DELAYS.attached_ms, "bucket:b_2")
