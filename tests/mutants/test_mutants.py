"""Guards whose removal shows at once; all of them: `make mutants`."""

import pytest

from tests.mutants.hunting import hunt
from tests.mutants.table import BY_NAME, MUTANTS

BUDGET_S = 60.0
QUICK = (
    "no_cas",
    "w1",
    "commit_first",
    "no_absorb",
    "inc_counts",
    "summary_unguarded",
    "complete_no_applied",
    "pause_is_cancel",
    "reopen_same",
    "disp_blind_page",
    "worker_commit_first",
    "worker_commit_max",
)


@pytest.mark.parametrize("name", QUICK)
def test_a_guard_that_is_gone_breaks_a_promise(name: str) -> None:
    assert hunt(BY_NAME[name], BUDGET_S) is not None


def test_every_removal_says_what_it_takes_away() -> None:
    assert all(mutant.guard for mutant in MUTANTS)
    assert len(BY_NAME) == len(MUTANTS)
