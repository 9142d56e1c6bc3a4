"""The two codes of refusals that are ours are understood where an attempt ends."""

from sync_contracts.outcomes import Code, OutcomeClass
from sync_contracts.units import Unit
from sync_worker.execution.retry import GiveUp, TryAgain, after_refusal
from sync_worker.modules.port import LOGIN_GUARD, SESSION_BUSY, Refusal

RUNNING = Unit("R", 1)


def test_a_busy_session_is_tried_again_without_being_counted() -> None:
    ending = after_refusal(Refusal(OutcomeClass.RATE_LIMITED, SESSION_BUSY), RUNNING, 0.0)
    assert isinstance(ending, TryAgain)
    assert (ending.code, ending.counted) == (Code.CLIENT_SERIAL, False)


def test_a_guarded_client_is_given_up() -> None:
    assert after_refusal(Refusal(OutcomeClass.CREDENTIAL_INVALID, LOGIN_GUARD), RUNNING, 0.0) == GiveUp(
        Code.LOGIN_GUARD
    )
