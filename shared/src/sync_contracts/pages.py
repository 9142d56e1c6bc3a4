"""The page: plan, state and counters of up to 100 clients of a bucket, as one document. Pure.

Every change of a page is one compare-and-set on its version `v`; counters, `due` and `dl` are recomputed from the units
in the same write, never incremented.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from sync_contracts.units import (
    DISPATCHED,
    DISPLAY_STATES,
    RUNNING,
    WAITING,
    Unit,
    display_index,
)

CLIENTS_PER_PAGE: Final = 100
UNITS_PER_PAGE: Final = 500
COUNTER_OF_STATE: Final = {"W": "cw", "D": "cd", "R": "cr", "S": "cs", "F": "cf", "C": "cc"}
COUNTERS: Final = ("cp", "cw", "cd", "cr", "cs", "cf", "cc")
TOTAL_NAMES: Final = dict(zip(COUNTERS, "pwdrsfc", strict=True))
"""Counter of a page -> its letter in a bucket's totals (`summary`, `results`, notifications)."""

IN_FLIGHT: Final = frozenset({DISPATCHED, RUNNING})

Row = tuple[Unit, ...]


class Page(Struct, frozen=True):
    """One page in memory. `rows[ci][mi]` is the unit of client `ci` in column `mi`; `clients[ci]` is its id."""

    id: str
    bucket: str
    number: int
    tenant: str
    shard: int
    v: int
    r: int
    clients: tuple[str, ...]
    rows: tuple[Row, ...]

    def unit(self, ci: int, mi: int) -> Unit | None:
        """The unit at an address, None when the address is outside of the page."""
        if 0 <= ci < len(self.rows) and 0 <= mi < len(self.rows[ci]):
            return self.rows[ci][mi]
        return None


class Tally(Struct, frozen=True):
    """What is derived from the units of a page: counters by name, display counts, `due` and `dl` (ms or None)."""

    counters: Mapping[str, int]
    h: str
    due: int | None
    dl: int | None


def page_id(bucket: str, number: int) -> str:
    """Document id of a page; sorts in plan order."""
    return f"{bucket}:{number:05d}"


def clients_per_page(columns: int) -> int:
    """How many clients a page holds for a number of columns, so that a page never exceeds 500 units."""
    return min(CLIENTS_PER_PAGE, UNITS_PER_PAGE // columns)


def tally(rows: Iterable[Sequence[Unit]]) -> Tally:
    """Counters, display counts and wake times of the units. `cp` counts units never dispatched in their round."""
    states = dict.fromkeys("WDRSFC", 0)
    shown = [0] * len(DISPLAY_STATES)
    pending = 0
    due: int | None = None
    deadline: int | None = None
    for row in rows:
        for unit in row:
            state = unit.s
            states[state] += 1
            shown[display_index(unit)] += 1
            if state == WAITING:
                pending += unit.a % 1000 == 0
                due = unit.t if due is None or unit.t < due else due
            elif state in IN_FLIGHT:
                deadline = unit.t if deadline is None or unit.t < deadline else deadline
    counters = {COUNTER_OF_STATE[state]: count for state, count in states.items()}
    counters["cp"] = pending
    counters["cw"] -= pending
    return Tally(counters, ",".join(map(str, shown)), due, deadline)


def unit_document(unit: Unit) -> dict[str, Any]:
    """The unit with its absent fields left out."""
    document: dict[str, Any] = {"s": unit.s, "a": unit.a, "f": unit.f, "t": unit.t}
    for name in ("n", "e", "k", "g", "x"):
        value = getattr(unit, name)
        if value is not None:
            document[name] = value
    return document


def unit_from(document: Mapping[str, Any]) -> Unit:
    """The unit in a page document."""
    get = document.get
    return Unit(
        document["s"], document["a"], document["f"], document["t"], get("n"), get("e"), get("k"), get("g"), get("x")
    )


def page_from(document: Mapping[str, Any]) -> Page:
    """The page in a document read from the store."""
    clients = document["c"]
    return Page(
        id=document["_id"],
        bucket=document["b"],
        number=document["p"],
        tenant=document["tenant_id"],
        shard=document["shard"],
        v=document["v"],
        r=document["r"],
        clients=tuple(client["id"] for client in clients),
        rows=tuple(tuple(unit_from(unit) for unit in client["m"]) for client in clients),
    )


def page_document(page: Page) -> dict[str, Any]:
    """The whole page as it is stored at creation (without `touched`, which the creator keeps)."""
    tallied = tally(page.rows)
    document: dict[str, Any] = {
        "_id": page.id,
        "b": page.bucket,
        "p": page.number,
        "tenant_id": page.tenant,
        "shard": page.shard,
        "v": page.v,
        "r": page.r,
        "h": tallied.h,
        **tallied.counters,
        "c": [
            {"id": client, "m": [unit_document(unit) for unit in row]}
            for client, row in zip(page.clients, page.rows, strict=True)
        ],
    }
    document |= {name: time for name, time in (("due", tallied.due), ("dl", tallied.dl)) if time is not None}
    return document


def changed(page: Page, change: Callable[[int, int, Unit], Unit], *, round_: int | None = None) -> Page:
    """The page with `change(ci, mi, unit)` applied to every unit; the same object when nothing changes."""
    rows = tuple(tuple(change(ci, mi, unit) for mi, unit in enumerate(row)) for ci, row in enumerate(page.rows))
    r = page.r if round_ is None else round_
    return page if r == page.r and rows == page.rows else replace(page, rows=rows, r=r, v=page.v + 1)


def with_units(page: Page, units: Mapping[tuple[int, int], Unit]) -> Page:
    """The page with these units replaced and its version raised; the same object for an empty mapping."""
    if not units:
        return page
    rows: list[Row | list[Unit]] = list(page.rows)
    for (ci, mi), unit in units.items():
        row = rows[ci]
        if isinstance(row, tuple):
            row = rows[ci] = list(row)
        row[mi] = unit
    return replace(page, rows=tuple(tuple(row) for row in rows), v=page.v + 1)


def update_of(old: Page, new: Page) -> dict[str, Any]:
    """The update that carries `old` to `new`: changed units, derived fields, version. Its filter: `{_id, v: old.v}`."""
    tallied = tally(new.rows)
    fields: dict[str, Any] = {"v": new.v, "r": new.r, "h": tallied.h, **tallied.counters}
    for ci, (before, after) in enumerate(zip(old.rows, new.rows, strict=True)):
        if before is not after:
            for mi, (was, now) in enumerate(zip(before, after, strict=True)):
                if was is not now and was != now:
                    fields[f"c.{ci}.m.{mi}"] = unit_document(now)
    unset: dict[str, str] = {}
    for name, time in (("due", tallied.due), ("dl", tallied.dl)):
        if time is None:
            unset[name] = ""
        else:
            fields[name] = time
    return {"$set": fields, "$unset": unset} if unset else {"$set": fields}


def bitmap_of(positions: Iterable[int]) -> bytes:
    """Selection of units of a page as one bit each. Position of a unit: `ci * columns + mi`; lowest bit first."""
    bits = 0
    for position in positions:
        bits |= 1 << position
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def in_bitmap(bitmap: bytes, position: int) -> bool:
    """Whether a selection has the unit at this position."""
    byte = position >> 3
    return byte < len(bitmap) and bool(bitmap[byte] >> (position & 7) & 1)
