"""The stored form of what a pull of sections brought: canonical, in an order of its own, with what changed in it."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sync_contracts.outcomes import Code

from sync_worker.modules.canonical import Malformed, canonical, decoded, table
from sync_worker.modules.findings import Pulled
from sync_worker.modules.offering import marker_without
from sync_worker.modules.port import Fetched, Observed, Request, Unloadable
from sync_worker.modules.portal_names import section_counts
from sync_worker.modules.records import delta_of, merged, tally_of

log = logging.getLogger(__name__)


async def fetched_sections(
    request: Request,
    pulled: Pulled,
    *,
    flags: int,
    marker: str | None = None,
    totals: Mapping[str, Mapping[str, str]] | None = None,
    counts: Mapping[str, int] | None = None,
    empties: bool = False,
    **more: Any,
) -> Fetched | Observed:
    """A complete pull as a result. Without any records it is EMPTY, unless some may lie in what is not offered.

    `counts`: rows by section, where these are not its records; `empties`: a complete pull without records means that
    stored ones are gone; `more`: further fields of the stored document.
    """
    sections = rows_by_section(pulled.values) if counts is None else dict(counts)
    if not any(sections.values()) and not pulled.not_offered and not (empties and request.previous):
        return Observed(Code.EMPTY, None)
    if pulled.not_offered:
        more["not_offered"] = list(pulled.not_offered)
    ordered = {name: merged(value) for name, value in pulled.values.items()}
    return Fetched(
        body=canonical({"gstin": request.gstin, "period": request.period, "sections": ordered, **more}),
        rows=sum(sections.values()),
        flags=flags,
        marker=marker and marker_without(marker, pulled.not_offered),
        totals=totals or {},
        sections=sections,
        delta=await delta_since(request, ordered, pulled.not_offered),
    )


def rows_by_section(sections: Mapping[str, Any]) -> dict[str, int]:
    """Records by section."""
    return section_counts((name, tally_of(value).records) for name, value in sections.items())


async def delta_since(
    request: Request, ordered: Mapping[str, Any], not_offered: Sequence[str] = ()
) -> dict[str, int] | None:
    """Records added, updated and removed since the stored pull; None where there is none, or it does not open any more.

    What is not offered any more has not been removed. Sections come in their own order, so that those without a change
    are told by their text and not looked into.
    """
    try:
        before = await _stored_sections(request)
        if before is None:
            return None
        same = {name for name in before.keys() & ordered.keys() if canonical(before[name]) == canonical(ordered[name])}
        old = {name: value for name, value in before.items() if name not in same and name not in not_offered}
        new = {name: value for name, value in ordered.items() if name not in same}
        return delta_of(old, decoded(canonical(new)))
    except (Unloadable, Malformed) as error:
        log.warning("not compared with what is stored", extra={"action": "compare", "cause": type(error).__name__})
        return None


async def _stored_sections(request: Request) -> dict[str, Any] | None:
    if request.previous is None:
        return None
    stored = table(decoded(await request.previous.load()), "version")
    return table(stored.get("sections"), "sections")
