"""GSTR-2B: the input tax credit statement of a month, whole, unchanged, or why there is none.

A large statement comes in parts: the first answer then carries `fc` and documents that are thrown away. Parts are kept
under the portal's own stamp, so a later attempt goes on where this one ended.
"""

from sync_contracts.catalogue import ClientKind, Module
from sync_contracts.events import CHECKED_IDENTITY, CHECKED_TOTALS
from sync_contracts.outcomes import Code

from sync_worker.modules.applicability import has_return
from sync_worker.modules.assumptions import MAX_TWOB_PARTS, TWOB_CUT_OFF_DAY
from sync_worker.modules.calendar import day_after_month, months_before, today_in_india
from sync_worker.modules.canonical import Malformed
from sync_worker.modules.conclusions import concluded, is_missing, leaves_others_alone
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
from sync_worker.modules.twob_statement import (
    Head,
    Part,
    announced,
    body_of,
    differences,
    documents_by_section,
    head_of,
    part_from,
    part_of,
    tally_of,
    totals_of,
)


class Moved(Exception):
    """The portal made the statement anew while its parts were read."""

    log_safe = True


class Gstr2b:
    """One month of one registration. A statement that does not add up, or moved, is read again once."""

    name = Module.GSTR2B.value
    stores = True

    async def sync(self, request: Request, portal: Portal, parts: Parts) -> Result:
        """Fetch one month (`2026-10`)."""
        period = request.period or ""
        if not has_return(Module.GSTR2B, request.kind, period):
            return Observed(Code.NOT_APPLICABLE, None)
        result: Result = Incomplete(Code.INTEGRITY_MISMATCH)
        for reuse_kept in (True, False):
            try:
                result = await self._pull(request, period, portal, parts, reuse_kept=reuse_kept)
            except Malformed:
                return Incomplete(Code.INTEGRITY_MISMATCH)
            except Moved:
                result = Incomplete(Code.INTEGRITY_MISMATCH, {"moved": "true"})
                continue
            if not (isinstance(result, Incomplete) and result.code is Code.TOTALS_MISMATCH):
                break
        return result

    async def _pull(self, request: Request, period: str, portal: Portal, parts: Parts, *, reuse_kept: bool) -> Result:
        answer = await portal.call(Call("twob.get", {"period": period}))
        if isinstance(answer, Refusal):
            return concluded(answer, _details(request, period))
        head = head_of(answer.payload, request.gstin, period)
        if request.previous is not None and request.previous.marker == head.marker:
            return Unchanged(request.previous.rows, CHECKED_IDENTITY)
        if head.parts == 0:
            return _checked(head, [part_of(answer.payload)])
        pulled = await _Paging(request, period, portal, parts, head).all(reuse_kept=reuse_kept)
        return _checked(head, pulled) if isinstance(pulled, list) else pulled


class _Paging:
    """Reads the parts of one statement, those that an earlier attempt kept first."""

    def __init__(self, request: Request, period: str, portal: Portal, parts: Parts, head: Head) -> None:
        self._request = request
        self._period = period
        self._portal = portal
        self._parts = parts
        self._head = head

    async def all(self, *, reuse_kept: bool) -> list[Part] | Incomplete | Refusal:
        """Parts 1 … fc. A part that fails alone does not take the others with it: they are kept."""
        if self._head.parts > MAX_TWOB_PARTS:
            raise Malformed("too many parts")
        kept = await self._parts.kept(self._head.marker) if reuse_kept else {}
        pulled: list[Part] = []
        refusals: list[Refusal] = []
        missing: list[str] = []
        for number in range(1, self._head.parts + 1):
            stored = kept.get(_part_name(number))
            part = part_from(stored) if stored is not None else await self._fetch(number)
            if isinstance(part, Part):
                pulled.append(part)
            elif is_missing(part):
                missing.append(str(number))
            elif leaves_others_alone(part):
                refusals.append(part)
            else:
                return part
        if refusals:
            return refusals[0]
        return self._missing(missing) if missing else pulled

    async def _fetch(self, number: int) -> Part | Refusal:
        answer = await self._portal.call(Call("twob.get", {"period": self._period, "part": str(number)}))
        if isinstance(answer, Refusal):
            return answer
        if head_of(answer.payload, self._request.gstin, self._period).marker != self._head.marker:
            raise Moved("the statement was made anew")
        part = part_of(answer.payload)
        await self._parts.keep(_part_name(number), part.stored(), gen=self._head.marker, expected=self._head.parts)
        return part

    def _missing(self, numbers: list[str]) -> Incomplete:
        detail = {"missing": ",".join(numbers), "expected": str(self._head.parts)}
        return Incomplete(Code.SECTION_MISSING, detail)


def _checked(head: Head, parts: list[Part]) -> Fetched | Incomplete:
    ours, portals = tally_of(parts), announced(head)
    totals = totals_of(ours, portals or ours)
    if portals is not None and (places := differences(ours, portals)):
        return Incomplete(Code.TOTALS_MISMATCH, {"places": str(places), **_both("documents", totals)})
    return Fetched(
        body=body_of(head, parts),
        rows=sum(ours.documents.values()),
        flags=CHECKED_IDENTITY | (CHECKED_TOTALS if portals is not None else 0),
        marker=head.marker,
        totals=totals if portals is not None else {},
        sections=documents_by_section(ours),
    )


def _both(name: str, totals: dict[str, dict[str, str]]) -> dict[str, str]:
    return {f"{name}_{side}": value for side, value in totals[name].items()}


def _details(request: Request, period: str) -> dict[Code, dict[str, str]]:
    """What is known beside the portal's code: the day from which a 2B can be there, the return to be filed first."""
    opens = day_after_month(period, TWOB_CUT_OFF_DAY)
    early = today_in_india(request.now) < opens
    before = months_before(period, 3 if request.kind == ClientKind.QRMP else 1)
    return {
        Code.NOT_YET: {"available_from": opens.isoformat()} if early else {},
        Code.PRECONDITION: {"return": "gstr3b", "period": before},
    }


def _part_name(number: int) -> str:
    return f"part-{number:04}"
