"""Notices and orders: the list of a window, details of what is new or changed, and every document that they name.

The list covers only its window, so a notice that is missing from it stays as it was and is never reported as removed.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from sync_contracts.catalogue import Module
from sync_contracts.events import CHECKED_IDENTITY, CHECKED_TOTALS
from sync_contracts.outcomes import Code

from sync_worker.modules.assumptions import JOIN_MINUTES, MAX_DOCUMENT_CHARS, NOTICE_WINDOW_DAYS
from sync_worker.modules.calendar import today_in_india
from sync_worker.modules.canonical import Malformed, canonical, decoded, table
from sync_worker.modules.conclusions import concluded, is_missing, leaves_others_alone
from sync_worker.modules.notice_records import (
    Record,
    announced_documents,
    body_of,
    document_count,
    document_of,
    generation_of,
    is_due,
    part_name,
    reading_marker,
    record_of,
    rows_by_ref,
    stored_records,
    to_read,
)
from sync_worker.modules.port import (
    Call,
    Fetched,
    Incomplete,
    Observed,
    Parts,
    Portal,
    Refusal,
    Request,
    Result,
    Unchanged,
)

_JOIN_MS: Final = JOIN_MINUTES * 60_000


class Notices:
    """All notices of a registration; details only for references that are new, changed or not read for a month."""

    name = Module.NOTICES.value
    stores = True

    async def sync(self, request: Request, portal: Portal, parts: Parts) -> Result:
        """Fetch what is new; the stored notices are read first and stay."""
        try:
            return await self._look(request, portal, parts)
        except Malformed:
            return Incomplete(Code.INTEGRITY_MISMATCH)

    async def _look(self, request: Request, portal: Portal, parts: Parts) -> Result:
        today = today_in_india(request.now)
        since = today - timedelta(days=NOTICE_WINDOW_DAYS)
        answer = await portal.call(Call("notices.list", {"since": since.isoformat()}))
        if isinstance(answer, Refusal):
            return self._without_list(request, concluded(answer))
        rows = rows_by_ref(answer.payload)
        previous = request.previous
        known = {} if previous is None else stored_records(await previous.load())
        all_again = previous is not None and is_due(previous.marker, today)
        wanted = to_read(rows, known, all_again=all_again)
        if previous is not None and not wanted:
            return Unchanged(len(known), CHECKED_IDENTITY | CHECKED_TOTALS)
        read = await _Reading(request, portal, parts, rows).all(wanted)
        if not isinstance(read, dict):
            return read
        marker = reading_marker(today) if previous is None or all_again else previous.marker
        return _fetched(request, rows, known, read, marker)

    def _without_list(self, request: Request, conclusion: Observed | Refusal) -> Result:
        """An empty window leaves the stored notices as they are."""
        is_empty = isinstance(conclusion, Observed) and conclusion.code is Code.EMPTY
        if is_empty and request.previous is not None:
            return Unchanged(request.previous.rows, 0)
        return conclusion


class _Reading:
    """Reads details and documents. What an attempt of the last half hour read for the same list is joined."""

    def __init__(self, request: Request, portal: Portal, parts: Parts, rows: Mapping[str, Record]) -> None:
        self._now_ms = int(request.now.timestamp() * 1000)
        self._portal = portal
        self._parts = parts
        self._rows = rows
        self._generation = generation_of(rows)

    async def all(self, wanted: list[str]) -> dict[str, Record] | Incomplete | Refusal:
        """Every wanted notice whole. One that fails alone does not take the others with it: they are kept."""
        kept = await self._parts.kept(self._generation)
        read: dict[str, Record] = {}
        refusals: list[Refusal] = []
        missing = 0
        for ref in wanted:
            record = self._joined(kept.get(part_name(ref))) or await self._fetch(ref, len(wanted))
            if isinstance(record, dict):
                read[ref] = record
            elif is_missing(record):
                missing += 1
            elif leaves_others_alone(record):
                refusals.append(record)
            else:
                return record
            _refuse_too_much(read)
        if refusals:
            return refusals[0]
        if missing:
            return Incomplete(Code.SECTION_MISSING, {"missing": str(missing), "expected": str(len(wanted))})
        return read

    async def _fetch(self, ref: str, expected: int) -> Record | Refusal:
        answer = await self._portal.call(Call("notices.detail", {"ref": ref}))
        if isinstance(answer, Refusal):
            return answer
        record = record_of(ref, self._rows[ref], answer.payload)
        for entry in announced_documents(record):
            document = await self._portal.call(Call("notices.document", {"id": entry["id"]}))
            if isinstance(document, Refusal):
                return document
            record["documents"].append(document_of(entry, document.payload))
        kept = canonical({"at": self._now_ms, "record": record})
        await self._parts.keep(part_name(ref), kept, gen=self._generation, expected=expected)
        return record

    def _joined(self, kept: bytes | None) -> Record | None:
        if kept is None:
            return None
        part = table(decoded(kept), "part")
        return table(part["record"], "record") if self._now_ms - int(part["at"]) <= _JOIN_MS else None


def _fetched(
    request: Request,
    rows: Mapping[str, Record],
    known: Mapping[str, Record],
    read: Mapping[str, Record],
    marker: str | None,
) -> Fetched:
    records = {**known, **read}
    listed = {ref: records[ref] for ref in rows}
    announced = sum(len(announced_documents(record)) for record in listed.values())
    changed = sum(canonical(known[ref]) != canonical(record) for ref, record in read.items() if ref in known)
    return Fetched(
        body=body_of(request.gstin, records),
        rows=len(records),
        flags=CHECKED_IDENTITY | CHECKED_TOTALS,
        marker=marker,
        totals={
            "notices": {"ours": str(len(listed)), "portal": str(len(rows))},
            "documents": {"ours": str(document_count(listed)), "portal": str(announced)},
        },
        sections={"notices": len(records), "documents": document_count(records)},
        delta={"added": len(read.keys() - known.keys()), "updated": changed},
    )


def _refuse_too_much(read: Mapping[str, Record]) -> None:
    size = sum(len(document["data"]) for record in read.values() for document in record["documents"])
    if size > MAX_DOCUMENT_CHARS:
        raise Malformed("documents are larger than allowed")
