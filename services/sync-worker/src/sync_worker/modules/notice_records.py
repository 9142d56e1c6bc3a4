"""Reading notices, pure: the list, a detail with its documents, and which notices must be read anew."""

import hashlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from sync_worker.modules.assumptions import MAX_NOTICES, NOTICE_REREAD_DAYS
from sync_worker.modules.calendar import NOT_GIVEN, day_of
from sync_worker.modules.canonical import Malformed, canonical, decoded, listed, table, text

Record = dict[str, Any]
"""One notice as stored: `ref`, `row` of the list, `detail`, `documents`, `issued_on`, `reply_by` (ISO day or None)."""

_READ: Final = "read:"


def rows_by_ref(payload: object) -> dict[str, Record]:
    """The list by reference; raises `Malformed`."""
    rows = listed(table(payload, "answer").get("notices"), "notices")
    if len(rows) > MAX_NOTICES:
        raise Malformed("more notices than allowed")
    return {text(row.get("refId"), "refId"): row for row in rows}


def stored_records(body: bytes) -> dict[str, Record]:
    """The notices of the stored dataset by reference."""
    return {record["ref"]: record for record in decoded(body)["notices"]}


def to_read(rows: Mapping[str, Record], known: Mapping[str, Record], *, all_again: bool) -> list[str]:
    """References to be read: new ones, those whose row changed, and at times all that are listed."""
    return [ref for ref, row in rows.items() if all_again or ref not in known or _differ(known[ref].get("row"), row)]


def reading_marker(today: date) -> str:
    """Marker of a dataset all of whose listed notices were read on this day."""
    return f"{_READ}{today.isoformat()}"


def is_due(marker: str | None, today: date) -> bool:
    """Whether listed notices must be read again although their rows did not change."""
    try:
        read_on = date.fromisoformat((marker or "").removeprefix(_READ))
    except ValueError:
        return True
    return today - read_on >= timedelta(days=NOTICE_REREAD_DAYS)


def record_of(ref: str, row: Record, payload: object) -> Record:
    """A notice without its documents; raises `Malformed` for another notice's detail or a date that nobody can read."""
    detail = table(payload, "detail")
    if detail.get("refId") != ref:
        raise Malformed("the detail belongs to another notice")
    return {
        "ref": ref,
        "row": row,
        "detail": detail,
        "issued_on": _day(detail.get("dateOfIssue")),
        "reply_by": _day(detail.get("dueDateOfReply")),
        "documents": [],
    }


def announced_documents(record: Record) -> list[Record]:
    """Documents that the detail names, each with `id` and `hash`; raises `Malformed`."""
    entries: list[Record] = []
    for name in ("maindocs", "suppdocs"):
        for entry in listed(record["detail"].get(name) or [], name):
            details = entry.get("dcupdtls")
            entries.extend(listed(details if isinstance(details, list) else [details], "dcupdtls"))
    for entry in entries:
        text(entry.get("id"), "document id")
    return entries


def document_of(entry: Record, payload: object) -> Record:
    """A document with its bytes. The portal's own hash is stored, not verified: its algorithm is not known."""
    answer = table(payload, "document")
    if answer.get("id") != entry["id"]:
        raise Malformed("the answer belongs to another document")
    data = text(answer.get("data"), "data")
    try:
        content = b64decode(data, validate=True)
    except (Base64Error, ValueError) as error:
        raise Malformed("a document is no base64 text") from error
    if answer.get("hash") != entry.get("hash"):
        raise Malformed("the hash of a document is not the announced one")
    return {
        "id": entry["id"],
        "name": answer.get("docName") or entry.get("docName"),
        "kind": answer.get("ct") or entry.get("ct"),
        "hash": entry.get("hash"),
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "data": data,
    }


def body_of(gstin: str, records: Mapping[str, Record]) -> bytes:
    """The dataset in canonical form, ordered by reference."""
    return canonical({"gstin": gstin, "notices": [records[ref] for ref in sorted(records)]})


def generation_of(rows: Mapping[str, Record]) -> str:
    """A stamp of the list: records read for an equal list may be joined."""
    return hashlib.sha256(canonical([rows[ref] for ref in sorted(rows)])).hexdigest()[:32]


def part_name(ref: str) -> str:
    """Name of a kept record; a reference itself stays out of names."""
    return hashlib.sha256(ref.encode()).hexdigest()[:16]


def document_count(records: Mapping[str, Record]) -> int:
    """Documents stored."""
    return sum(len(record["documents"]) for record in records.values())


def _day(value: object) -> str | None:
    """ISO day; None where the portal writes "NA" or nothing."""
    if value in (None, "", NOT_GIVEN):
        return None
    day = day_of(value)
    if day is None:
        raise Malformed("a date of a notice cannot be read")
    return day.isoformat()


def _differ(one: object, other: object) -> bool:
    return canonical(one) != canonical(other)
