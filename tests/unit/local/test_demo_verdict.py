"""The demonstration's verdict: a bucket that ended well passes, and each way of ending badly fails its own check."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from local_stack.verdict import Evidence, checks
from syncbucket_cli.cells import FINAL

UNITS: list[dict[str, Any]] = [
    {"state": "done", "reason": None},
    {"state": "failed", "reason": {"owner": "portal"}},
]
REPORT: dict[str, Any] = {
    "verification": {"gaps": 1, "expected": 2, "final": 2, "checks": [{"mismatches": 0}], "agrees": True},
    "control_totals": [{"agrees": True, "ours": "1.00", "portal": "1.00"}],
}
COUNTERS = {**dict.fromkeys(FINAL, 0), "done": 1, "failed": 1, "total": 2, "gaps": 1}


def evidence() -> Evidence:
    return Evidence(COUNTERS, deepcopy(UNITS), [{}], {"done": 1, "failed": 1}, deepcopy(REPORT), faults_planted=False)


def failing(seen: Evidence) -> list[str]:
    return [name for name, holds in checks(seen).items() if not holds]


def test_a_bucket_that_is_told_alike_everywhere_passes() -> None:
    assert failing(evidence()) == []


def test_a_failure_of_ours_fails_the_demonstration_unless_it_was_planted() -> None:
    seen = evidence()
    seen.units[1]["reason"]["owner"] = "us"
    assert failing(seen) == ["no unit failed by a fault of the service"]
    assert failing(replace(seen, faults_planted=True)) == []


def test_totals_that_differ_in_opposite_directions_are_seen_though_the_sums_are_equal() -> None:
    seen = evidence()
    seen.report["control_totals"][0]["agrees"] = False
    assert failing(seen) == ["control totals agree with the portal's"]


@pytest.mark.parametrize("agrees", [False, None])
def test_the_services_own_doubt_fails_the_demonstration(agrees: bool | None) -> None:
    seen = evidence()
    seen.report["verification"]["agrees"] = agrees
    assert failing(seen) == ["the service's own verification agrees"]


def test_a_counter_that_differs_from_the_cells_is_seen() -> None:
    assert failing(replace(evidence(), cells={"done": 2})) == ["cells equal the counters"]
