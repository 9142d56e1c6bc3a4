"""Units as a user reads them: state, outcome, reason and address, from pages. Pure.

A unit's id `u_<row>_<column>` is its place in the plan: row = page × clients per page + client index.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast, get_args

from msgspec import Struct
from sync_contracts.pages import unit_from
from sync_contracts.reasons import REASONS, Reason, State, reason_of
from sync_contracts.units import CANCELLED, DISPLAY_STATES, Unit, display_index, failed_by_limits

from bucket_api.buckets.counters import is_paused

STATE_CODES: Final[tuple[State, ...]] = get_args(State)
ALL_STATES: Final = "WDRSFC"
OUTCOME_CODES: Final = (None, "changed", "unchanged", "empty")
_STATE_OF: Final[tuple[State, ...]] = tuple(
    cast("State", {"changed": "done", "unchanged": "done", "empty": "done", "skipped_gap": "skipped"}.get(name, name))
    for name in DISPLAY_STATES
)
_OUTCOME_OF: Final = tuple(name if name in OUTCOME_CODES else None for name in DISPLAY_STATES)
_CELL_OF: Final = bytes(
    STATE_CODES.index(state) | OUTCOME_CODES.index(outcome) << 4
    for state, outcome in zip(_STATE_OF, _OUTCOME_OF, strict=True)
)
_GAP_OF: Final = tuple(name in ("needs_action", "failed", "skipped_gap", "cancelled") for name in DISPLAY_STATES)
_QUEUED: Final = DISPLAY_STATES.index("queued")
_WAITING: Final = DISPLAY_STATES.index("waiting")
_UNIT_ID: Final = re.compile(r"u_(0|[1-9][0-9]{0,5})_(0|[1-9][0-9]{0,2})")


class Layout(Struct, frozen=True):
    """How units lie in the pages of a bucket. `columns`: `(module, period)`; `paused`: nothing new is begun there."""

    clients_per_page: int
    columns: tuple[tuple[str, str | None], ...]
    paused: bool = False

    def page_of(self, row: int) -> tuple[int, int]:
        """Page number and client index of a row."""
        return divmod(row, self.clients_per_page)


class Placed(Struct, frozen=True):
    """A unit with its place and its client."""

    row: int
    column: int
    client: str
    unit: Unit
    paused: bool = False

    @property
    def id(self) -> str:
        return f"u_{self.row}_{self.column}"

    @property
    def shown(self) -> int:
        """Index of what a user is told: in a paused bucket nothing is queued, it waits."""
        index = display_index(self.unit)
        return _WAITING if self.paused and index == _QUEUED else index

    @property
    def state(self) -> State:
        return _STATE_OF[self.shown]

    @property
    def outcome(self) -> str | None:
        return _OUTCOME_OF[self.shown]

    @property
    def cell(self) -> int:
        """The byte of the snapshot: bits 0-3 state, 4-5 outcome."""
        return _CELL_OF[self.shown]

    @property
    def gap(self) -> bool:
        """Whether the unit, ended so, is missing in what the user asked for."""
        return _GAP_OF[self.shown]

    @property
    def reason(self) -> Reason | None:
        """Why; None where nothing needs to be explained."""
        if self.paused and display_index(self.unit) == _QUEUED:
            return REASONS["paused"]
        if self.unit.e is None and self.unit.s == CANCELLED:
            return REASONS["cancelled_by_user"]
        return reason_of(self.unit.e, failed_by_limits=failed_by_limits(self.unit))


class UnitFilter(Struct, frozen=True):
    """Which units. Values of one field mean OR, fields mean AND."""

    state: tuple[str, ...] = ()
    outcome: tuple[str, ...] = ()
    reason: tuple[str, ...] = ()
    owner: tuple[str, ...] = ()
    module: tuple[str, ...] = ()
    client_id: tuple[str, ...] = ()
    gaps_only: bool = False


def layout_of(bucket: Mapping[str, Any]) -> Layout:
    """The layout that a bucket was planned with."""
    columns = tuple((column["module"], column["period"]) for column in bucket["columns"])
    return Layout(bucket["clients_per_page"], columns, is_paused(bucket))


def placed(page: Mapping[str, Any], layout: Layout, states: str = ALL_STATES) -> Iterator[Placed]:
    """Units of a page document, row by row; of some stored states only, where the caller needs no others."""
    first = page["p"] * layout.clients_per_page
    for ci, client in enumerate(page["c"]):
        for column, unit in enumerate(client["m"]):
            if unit["s"] in states:
                yield Placed(first + ci, column, client["id"], unit_from(unit), layout.paused)


def placed_at(page: Mapping[str, Any], layout: Layout, ci: int, column: int) -> Placed | None:
    """One unit of a page document, None outside of it."""
    if ci >= len(page["c"]) or column >= len(page["c"][ci]["m"]):
        return None
    client = page["c"][ci]
    row = page["p"] * layout.clients_per_page + ci
    return Placed(row, column, client["id"], unit_from(client["m"][column]), layout.paused)


def address(unit_id: str) -> tuple[int, int] | None:
    """Row and column of a unit id."""
    match = _UNIT_ID.fullmatch(unit_id)
    return (int(match[1]), int(match[2])) if match else None


def matches(unit: Placed, wanted: UnitFilter, layout: Layout) -> bool:
    """Whether the unit passes the filter."""
    if wanted.gaps_only and not unit.gap:
        return False
    reason = unit.reason
    return (
        _among(unit.state, wanted.state)
        and _among(unit.outcome, wanted.outcome)
        and _among(layout.columns[unit.column][0], wanted.module)
        and _among(unit.client, wanted.client_id)
        and _among(reason.reason if reason else None, wanted.reason)
        and _among(reason.owner if reason else None, wanted.owner)
    )


def _among(value: str | None, wanted: Sequence[str]) -> bool:
    return not wanted or value in wanted


def from_cell(cell: int) -> tuple[State, str | None]:
    """State and outcome of a cell byte."""
    return STATE_CODES[cell & 15], OUTCOME_CODES[cell >> 4 & 3]
