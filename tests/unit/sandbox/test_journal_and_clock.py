from datetime import UTC, date, datetime

import pytest
from portal_sandbox.assumptions import load_assumptions
from portal_sandbox.calls import Call
from portal_sandbox.clock import VirtualClock
from portal_sandbox.journal import Filter, Journal, max_in_flight
from portal_sandbox.settings import Settings

START = datetime(2026, 11, 13, 18, 0, tzinfo=UTC)


def call(gstin: str = "a", action: str = "GET2B") -> Call:
    return Call("taxpayer", action, gstin)


def test_journal_counts_what_runs_at_once() -> None:
    journal = Journal()
    one, two = journal.begin(call("a"), 1.0), journal.begin(call("b"), 2.0)
    assert (one.in_flight, two.in_flight, two.gstin_in_flight) == (1, 2, 1)
    for entry in (one, two):
        journal.end(entry, http=200, code="", ms=5.0)
    third = journal.begin(call("a"), 3.0)
    assert third.in_flight == 1
    entries = journal.select(Filter())
    assert max_in_flight(entries, of_gstin=False) == 2
    assert max_in_flight(entries, of_gstin=True) == 1


def test_journal_filters_and_goes_on_counting_after_a_clear() -> None:
    journal = Journal()
    for index, action in enumerate(("GET2B", "RETTRACK", "GET2B")):
        journal.end(journal.begin(call(action=action), float(index)), http=200, code="RET2B1023", ms=1.0)
    assert [entry.seq for entry in journal.select(Filter(action="GET2B"))] == [1, 3]
    assert [entry.seq for entry in journal.select(Filter(since_seq=2, to_s=2.0))] == [2]
    assert journal.select(Filter(code="GEN5008")) == []
    journal.clear()
    assert journal.begin(call(), 9.0).seq == 4


def test_clock_moves_forward_only_and_tells_the_day_in_india() -> None:
    clock = VirtualClock(start_at=START, real=lambda: 1000.0)
    assert clock.now() == START
    assert clock.today() == date(2026, 11, 13)
    clock.advance(3600)
    assert clock.today() == date(2026, 11, 14)
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)


def test_assumptions_are_typed_and_closed() -> None:
    assumptions = load_assumptions({"session.otp_life_s": 60})
    assert assumptions.integer("session.otp_life_s") == 60
    with pytest.raises(TypeError):
        assumptions.text("session.otp_life_s")
    with pytest.raises(TypeError):
        assumptions.integer("session.new_login_kills_old")
    with pytest.raises(KeyError):
        assumptions.text("no.such")
    with pytest.raises(ValueError, match="not an assumption"):
        load_assumptions({"no.such": 1})


def test_every_assumption_carries_its_weight() -> None:
    for key, assumption in load_assumptions().items():
        assert assumption.mark in {"S", "S-", "I", "U", "D"}, key
        assert assumption.evidence, key


def test_every_profile_names_the_same_numbers() -> None:
    names: dict[str, set[str]] = {"demo": set(), "assumed": set(), "instant": set()}
    for key in dict(load_assumptions().items()):
        if key.startswith("profile."):
            _, profile, name = key.split(".")
            names[profile].add(name)
    assert names["demo"] == names["assumed"] == names["instant"]


def test_control_port_listens_on_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        Settings(control_host="0.0.0.0")
