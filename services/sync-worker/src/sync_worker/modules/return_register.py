"""The return register: which returns a registration filed in a financial year. Public: no session of the taxpayer.

Check: every row names an acknowledgement number and a period of the year asked for. The portal gives no totals here.
"""

from collections.abc import Mapping
from typing import Any

from sync_contracts.catalogue import Module
from sync_contracts.events import CHECKED_IDENTITY
from sync_contracts.outcomes import Code

from sync_worker.modules.calendar import financial_year_of, month_of
from sync_worker.modules.canonical import Malformed, canonical, decoded, listed, table
from sync_worker.modules.conclusions import concluded
from sync_worker.modules.port import Call, Fetched, Incomplete, Parts, Portal, Refusal, Request, Result
from sync_worker.modules.portal_names import section_counts


class ReturnRegister:
    """One call for a financial year; a row without its keys is asked for once more."""

    name = Module.RETURN_REGISTER.value
    stores = True

    async def sync(self, request: Request, portal: Portal, parts: Parts) -> Result:  # noqa: ARG002
        """Fetch one financial year (`2026-27`)."""
        result: Result = Incomplete(Code.SECTION_MISSING)
        for _ in range(2):
            result = await self._look(request, portal)
            if not isinstance(result, Incomplete):
                break
        return result

    async def _look(self, request: Request, portal: Portal) -> Result:
        answer = await portal.call(Call("register.track", {"fy": request.period or ""}))
        if isinstance(answer, Refusal):
            return concluded(answer)
        try:
            rows = listed(table(answer.payload, "answer").get("EFiledlist"), "EFiledlist")
        except Malformed:
            return Incomplete(Code.INTEGRITY_MISMATCH)
        if any(_is_foreign(row, request.period or "") for row in rows):
            return Incomplete(Code.INTEGRITY_MISMATCH)
        nameless = sum(not _is_whole(row) for row in rows)
        if nameless:
            return Incomplete(Code.SECTION_MISSING, {"rows_without_keys": str(nameless), "rows": str(len(rows))})
        return await _fetched(request, sorted(rows, key=_key))


async def _fetched(request: Request, rows: list[dict[str, Any]]) -> Fetched:
    body = canonical({"gstin": request.gstin, "fy": request.period, "rows": rows})
    return Fetched(
        body=body,
        rows=len(rows),
        flags=CHECKED_IDENTITY,
        marker=None,
        totals={},
        sections=section_counts((row.get("rtntype"), 1) for row in rows),
        delta=await _delta(request, rows),
    )


async def _delta(request: Request, rows: list[dict[str, Any]]) -> dict[str, int] | None:
    """Against the stored register. A filed row that went away is counted too: it should not happen."""
    if request.previous is None:
        return None
    before = {_key(row): row for row in decoded(await request.previous.load())["rows"]}
    after = {_key(row): row for row in rows}
    both = before.keys() & after.keys()
    return {
        "added": len(after.keys() - both),
        "updated": sum(canonical(before[key]) != canonical(after[key]) for key in both),
        "removed": len(before.keys() - both),
    }


def _is_whole(row: Mapping[str, Any]) -> bool:
    return month_of(row.get("ret_prd")) is not None and bool(row.get("arn"))


def _is_foreign(row: Mapping[str, Any], financial_year: str) -> bool:
    """A row of another year than the one asked for."""
    month = month_of(row.get("ret_prd"))
    return month is not None and financial_year_of(month) != financial_year


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    period = month_of(row["ret_prd"]) or ""
    return (period, str(row.get("rtntype", "")), str(row["arn"]))
