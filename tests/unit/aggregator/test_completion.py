"""When a bucket has ended: every page there, in its round, nothing open, and the units say the same as the counters."""

from msgspec.structs import replace
from status_aggregator.completion import RETENTION_MS, complete, has_ended, miscounts, unselect
from status_aggregator.views import ActiveBucket, PageView, lagging, summary_document, sums, view_from
from sync_contracts.outcomes import Code
from sync_contracts.pages import Page, page_document, with_units
from sync_contracts.units import Unit

from tests.support.planted import Plan

NOW = 9_000
BUCKET = ActiveBucket("b_one", "t_one", 0, "RUN", 0, 1_000_000, 2, {})


def ended(*states: str) -> list[Page]:
    """Two pages of one unit each."""
    code = {"S": None, "F": Code.OTP_REQUIRED.value, "C": Code.CANCELLED_BY_USER.value}
    pages = Plan(clients=2, columns=1, page_size=1).pages()
    return [
        with_units(page, {(0, 0): Unit(state, 1, e=code[state])})  # type: ignore[arg-type] # a state by its letter
        for page, state in zip(pages, states, strict=True)
    ]


def views(pages: list[Page]) -> list[PageView]:
    return [view_from(page_document(page)) for page in pages]


def test_a_completion_says_what_came_of_every_unit() -> None:
    done = complete(BUCKET, views(ended("S", "F")), NOW)

    assert done is not None
    assert (done.status, done.round) == ("PARTIAL", 0)
    update = done.update()
    counts = {"p": 0, "w": 0, "d": 0, "r": 0, "s": 1, "f": 1, "c": 0}
    shown = "0,0,0,0,1,0,0,0,1,0,0,0,0"
    result = {"round": 0, "status": "PARTIAL", "counts": counts, "h": shown, "v": 2, "at": NOW}
    assert update["$push"]["results"] == result
    assert update["$set"]["purge_at"] == NOW + RETENTION_MS
    assert update["$set"]["summary"] == {"seq": 2, "at": NOW, **counts, "h": shown}
    assert set(update["$unset"]) == {"active", "retries.$[].sel"}


def test_an_open_unit_keeps_the_bucket_running() -> None:
    pages = [*ended("S", "S")[:1], Plan(clients=2, columns=1, page_size=1).pages()[1]]

    assert complete(BUCKET, views(pages), NOW) is None


def test_a_page_behind_the_round_keeps_the_bucket_running() -> None:
    retried = replace(BUCKET, round=1)
    one, two = views(ended("S", "F"))

    assert not has_ended(retried, sums([one, two]), [one, two])
    assert lagging([replace(one, r=1), two], 1) == [1]
    assert has_ended(retried, sums([one, two]), [replace(one, r=1), replace(two, r=1)])


def test_a_page_ahead_of_the_bucket_that_was_read_keeps_it_running() -> None:
    one, two = views(ended("S", "F"))

    assert complete(BUCKET, [one, replace(two, r=1)], NOW) is None


def test_a_missing_page_keeps_the_bucket_running() -> None:
    assert complete(replace(BUCKET, n_pages=3), views(ended("S", "S")), NOW) is None


def test_counters_that_differ_from_the_units_are_found() -> None:
    page = ended("S", "S")[0]
    view = views([page])[0]

    assert miscounts(page, view) is None
    wrong = miscounts(page, replace(view, counters={**view.counters, "cs": 2}))
    assert wrong is not None
    assert (wrong.page, wrong.stored["cs"], wrong.counted["cs"]) == (0, 2, 1)
    assert miscounts(page, replace(view, h="1" + view.h)) is not None


def test_sums_add_counters_displays_and_versions() -> None:
    summed = sums(views([*ended("S", "C"), *Plan(clients=1, columns=3).pages()]))

    assert summed.totals == {"p": 3, "w": 0, "d": 0, "r": 0, "s": 1, "f": 0, "c": 1}
    assert summed.h == "3,0,0,0,1,0,0,0,0,0,0,0,1"
    assert (summed.pages, summed.v, summed.lowest_r) == (3, 2, 0)
    assert summary_document(summed, NOW)["seq"] == 2


def test_only_selections_that_every_page_has_applied_are_removed() -> None:
    bucket = replace(BUCKET, round=3, selections={1: {}, 2: {}, 3: {}})
    one, two = views(ended("S", "F"))

    assert unselect(bucket, sums([replace(one, r=3), replace(two, r=2)])) == [1, 2]
    assert unselect(bucket, sums([replace(one, r=3)])) == []
