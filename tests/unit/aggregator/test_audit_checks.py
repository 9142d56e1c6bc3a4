"""The auditor's checks: silent about a true history, and each promise broken on purpose is told."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sync_contracts.commands import Command, Params
from sync_contracts.events import Event
from sync_contracts.outcomes import Code
from sync_contracts.pages import Page, page_document, with_units
from sync_contracts.units import Unit

from tests.support.aggregating import MemoryWorld
from tests.support.audit_checks import CHECKS, Evidence, Logged, successes_have_data, texts_hold_no_identifier
from tests.support.histories import history
from tests.support.planted import Plan
from tests.support.records import Events, record

PLAN = Plan(clients=3, columns=2)
PAGE = PLAN.pages()[0]
OF_PAGE = Events(PAGE)


def evidence_of(
    page: Page, happened: list[Event], bucket: dict[str, Any] | None = None, committed: int = 0, **more: Any
) -> Evidence:
    documents = {
        "commands": [],
        "page_documents": [page_document(page)],
        "datasets": {},
        "buckets": {PLAN.bucket: bucket or PLAN.document()},
    }
    logged = [Logged(event, 0, offset) for offset, event in enumerate(happened)]
    return Evidence(logged=logged, committed={0: committed}, **(documents | more))


def found(evidence: Evidence) -> Iterator[str]:
    for check in CHECKS:
        for sentence in check(evidence):
            yield sentence.split()[0]


@pytest.fixture
async def true_history() -> Evidence:
    """A bucket folded to its end by the aggregator."""
    world = MemoryWorld()
    world.buckets.plant(PLAN)
    happened = history(PLAN.pages())
    aggregator = world.aggregator()
    await aggregator.fold([record(event, offset) for offset, event in enumerate(happened)])
    await aggregator.sweep()
    return evidence_of(
        world.pages.stored[PAGE.id], happened, world.buckets.stored[PLAN.bucket], committed=len(happened)
    )


def test_a_true_history_breaks_no_promise(true_history: Evidence) -> None:
    assert list(found(true_history)) == []


def one(unit: Unit) -> Page:
    """The page with its first unit as given."""
    return with_units(PAGE, {(0, 0): unit})


STARTED: list[Event] = [OF_PAGE.dispatched((0, 0, 1)), OF_PAGE.started(0, 0, 1)]
CANCELLED = Unit("C", 0, e=Code.CANCELLED_BY_USER.value)


@pytest.mark.parametrize(
    ("page", "happened", "broken"),
    [
        (one(Unit("S", 1)), STARTED, "I2"),
        (one(Unit("F", 1, e="OTP_REQUIRED")), [*STARTED, OF_PAGE.succeeded(0, 0, 1)], "I2"),
        (one(CANCELLED), [], "I2"),
        (one(Unit("R", 1)), STARTED[:1], "I2"),
        (one(Unit("D", 1)), [], "I2"),
        (one(Unit("W", 1, e="PORTAL_ERROR")), STARTED, "I2"),
        (one(Unit("R", 1, f=1)), STARTED, "I5"),
        (PAGE, [OF_PAGE.dispatched((0, 0, 2))], "I11"),
        (PAGE, [OF_PAGE.dispatched((0, 0, 1)), OF_PAGE.started(0, 0, 1_002)], "I11"),
    ],
)
def test_a_state_without_a_cause_is_told(page: Page, happened: list[Event], broken: str) -> None:
    assert broken in set(found(evidence_of(page, happened)))


@pytest.mark.parametrize(
    ("unit", "happened"),
    [
        (Unit("W", 1_000), STARTED),
        (Unit("W", 1, e="INTERRUPTED"), STARTED),
        (Unit("F", 1, e="DEADLINE_PASSED"), STARTED),
        (Unit("F", 0, e="NO_ACCESS"), []),
        (Unit("S", 0, e="NOT_APPLICABLE"), []),
    ],
)
def test_timers_retries_and_plans_are_causes_too(unit: Unit, happened: list[Event]) -> None:
    assert list(found(evidence_of(one(unit), happened))) == []


def test_a_cancelled_unit_needs_somebody_who_cancelled() -> None:
    asked = Plan(clients=3, columns=2, changes={"controls": [{"kind": "cancel"}]}).document()

    assert list(found(evidence_of(one(CANCELLED), [], asked))) == []


@pytest.mark.parametrize("change", [{"cp": 5}, {"h": ",".join("1" * 13)}, {"due": 4}, {"dl": 4}])
def test_derived_fields_that_differ_from_the_units_are_told(change: dict[str, Any]) -> None:
    broken = evidence_of(PAGE, [], page_documents=[page_document(PAGE) | change])

    assert list(found(broken)) == ["I1"]


def test_a_committed_event_that_is_not_reflected_is_told() -> None:
    assert list(found(evidence_of(PAGE, STARTED, committed=1))) == ["I6"]
    assert list(found(evidence_of(PAGE, STARTED, committed=0))) == []


def spoil(change: Callable[[dict[str, Any]], None], evidence: Evidence) -> Evidence:
    bucket = dict(evidence.buckets[PLAN.bucket])
    bucket["results"] = [dict(result) for result in bucket["results"]]
    change(bucket)
    committed, logged = evidence.committed[0], [entry.event for entry in evidence.logged]
    return evidence_of(evidence.pages[0], logged, bucket, committed)


@pytest.mark.parametrize(
    "change",
    [
        lambda bucket: bucket["results"].append(bucket["results"][0]),
        lambda bucket: bucket.update(results=[]),
        lambda bucket: bucket["results"][0].update(counts={"s": 6}),
        lambda bucket: bucket.update(status="RUNNING"),
        lambda bucket: bucket.update(round=1),
        lambda bucket: bucket.update(n_pages=2),
    ],
)
def test_a_verdict_that_differs_from_the_units_is_told(
    change: Callable[[dict[str, Any]], None], true_history: Evidence
) -> None:
    assert set(found(spoil(change, true_history))) == {"I3"}


def test_a_command_for_another_client_is_told() -> None:
    command = Command(
        tenant=PAGE.tenant,
        bucket=PAGE.bucket,
        client=PAGE.clients[1],
        page=0,
        ci=0,
        mi=0,
        attempt=1,
        module="m0",
        params=Params(),
        shard=0,
        issued_at=0,
    )

    assert list(found(evidence_of(PAGE, [], commands=[command]))) == ["command"]


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        (None, True),
        ({"fence": 3}, True),
        ({"fence": 3, "ver": "v", "bucket": PLAN.bucket, "attempt": 1}, True),
        ({"fence": 3, "ver": "v", "bucket": PLAN.bucket, "attempt": 2}, False),
        ({"fence": 9, "ver": "w", "bucket": "b_later", "attempt": 1}, False),
    ],
)
def test_a_success_needs_its_data(dataset: dict[str, Any] | None, *, told: bool) -> None:
    key = f"{PAGE.tenant}:{PAGE.clients[0]}:m0:-"
    evidence = evidence_of(one(Unit("S", 2)), [], datasets={} if dataset is None else {key: dataset})

    assert bool(list(successes_have_data(evidence, frozenset({"m0"})))) is told
    assert list(successes_have_data(evidence, frozenset())) == []


def test_identifiers_and_secrets_in_a_topic_are_told_by_place_only() -> None:
    texts = [
        ("a 0:1", b'{"x":"27ABCDE1234F1Z5"}'),
        ("b 0:2", b"k ABCDE1234F"),
        ("c 0:3", b"pw hunter2"),
        ("d 0:4", b"b_1"),
    ]

    told = list(texts_hold_no_identifier(texts, [b"hunter2", b""]))

    assert [sentence.split(":")[0] for sentence in told] == ["PII a 0", "PII b 0", "PII c 0"]
    assert not any("ABCDE" in sentence or "hunter2" in sentence for sentence in told)
