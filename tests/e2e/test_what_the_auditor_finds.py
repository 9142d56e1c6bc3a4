"""After everything else in this folder: log and documents are judged by the product's own fold."""

from tests.support.faulty_runs import audited
from tests.support.registrations import registrations
from tests.support.running_stack import RunningStack


def test_no_promise_was_broken(running: RunningStack) -> None:
    practice, clients = running.practice("audited"), registrations(8)
    practice.take_on(clients)
    practice.ended(practice.start("notices", "return_register", "gstr2b"))

    report = audited(running, clients)

    assert report.violations == []
    assert report.counts["units_S"] >= 3 * len(clients)
    assert report.counts["buckets_ended"] == report.counts["buckets"]
