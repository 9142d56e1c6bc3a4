"""What metrics and traces are told of an ending."""

from sync_contracts.events import Timing
from sync_contracts.outcomes import Code
from sync_runtime.metrics import Metrics
from sync_worker.app import METRICS
from sync_worker.execution.retry import Done, Ending, GiveUp, Stopped, TryAgain
from sync_worker.execution.runner import Ended
from sync_worker.observing import SLOW_MS, Observing, code_of, error_of
from sync_worker.portal.calls import CallMade
from sync_worker.recent_calls import RecentCalls

from tests.unit.worker.records import command, delivery


def test_each_ending_has_a_code() -> None:
    endings: list[Ending] = [Done(Code.OK), TryAgain(Code.RATE_LIMITED, False), GiveUp(Code.OTP_REQUIRED), Stopped()]
    assert [code_of(ending) for ending in endings] == ["OK", "RATE_LIMITED", "OTP_REQUIRED", "CANCELLED_BY_USER"]


def test_only_failures_are_errors() -> None:
    assert error_of(GiveUp(Code.OTP_REQUIRED)) == "OTP_REQUIRED"
    assert error_of(TryAgain(Code.PORTAL_ERROR, True)) == "PORTAL_ERROR"
    assert error_of(TryAgain(Code.RATE_LIMITED, False)) is None
    assert error_of(Done(Code.UNCHANGED)) is None
    assert error_of(Stopped()) is None


def test_an_end_is_counted_with_its_calls_and_told_to_traces() -> None:
    metrics, recent = Metrics(METRICS), RecentCalls()
    told: list[tuple[str, str | None, bool]] = []

    def unit_span(_ended: Ended, code: str, *, error: str | None, slow: bool) -> None:
        told.append((code, error, slow))

    observing = Observing(metrics, unit_span, recent, lambda: 100.0)
    delivered = delivery(command())
    calls = (CallMade("GET2B", 1_000, 40, 200), CallMade("GET2B", 2_000, 40, 0))
    observing.ended(Ended(delivered, Done(Code.OK), Timing(calls=2), 0, SLOW_MS - 1, calls))
    observing.ended(Ended(delivered, GiveUp(Code.OTP_REQUIRED), Timing(), 0, SLOW_MS))

    module = delivered.command.module
    assert told == [("OK", None, False), ("OTP_REQUIRED", "OTP_REQUIRED", True)]
    assert {name: recent.told(100.0)[name] for name in ("calls", "errors")} == {"calls": 2, "errors": 1}
    exposed = metrics.exposition().decode()
    assert f'worker_units_total{{code="OK",module="{module}"}} 1.0' in exposed
    assert f'worker_units_total{{code="OTP_REQUIRED",module="{module}"}} 1.0' in exposed
    assert f'worker_portal_calls_total{{module="{module}"}} 2.0' in exposed
    assert f'worker_unit_seconds_count{{module="{module}"}} 2.0' in exposed
