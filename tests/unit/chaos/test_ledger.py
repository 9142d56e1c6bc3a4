"""A run of chaos fails when a promise broke, when a fault was injected too seldom, or when a guard never fired."""

from collections import Counter

from tests.chaos.guards import Sampler, counters
from tests.chaos.ledger import Class, Ledger

DONE = Class("worker killed", 3, 3, 1.0)
GUARD = "compare-and-set failed"
ABSORBED = 'aggregator_pages_total{outcome="absorbed"}'


def test_a_run_without_violations_in_which_everything_happened_passes() -> None:
    ledger = Ledger([DONE], Counter({GUARD: 1}))

    assert ledger.failures(guards=[GUARD], may_skip=False) == []


def test_a_broken_promise_a_missing_fault_and_a_quiet_guard_fail_it() -> None:
    ledger = Ledger([DONE, Class("disk full", 2, 1, 1.0)], violations=["I1 broken"])

    failures = ledger.failures(guards=[GUARD], may_skip=True)

    assert failures == ["I1 broken", "disk full: injected 1 of 2", f"guard never fired: {GUARD}"]


def test_ledgers_of_families_add_up() -> None:
    whole = Ledger([DONE], Counter({GUARD: 1}), Counter({"buckets": 2, "most MiB": 90}), ["one"])

    whole.add(Ledger([DONE], Counter({GUARD: 2}), Counter({"buckets": 3, "most MiB": 80}), ["two"], ["a note"]))

    assert (whole.classes, whole.guards[GUARD], whole.notes) == ([DONE, DONE], 3, ["a note"])
    assert (whole.counts, whole.violations) == (Counter({"buckets": 5, "most MiB": 90}), ["one", "two"])


def test_what_cannot_be_injected_here_may_be_skipped_but_not_in_ci() -> None:
    ledger = Ledger([Class("disk full", 1, 0, 0.0, "no mount")])

    assert ledger.failures(guards=(), may_skip=True) == []
    assert ledger.failures(guards=(), may_skip=False) == ["disk full: injected 0 of 1"]


def test_counters_of_a_process_that_began_anew_are_added_up() -> None:
    sampler = Sampler(dict)

    for value in (2.0, 5.0, 1.0, 1.0):
        sampler.take("aggregator-0", {ABSORBED: value})

    assert sampler.fired["fold without effect"] == 6


def test_only_the_guards_are_read_from_the_metrics() -> None:
    text = f'# HELP x\n{ABSORBED} 4.0\naggregator_pages_total{{outcome="written"}} 9.0\n'

    assert counters(text) == {ABSORBED: 4.0}
