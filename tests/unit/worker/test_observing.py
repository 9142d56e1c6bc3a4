"""What metrics and traces are told of an ending."""

from sync_contracts.outcomes import Code
from sync_worker.execution.retry import Done, Ending, GiveUp, Stopped, TryAgain
from sync_worker.observing import code_of, error_of


def test_each_ending_has_a_code() -> None:
    endings: list[Ending] = [Done(Code.OK), TryAgain(Code.RATE_LIMITED, False), GiveUp(Code.OTP_REQUIRED), Stopped()]
    assert [code_of(ending) for ending in endings] == ["OK", "RATE_LIMITED", "OTP_REQUIRED", "CANCELLED_BY_USER"]


def test_only_failures_are_errors() -> None:
    assert error_of(GiveUp(Code.OTP_REQUIRED)) == "OTP_REQUIRED"
    assert error_of(TryAgain(Code.PORTAL_ERROR, True)) == "PORTAL_ERROR"
    assert error_of(TryAgain(Code.RATE_LIMITED, False)) is None
    assert error_of(Done(Code.UNCHANGED)) is None
    assert error_of(Stopped()) is None
