"""From a filter to the units that a retry takes up, as one bit a unit, and why the others are left. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct, field
from sync_contracts.buckets import canonical, digest
from sync_contracts.catalogue import MODULES
from sync_contracts.pages import bitmap_of, in_bitmap
from sync_contracts.units import round_of

from bucket_api.buckets.eligibility import UNKNOWN_CLIENT, IneligibleCode, Standing, ineligible, reopenable
from bucket_api.buckets.units import Layout, Placed, UnitFilter, matches, placed

_IN_SESSION: Final = frozenset(module.value for module, info in MODULES.items() if info.needs_session)
_CALLS: Final = {module.value: info.usual_calls for module, info in MODULES.items()}

Selections = Mapping[int, Mapping[str, bytes]]
"""Round of a retry that is not carried out everywhere yet -> page number as text -> bitmap of its units."""


class RetryFilter(Struct, frozen=True):
    """Which units a retry is asked for. Values of one field mean OR, fields mean AND.

    `clients`: ids that `tags` and `q` lead to, None when neither is given; `q` is also the code of a reason.
    """

    units: UnitFilter = UnitFilter()
    columns: frozenset[int] = frozenset()
    unit_ids: frozenset[str] = frozenset()
    clients: frozenset[str] | None = None
    q: str | None = None

    def takes(self, unit: Placed, layout: Layout) -> bool:
        """Whether the unit passes."""
        return (
            (not self.columns or unit.column in self.columns)
            and (not self.unit_ids or unit.id in self.unit_ids)
            and matches(unit, self.units, layout)
            and (self.clients is None or unit.client in self.clients or self._named(unit))
        )

    def _named(self, unit: Placed) -> bool:
        reason = unit.reason
        return self.q is not None and reason is not None and reason.reason == self.q


class Candidates(Struct):
    """What a filter matches, page by page: units that may run again if their clients are ready, and the rest by why."""

    version: int = 0
    matched: int = 0
    units: list[Placed] = field(default_factory=list)
    left: dict[IneligibleCode, list[tuple[int, int]]] = field(default_factory=dict)
    """Rows and columns."""

    def leave(self, unit: Placed, code: IneligibleCode) -> None:
        """The unit stays as it is."""
        self.left.setdefault(code, []).append((unit.row, unit.column))


class Choice(Struct, frozen=True):
    """A retry before it happens. `selected`: page number as text -> bitmap, `left`: the same by what stands in the way;
    `calls`: what it usually takes.
    """

    version: int
    matched: int
    selected: Mapping[str, bytes]
    n: int
    left: Mapping[IneligibleCode, Mapping[str, bytes]]
    left_n: Mapping[IneligibleCode, int]
    calls: int

    @property
    def preview(self) -> str:
        """The name of the selection: equal for equal sets of units."""
        return f"sha256:{digest({page: bits.hex() for page, bits in self.selected.items()})}"


def gather(into: Candidates, page: Mapping[str, Any], wanted: RetryFilter, layout: Layout) -> None:
    """Add what the filter matches in a page document."""
    into.version += page["v"]
    for unit in placed(page, layout):
        if wanted.takes(unit, layout):
            into.matched += 1
            if reopenable(unit):
                into.units.append(unit)
            elif code := ineligible(unit, UNKNOWN_CLIENT, session=False, outstanding=False):
                into.leave(unit, code)


def choose(
    found: Candidates,
    layout: Layout,
    standings: Mapping[str, Standing],
    selections: Selections,
    *,
    force: bool = False,
) -> Choice:
    """Judge each candidate by how its client stands now; all become bits. `force`: fresh data is fetched again."""
    eligible: list[Placed] = []
    for unit in found.units:
        standing, place = standings.get(unit.client, UNKNOWN_CLIENT), layout.columns[unit.column]
        code = ineligible(
            unit,
            standing,
            session=place[0] in _IN_SESSION,
            outstanding=selected_before(unit, layout, selections),
            fresh=not force and place in standing.fresh,
        )
        if code is None:
            eligible.append(unit)
        else:
            found.leave(unit, code)
    calls = sum(_CALLS.get(layout.columns[unit.column][0], 1) for unit in eligible)
    return Choice(
        version=found.version,
        matched=found.matched,
        selected=bits_of(((unit.row, unit.column) for unit in eligible), layout),
        n=len(eligible),
        left={code: bits_of(places, layout) for code, places in found.left.items()},
        left_n={code: len(places) for code, places in found.left.items()},
        calls=calls,
    )


def selected_before(unit: Placed, layout: Layout, selections: Selections) -> bool:
    """Whether a retry that its page has not applied yet has selected the unit."""
    return any(round_ > round_of(unit.unit.a) and is_selected(unit, layout, sel) for round_, sel in selections.items())


def is_selected(unit: Placed, layout: Layout, selection: Mapping[str, bytes]) -> bool:
    """Whether a selection has the unit."""
    page, ci = layout.page_of(unit.row)
    bits = selection.get(str(page))
    return bits is not None and in_bitmap(bits, ci * len(layout.columns) + unit.column)


def bits_of(places: Iterable[tuple[int, int]], layout: Layout) -> dict[str, bytes]:
    """Units by row and column as bitmaps by page; only pages with a bit."""
    positions: dict[int, list[int]] = {}
    for row, column in places:
        page, ci = layout.page_of(row)
        positions.setdefault(page, []).append(ci * len(layout.columns) + column)
    return {str(page): bitmap_of(positions[page]) for page in sorted(positions)}


def selections_of(bucket: Mapping[str, Any]) -> dict[int, Mapping[str, bytes]]:
    """The open selections of a bucket document."""
    return {retry["round"]: retry["sel"] for retry in bucket["retries"] if "sel" in retry}


def shortened(asked: Mapping[str, Any], limit: int = 512) -> dict[str, Any]:
    """A filter as it is kept for display: lists that are too long for it by their length alone."""
    kept = {name: value for name, value in asked.items() if value}
    for name in sorted(kept, key=lambda name: -len(canonical(kept[name]))):
        if len(canonical(kept)) <= limit:
            break
        kept[name] = f"{len(kept[name])} values"
    return kept
