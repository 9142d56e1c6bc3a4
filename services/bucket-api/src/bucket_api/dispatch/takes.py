"""Which units of a page go out now, in which order. Pure."""

from collections.abc import Container, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from sync_contracts.catalogue import MODULES
from sync_contracts.units import ATTEMPTS_PER_ROUND, DEFAULT_LIMITS, WAITING

from bucket_api.dispatch.backlog import Column, PageView, in_turn
from bucket_api.dispatch.memory import Address, Entry

MAX_ATTEMPTS: Final = DEFAULT_LIMITS.max_attempts
_ORDER_OF: Final[dict[str, int]] = {module.value: info.order for module, info in MODULES.items()}


class WaitingUnit(Struct, frozen=True, gc=False):
    """A waiting unit with the attempt it would be dispatched for. `at`: not before (epoch ms); `cont`: continuation."""

    address: Address
    attempt: int
    at: int
    cont: str | None = None


class PageImage(Struct, frozen=True):
    """What dispatch needs of a page read with majority. `waiting` is in order of dispatch."""

    bucket: str
    view: PageView
    clients: tuple[str, ...]
    waiting: tuple[WaitingUnit, ...]

    def waiting_attempts(self) -> dict[Address, int]:
        """The attempts the waiting units have, as opposed to those they would get."""
        return {unit.address: unit.attempt - 1 for unit in self.waiting}


class Taken(Struct, frozen=True):
    """The units to dispatch, and when the page may have another one (epoch ms), None while it does not change.

    `gated`: some unit that is due waits for its API family. `known`: units that are due and were dispatched lately.
    """

    units: list[WaitingUnit]
    next_due: int | None
    gated: bool = False
    known: int = 0


def column_order(columns: Sequence[Column]) -> tuple[int, ...]:
    """Columns in the order a client's units go out: cheap modules first, then as on screen."""
    return tuple(sorted(range(len(columns)), key=lambda mi: (_ORDER_OF.get(columns[mi].module, 0), mi)))


def view_from(document: Mapping[str, Any]) -> PageView:
    """The view in an index entry or a whole page document."""
    return PageView(
        document["p"],
        document["v"],
        document["cp"],
        document["cw"],
        document["cd"],
        document["cr"],
        document.get("due"),
    )


def image_from(document: Mapping[str, Any], order: Sequence[int]) -> PageImage:
    """The image of a page document. Retried and fresh units in turn, so neither keeps the other waiting.

    The first column in `order` of all clients goes before the second: units of one client run one after another, so a
    window full of one client's units would keep the line idle.
    """
    retried: list[WaitingUnit] = []
    fresh: list[WaitingUnit] = []
    for mi in order:
        for ci, client in enumerate(document["c"]):
            unit = client["m"][mi]
            if unit["s"] != WAITING:
                continue
            tries = unit["a"] % ATTEMPTS_PER_ROUND
            if tries < MAX_ATTEMPTS:
                waiting = WaitingUnit((ci, mi), unit["a"] + 1, unit["t"], unit.get("k"))
                (retried if tries else fresh).append(waiting)
    clients = tuple(client["id"] for client in document["c"])
    return PageImage(document["b"], view_from(document), clients, tuple(in_turn(retried, fresh) if retried else fresh))


def take(
    image: PageImage,
    held: Mapping[Address, Entry],
    limit: int,
    now_ms: int,
    *,
    closed: Mapping[int, int] | None = None,
    only: Container[int] | None = None,
) -> Taken:
    """The first up to `limit` due units that were not dispatched for the same or a later attempt lately.

    `closed`: columns whose API family is closed, until when. `only`: columns to look at, None for all.
    """
    units: list[WaitingUnit] = []
    next_due: int | None = None
    gated, known = False, 0
    for unit in image.waiting:
        if only is not None and unit.address[1] not in only:
            continue
        entry = held.get(unit.address)
        blocked = entry is not None and entry.attempt >= unit.attempt
        at = max(unit.at, entry.expires_at) if entry is not None and blocked else unit.at
        known += unit.at <= now_ms < at
        if closed and at <= now_ms and unit.address[1] in closed:
            at, gated = closed[unit.address[1]], True
        if at <= now_ms:
            if len(units) == limit:
                return Taken(units, now_ms, gated, known)
            units.append(unit)
        elif next_due is None or at < next_due:
            next_due = at
    return Taken(units, next_due, gated, known)
