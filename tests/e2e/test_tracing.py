"""The way of one unit through all processes can be followed: by context, and by links where batches mix."""

import pytest

from tests.support.eventually import eventually_blocking
from tests.support.registrations import registration
from tests.support.running_stack import RunningStack
from tests.support.trace_collector import SeenSpan


def _eventually(running: RunningStack, name: str, what: str, **attributes: str) -> list[SeenSpan]:
    return eventually_blocking(lambda: running.traces.spans(name, **attributes), what=what)


@pytest.fixture(scope="module")
def bucket(running: RunningStack) -> dict[str, str]:
    """A bucket of one unit that has ended: id and trace."""
    practice, client = running.practice("traced"), registration()
    practice.take_on([client])
    bucket_id = practice.start("gstr2b")
    ended = practice.ended(bucket_id)
    assert ended["verdict"] == "complete"
    return {"id": bucket_id, "trace": ended["trace_id"]}


def test_the_chain_of_one_unit(running: RunningStack, bucket: dict[str, str]) -> None:
    units = _eventually(running, "unit", "the unit's span", sync_bucket=bucket["id"])
    (unit,) = units
    calls = eventually_blocking(
        lambda: [call for call in running.traces.spans("portal call") if call.parent == unit.place],
        what="the portal call's span",
    )
    request = _one(running, "POST /v1/buckets", bucket["trace"])
    batch = eventually_blocking(
        lambda: [span for span in running.traces.spans("dispatch batch") if span.parent == request.place],
        what="the batch that dispatched it",
    )[0]
    causes = {unit.place, batch.place}
    folds = eventually_blocking(
        lambda: [span for span in running.traces.spans() if _is_fold(span) and causes & span.links],
        what="a fold that is linked to the unit or its batch",
    )

    assert request.service == "bucket-api"
    assert unit.parent == batch.place
    assert unit.attributes["sync.module"] == "gstr2b"
    assert calls[0].service == unit.service == "sync-worker"
    assert folds[0].attributes


def test_the_trace_of_the_request_is_told_in_the_answer_and_in_problems(running: RunningStack) -> None:
    practice = running.practice("told")
    answer = practice.api._http.get("/v1/buckets/b_nowhere")

    assert answer.json()["trace_id"] == answer.headers["x-trace-id"]
    _eventually_in(running, answer.json()["trace_id"])


def _is_fold(span: SeenSpan) -> bool:
    return span.service == "status-aggregator"


def _one(running: RunningStack, name: str, trace_id: str) -> SeenSpan:
    def found() -> list[SeenSpan]:
        return [span for span in running.traces.spans(name) if span.trace_id == trace_id]

    (span,) = eventually_blocking(found, what=f"{name} in its trace")
    return span


def _eventually_in(running: RunningStack, trace_id: str) -> None:
    eventually_blocking(
        lambda: [span for span in running.traces.spans() if span.trace_id == trace_id],
        what="the request's span",
    )
