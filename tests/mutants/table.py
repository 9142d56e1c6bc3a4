"""Which guard is removed by which patch, and which tier has to notice."""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import pytest
from msgspec import Struct
from msgspec.structs import replace

from tests.mutants import aggregator, dispatcher, elsewhere, worker
from tests.simulation.shape import Kind

Removal = Callable[[pytest.MonkeyPatch], None]


KINDS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "sel_stale": ("narrow",),
    "fence_no_by": ("narrow", "forked"),
    "client_value": ("narrow", "forked"),
    "sel_local": ("forked",),
    "fence_local": ("forked",),
    "superseded_unconfirmed": ("forked",),
}
"""Which runs alone can meet what is missing; the others would be a waste."""


class Mutant(Struct, frozen=True):
    """A removal. `tests`: what has to fail, run by pytest; empty: the simulation has to find a broken promise.
    With `kinds` as well the simulation looks first: the windows are narrow and move with every change of the product.

    `where`: what is simulated: buckets that run, or their creation. `kinds`: the only runs that can; empty: all.
    """

    name: str
    remove: Removal
    guard: str
    tests: tuple[str, ...] = ()
    where: Literal["buckets", "creations"] = "buckets"

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of runs to look through."""
        return KINDS.get(self.name, ())

    @property
    def is_simulated(self) -> bool:
        """Whether seeds are looked through, before the tests if there are any."""
        return not self.tests or bool(self.kinds)

    @property
    def tier(self) -> str:
        """The folder of what notices."""
        return "simulation" if self.is_simulated else "/".join(self.tests[0].split("/")[1:-1])


def _mutant(remove: Removal, *tests: str) -> Mutant:
    return Mutant(remove.__name__, remove, (remove.__doc__ or "").strip(), tests)


def _of(module: object, *names: str) -> list[Mutant]:
    return [_mutant(getattr(module, name)) for name in names]


MUTANTS: Final[tuple[Mutant, ...]] = (
    *_of(
        aggregator,
        "no_cas",
        "w1",
        "local_read",
        "commit_first",
        "no_absorb",
        "no_attempt_order",
        "success_any_round",
        "inc_counts",
        "no_reaper",
        "timers_from_memory",
        "no_ahead_guard",
        "summary_unguarded",
        "complete_unverified",
        "complete_local",
        "complete_blind",
        "complete_no_round",
        "complete_no_applied",
        "cancel_overwrites",
        "pause_is_cancel",
        "reopen_same",
        "reopen_plus_one",
        "reopen_last_selection",
        "sel_stale",
    ),
    *_of(
        dispatcher,
        "mark_first",
        "no_memory",
        "memory_no_expiry",
        "memory_by_unit",
        "disp_local_read",
        "disp_blind_page",
        "pause_ignored",
    ),
    *_of(
        worker,
        "worker_commit_first",
        "worker_commit_max",
        "emit_before_store",
        "no_data_fence",
        "drop_superseded",
        "worker_stale_control",
        "fence_no_by",
        "by_process",
        "reset_latest",
    ),
    _mutant(aggregator.sel_local, "tests/simulation/test_what_only_a_primary_has.py"),
    _mutant(worker.superseded_unconfirmed, "tests/simulation/test_what_only_a_primary_has.py"),
    _mutant(worker.superseded_local, "tests/simulation/test_what_only_a_primary_has.py"),
    _mutant(worker.fence_local, "tests/simulation/test_what_only_a_primary_has.py"),
    _mutant(worker.client_value, "tests/simulation/test_what_only_a_primary_has.py"),
    _mutant(aggregator.sweep_stale, "tests/unit/aggregator/test_simulated_bucket.py"),
    _mutant(aggregator.sel_early, "tests/unit/aggregator/test_simulated_bucket.py"),
    replace(_mutant(elsewhere.lookup_local), where="creations"),
    _mutant(elsewhere.id_without_plan, "tests/stores/api/test_creation.py"),
    _mutant(elsewhere.compare_id, "tests/stores/api/test_creation.py"),
    _mutant(elsewhere.janitor_blind_delete, "tests/stores/api/test_janitor.py"),
    _mutant(elsewhere.refresh_lock, "tests/component/portal/test_sessions.py"),
    _mutant(elsewhere.otp_claim, "tests/component/portal/test_sessions.py"),
    _mutant(elsewhere.rate_permits, "tests/stores/worker/test_rate_lease.py"),
    _mutant(elsewhere.take_again, "tests/stores/worker/test_fence.py"),
)
BY_NAME: Final = {mutant.name: mutant for mutant in MUTANTS}
