"""`upstreams`: one document per line to a portal, shared by all workers. The server's clock decides."""

from datetime import datetime
from typing import Any, Final

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern
from sync_contracts.collections import UPSTREAM_OUTAGES, UPSTREAMS

from sync_worker.durable import Database, Document, until_answered
from sync_worker.limits.breaker import ERRORS, Rules, Seen
from sync_worker.limits.budget import LEAST_RATE_PER_S, LOWERING, LineRate
from sync_worker.limits.leasing import lease_update

SECOND_MS: Final = 1_000
_GATE: Final = ("closed_until", "reason", "since", "closed_ms")


class Upstreams:
    """Leases, rates and gates. Acknowledged by the primary alone: the limit is soft. Outages are kept with majority."""

    def __init__(self, database: Database, rules: Rules) -> None:
        self._upstreams = database.get_collection(
            UPSTREAMS.name, write_concern=WriteConcern(w=1), read_concern=ReadConcern("local")
        )
        self._outages = database[UPSTREAM_OUTAGES.name]
        self._rules = rules

    async def lease(self, line: str, family: str, n: int, seen: Seen, profile: LineRate) -> Document:
        """Ask for permits for up to `n` calls and tell what was `seen`, in one operation; gives the document after it.

        The document is made from the profile when it is missing. `budget.lease_of` reads what was granted.
        """
        update = lease_update(family, n, seen, profile=profile, rules=self._rules)
        wanted = {"got": 1, "windows": 1, "win": 1, **dict.fromkeys(_GATE, 1)}
        wanted |= {f"families.{family}.{name}": 1 for name in ("win", *_GATE)}

        async def once() -> Document:
            found: Document = await self._upstreams.find_one_and_update(
                {"_id": line}, update, upsert=True, return_document=ReturnDocument.AFTER, projection=wanted
            )
            return found

        try:
            return await until_answered(once)
        except DuplicateKeyError:  # two made the document at once
            return await until_answered(once)

    async def lower(self, line: str, family: str | None) -> bool:
        """Too many: 0.7 of the rate, of the line or of one family; at most once a second, False if it was just now."""
        path = _path(family)
        never = datetime.fromtimestamp(0).astimezone()
        rested = {"$lt": [{"$ifNull": [f"${path}lowered_at", never]}, {"$subtract": ["$$NOW", SECOND_MS]}]}
        rate = {"$multiply": [{"$ifNull": [f"${path}rate", "$rate"]}, LOWERING]}
        changes = {"rate": {"$max": [rate, LEAST_RATE_PER_S]}, "lowered_at": "$$NOW", "clean_at": "$$NOW"}
        known = {"_id": line, "rate": {"$exists": True}, "$expr": rested}
        changed = await until_answered(
            lambda: self._upstreams.update_one(known, [{"$set": {f"{path}{k}": v for k, v in changes.items()}}])
        )
        return bool(changed.modified_count)

    async def close(
        self, line: str, family: str | None, reason: str, for_ms: int, *, longer: bool = False
    ) -> Document | None:
        """Close a gate. One that is closed already stays as it is (None); with `longer` it is kept closed longer."""
        path = _path(family)
        lasts: Any = self._longer_again(path, for_ms) if reason == ERRORS else for_ms
        until = {"$add": ["$$NOW", lasts]}
        later = {"$max": [f"${path}closed_until", until]} if longer else until
        wanted = {"_id": line, **({} if longer else {f"{path}reason": {"$exists": False}})}
        changes = {
            "closed_until": later,
            "reason": {"$ifNull": [f"${path}reason", reason]},
            "since": {"$ifNull": [f"${path}since", "$$NOW"]},
            "closed_ms": {"$ifNull": [f"${path}closed_ms", lasts]},
        }
        change = [{"$set": {f"{path}{k}": v for k, v in changes.items()}}]
        after = await self._changed(wanted, change, ReturnDocument.AFTER)
        if after is not None:
            await self._note_closed(line, family, _gate(after, family))
        return after

    async def probed(self, line: str, family: str | None, *, answered: bool) -> None:
        """What became of the one call of a half-open gate: it opens, or stays closed for twice as long."""
        path = _path(family)
        wanted = {"_id": line, f"{path}reason": {"$exists": True}}
        if not answered:
            twice = {"$min": [{"$multiply": [f"${path}closed_ms", 2]}, self._rules.most_ms]}
            stages: list[dict[str, Any]] = [
                {"$set": {f"{path}closed_ms": twice}},
                {"$set": {f"{path}closed_until": {"$add": ["$$NOW", f"${path}closed_ms"]}}},
            ]
            await self._changed(wanted, stages, ReturnDocument.AFTER)
            return
        kept = {f"{path}opened_at": "$$NOW", f"{path}last_ms": f"${path}closed_ms"}
        gone: list[Document] = [{"$set": kept}, {"$unset": [f"{path}{name}" for name in (*_GATE, "win")]}]
        before = await self._changed(wanted, gone, ReturnDocument.BEFORE)
        if before is not None:
            await self._note_opened(line, family, _gate(before, family))

    def _longer_again(self, path: str, for_ms: int) -> Any:
        """`breaker.closing_ms` on the server's clock."""
        again = {"$subtract": ["$$NOW", self._rules.again_ms]}
        soon = {"$gt": [{"$ifNull": [f"${path}opened_at", again]}, again]}
        twice = {"$min": [{"$multiply": [{"$ifNull": [f"${path}last_ms", 0]}, 2]}, self._rules.most_ms]}
        return {"$cond": [soon, {"$max": [for_ms, twice]}, for_ms]}

    async def _changed(self, wanted: Document, change: list[dict[str, Any]], which: bool) -> Document | None:
        found: Document | None = await until_answered(
            lambda: self._upstreams.find_one_and_update(wanted, change, return_document=which)
        )
        return found

    async def _note_closed(self, line: str, family: str | None, gate: Document) -> None:
        """An outage is noted by whoever closed the gate, and again (to the same effect) by whoever opens it."""
        seen = {name: gate.get("win", {}).get(name, 0) for name in ("n", "err")}
        fresh = {"line": line, "family": family, "since": gate["since"], "reason": gate["reason"], "seen": seen}
        await until_answered(
            lambda: self._outages.update_one({"_id": _outage(line, family, gate)}, {"$setOnInsert": fresh}, upsert=True)
        )

    async def _note_opened(self, line: str, family: str | None, gate: Document) -> None:
        await self._note_closed(line, family, gate)
        await until_answered(
            lambda: self._outages.update_one({"_id": _outage(line, family, gate)}, [{"$set": {"until": "$$NOW"}}])
        )


def _path(family: str | None) -> str:
    return "" if family is None else f"families.{family}."


def _gate(upstream: Document, family: str | None) -> Document:
    gate: Document = upstream if family is None else upstream.get("families", {}).get(family, {})
    return gate


def _outage(line: str, family: str | None, gate: Document) -> str:
    since: datetime = gate["since"]
    return f"{line}:{family or '-'}:{int(since.timestamp() * 1000)}"
