"""A selection of clients: its canonical form, its query, and the clients it gives. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from sync_contracts.catalogue import ClientKind
from sync_contracts.credentials import is_guarded

from bucket_api.buckets.planning import PlanClient
from bucket_api.clients.filters import ClientFilter, query_of

PROJECTION: Final = {"name": 1, "kind": 1, "status": 1, "registration_status": 1, "cancelled_on": 1, "line_id": 1}


class Selection(Struct, frozen=True):
    """All active clients, or those of a filter; `add` and `exclude` apply last."""

    everyone: bool = False
    filter: ClientFilter | None = None
    add: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def canonical(selection: Selection) -> dict[str, Any]:
    """Equal for equal selections, whatever the order they were written in."""
    wanted = selection.filter
    return {
        "all": selection.everyone,
        "filter": {name: sorted(values) for name, values in query_fields(wanted).items()} if wanted else None,
        "add": sorted(set(selection.add)),
        "exclude": sorted(set(selection.exclude)),
    }


def query_fields(wanted: ClientFilter) -> dict[str, Sequence[str]]:
    """Fields of a filter that are given, as lists."""
    fields = {"tag": wanted.tag, "status": wanted.status, "state_code": wanted.state_code}
    fields |= {"filing_frequency": wanted.filing_frequency, "q": (wanted.q,) if wanted.q else ()}
    return {name: values for name, values in fields.items() if values}


def query(selection: Selection) -> dict[str, Any] | None:
    """The clients as a MongoDB query; None for a selection that can hold no client."""
    parts: list[dict[str, Any]] = []
    if selection.everyone:
        parts.append({"status": "active"})
    elif selection.filter is not None and query_fields(selection.filter):
        wanted = query_of(selection.filter)
        parts.append(wanted if selection.filter.status else {"$and": [wanted, {"status": {"$ne": "archived"}}]})
    if selection.add:
        parts.append({"_id": {"$in": sorted(set(selection.add))}})
    if not parts:
        return None
    any_of = parts[0] if len(parts) == 1 else {"$or": parts}
    excluded = sorted(set(selection.exclude))
    return {"$and": [any_of, {"_id": {"$nin": excluded}}]} if excluded else any_of


def unknown_places(selection: Selection, found: Sequence[Mapping[str, Any]]) -> list[int]:
    """Places in `add` that name no client of the tenant."""
    known = {document["_id"] for document in found} | set(selection.exclude)
    return [place for place, client in enumerate(selection.add) if client not in known]


def plan_clients(
    found: Sequence[Mapping[str, Any]],
    credential_versions: Mapping[str, int],
    guards: Mapping[str, Mapping[str, Any]],
    suspended: Mapping[str, tuple[str, ...]],
) -> list[PlanClient]:
    """The clients as planning sees them. `suspended`: modules that are left out, sorted, by client id."""
    return [
        _plan_client(document, credential_versions.get(document["_id"]), guards, suspended.get(document["_id"], ()))
        for document in found
    ]


def _plan_client(
    document: Mapping[str, Any],
    version: int | None,
    guards: Mapping[str, Mapping[str, Any]],
    suspended: tuple[str, ...],
) -> PlanClient:
    return PlanClient(
        id=document["_id"],
        name=document["name"],
        kind=ClientKind(document["kind"]),
        active=document["status"] == "active",
        cancelled_on=_month_of_cancellation(document),
        has_access=version is not None,
        guarded=is_guarded(guards.get(document["_id"]), version),
        suspended=suspended,
    )


def _month_of_cancellation(document: Mapping[str, Any]) -> str | None:
    """None while registered, and where the day is not known: then the portal's answer decides."""
    day = document.get("cancelled_on")
    return day[:7] if day and document["registration_status"] == "cancelled" else None
