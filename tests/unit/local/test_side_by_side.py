"""Tests that share a product are told to stay in one process."""

from pathlib import Path

import pytest

from tests.support.side_by_side import NARROW, sharing

E2E = Path(__file__).parents[2] / "e2e"


@pytest.mark.parametrize(
    ("nodeid", "shared"),
    [
        ("tests/e2e/test_retry.py::test_one", "tests/e2e"),
        ("tests/e2e/test_pause.py::test_two[a::b]", "tests/e2e"),
        ("tests/e2e/test_outage.py::test_three", "tests/e2e, narrow"),
        ("tests/chaos/test_kills.py::test_four[api]", "tests/chaos"),
        ("tests/integration/local/test_process.py::test_five", "tests/integration/local/test_process.py"),
    ],
)
def test_what_a_test_shares_is_told_by_its_place(nodeid: str, shared: str) -> None:
    assert sharing(nodeid) == shared


def test_all_stories_of_the_narrow_product_are_known() -> None:
    found = [file.name for file in sorted(E2E.glob("test_*.py")) if "narrow: RunningStack" in file.read_text()]
    assert found == list(NARROW)
