"""Runs and effects of retries, from a bucket's document and pages."""

from typing import Any

from bucket_api.buckets.actions import Action, actions_of, by_id, by_key
from bucket_api.buckets.counters import from_result
from bucket_api.buckets.effects import Effect, Tallies, control_done, effect_of, taken_by, told_by
from bucket_api.buckets.runs import runs_of
from bucket_api.buckets.units import Layout, placed
from sync_contracts.pages import Page, page_document
from sync_contracts.units import Unit

LAYOUT = Layout(100, (("gstr2b", "2026-10"),))


def result(round_: int, status: str, succeeded: int, failed: int) -> dict[str, Any]:
    shown = [0] * 13
    shown[4], shown[9] = succeeded, failed
    counts = {"p": 0, "w": 0, "d": 0, "r": 0, "s": succeeded, "f": failed, "c": 0}
    h = ",".join(map(str, shown))
    return {"round": round_, "status": status, "counts": counts, "h": h, "v": 10 + round_, "at": 1_000 * (round_ + 1)}


def retry(round_: int, units: int, **more: Any) -> dict[str, Any]:
    return {"round": round_, "key": f"k{round_}", "n": units, "by": "us_x", "at": 500 * round_, "filter": {}, **more}


def bucket(*results: dict[str, Any], retries: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {
        "_id": "b_1", "n_units": 5, "created_by": "us_x", "created_at": 1, "retries": list(retries), "controls": [],
        "results": list(results),
    }  # fmt: skip


def page(*units: Unit) -> dict[str, Any]:
    clients = tuple(f"c_{n}" for n in range(len(units)))
    return page_document(Page("b_1:00000", "b_1", 0, "t", 0, 3, 2, clients, tuple((unit,) for unit in units)))


def test_f02_a5_each_run_keeps_the_counts_that_it_ended_with() -> None:
    document = bucket(result(0, "PARTIAL", 2, 3), result(1, "COMPLETED", 5, 0), retries=(retry(1, 3),))
    first, second = runs_of(document)
    assert first.end is not None
    assert second.end is not None
    assert (first.number, first.kind, first.units, first.verdict) == (1, "start", 5, "complete_with_gaps")
    assert (first.end.shown["changed"], first.end.shown["failed"], first.ended_with) == (2, 3, 1)
    assert (second.number, second.kind, second.units, second.verdict) == (2, "retry", 3, "complete")
    assert (second.end.shown["failed"], second.end.version, second.end.at_ms) == (0, 11, 2_000)


def test_runs_that_end_together_have_one_verdict() -> None:
    document = bucket(result(2, "PARTIAL", 4, 1), retries=(retry(1, 2), retry(2, 1)))
    assert [(run.verdict, run.ended_with) for run in runs_of(document)] == [("complete_with_gaps", 3)] * 3
    still_open = bucket(result(0, "PARTIAL", 4, 1), retries=(retry(1, 1),))
    assert [(run.verdict, run.ended_with) for run in runs_of(still_open)] == [("complete_with_gaps", 1), (None, None)]


def effect(document: dict[str, Any], round_: int, *pages: dict[str, Any]) -> Effect:
    tallies = Tallies()
    for each in pages:
        tallies.add(each)
    action = by_key(document, f"k{round_}")
    assert action is not None
    return effect_of(action, document, tallies)


def test_a_run_that_began_and_ended_alone_is_told_by_results_even_when_its_pages_are_gone() -> None:
    document = bucket(result(0, "PARTIAL", 2, 3), result(1, "PARTIAL", 4, 1), retries=(retry(1, 3),))
    assert effect(document, 1) == Effect(attempted=3, succeeded=2, failed=1, done=True)


def test_a_run_that_shares_its_end_or_goes_on_is_told_by_the_pages() -> None:
    units = (Unit("S", 1), Unit("S", 1001), Unit("F", 1002, e="UNKNOWN"), Unit("R", 1001), Unit("W", 1000))
    going = bucket(retries=(retry(1, 4),))
    assert effect(going, 1, page(*units)) == Effect(attempted=3, succeeded=1, failed=1, done=False)
    shared = bucket(result(1, "PARTIAL", 3, 2), retries=(retry(1, 4),))
    assert effect(shared, 1, page(*units)).done is True


def test_a_unit_that_a_later_retry_took_up_counts_there() -> None:
    document = bucket(retries=(retry(1, 2), retry(2, 1)))
    pages = page(Unit("S", 1001), Unit("W", 2000))
    assert effect(document, 1, pages) == Effect(attempted=1, succeeded=1, failed=0, done=False)
    assert effect(document, 2, pages) == Effect(attempted=0, succeeded=0, failed=0, done=False)


def test_what_a_retry_took_is_known_before_its_page_has_applied_it_and_after() -> None:
    before = bucket(retries=(retry(1, 2, sel={"0": b"\x03"}),))
    units = [Unit("F", 1, e="UNKNOWN"), Unit("F", 1, e="UNKNOWN"), Unit("S", 1)]
    assert _taken(before, *units) == ["u_0_0", "u_1_0"]
    after = bucket(retries=(retry(1, 2),))
    assert _taken(after, Unit("W", 1000), Unit("S", 1001), Unit("S", 1)) == ["u_0_0", "u_1_0"]


def _taken(document: dict[str, Any], *units: Unit) -> list[str]:
    (action,) = actions_of(document)
    takes = taken_by(action, LAYOUT)
    return [unit.id for unit in placed(page(*units), LAYOUT) if takes(unit)]


def test_a_cancel_took_what_is_cancelled_or_open_a_pause_what_is_open() -> None:
    units = (Unit("C", 1), Unit("W"), Unit("S", 1), Unit("R", 1))
    found = {}
    for kind in ("cancel", "pause"):
        takes = taken_by(Action("ac_1", kind, "k", "us_x", 1, {}), LAYOUT)
        found[kind] = [unit.id for unit in placed(page(*units), LAYOUT) if takes(unit)]
    assert found == {"cancel": ["u_0_0", "u_1_0", "u_3_0"], "pause": ["u_1_0", "u_3_0"]}


def test_a_cancel_is_told_by_the_end_of_its_own_round_whatever_runs_later() -> None:
    control = {"id": "ac_c", "kind": "cancel", "key": "c", "by": "us_y", "at": 900, "reason": None}
    (cancel,) = actions_of(bucket() | {"controls": [control]})
    now = from_result(result(9, "COMPLETED", 5, 0))
    cancelling = bucket() | {"controls": [control], "status": "RUNNING", "control": "CANCEL"}
    assert control_done(cancel, cancelling, now) is False
    assert told_by(cancel, cancelling, now) == now
    again = bucket(result(0, "PARTIAL", 2, 3), retries=(retry(1, 3),))
    again |= {"controls": [control], "status": "RUNNING", "control": "RUN"}
    assert control_done(cancel, again, now) is True
    assert told_by(cancel, again, now).shown["failed"] == 3
    second = control | {"id": "ac_d", "key": "d", "at": 1_500}
    again |= {"controls": [control, second], "control": "CANCEL"}
    newest, first = (action for action in actions_of(again) if action.kind == "cancel")
    assert (control_done(newest, again, now), control_done(first, again, now)) == (False, True)
    assert (told_by(newest, again, now), told_by(first, again, now).shown["failed"]) == (now, 3)


def test_actions_are_found_by_key_and_by_id_newest_first() -> None:
    control = {"id": "ac_c", "kind": "pause", "key": "p", "by": "us_y", "at": 700, "reason": "lunch"}
    document = bucket(retries=(retry(1, 2), retry(2, 1))) | {"controls": [control]}
    found = actions_of(document)
    assert [action.kind for action in found] == ["retry", "pause", "retry"]
    assert by_id(document, found[0].id) == by_key(document, "k2")
    assert (found[1].note, found[1].round, found[0].round) == ("lunch", None, 2)
    assert by_key(document, "none") is None
