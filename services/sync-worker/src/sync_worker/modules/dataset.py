"""The stored form of what a pull of sections brought: canonical, in an order of its own, with what changed in it."""

from collections.abc import Mapping
from typing import Any

from sync_contracts.outcomes import Code

from sync_worker.modules.canonical import canonical, decoded, table
from sync_worker.modules.findings import Pulled
from sync_worker.modules.port import Fetched, Observed, Request
from sync_worker.modules.portal_names import section_counts
from sync_worker.modules.records import delta_of, merged, tally_of


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
    """A complete pull as a result. Without any records it is EMPTY.

    `counts`: rows by section, where these are not its records; `empties`: the portal's own count says that there are
    none, so that stored ones are gone; `more`: further fields of the stored document.
    """
    sections = rows_by_section(pulled.values) if counts is None else dict(counts)
    if not any(sections.values()) and not (empties and request.previous):
        return Observed(Code.EMPTY, None)
    if pulled.not_offered:
        more["not_offered"] = list(pulled.not_offered)
    return Fetched(
        body=dataset_body(request.gstin, request.period, pulled.values, **more),
        rows=sum(sections.values()),
        flags=flags,
        marker=marker,
        totals=totals or {},
        sections=sections,
        delta=await delta_since(request, pulled.values),
    )


def dataset_body(gstin: str, period: str | None, sections: Mapping[str, Any], **more: Any) -> bytes:
    """Canonical JSON: whose it is, its sections by name, and what else belongs to it."""
    ordered = {name: merged(value) for name, value in sections.items()}
    return canonical({"gstin": gstin, "period": period, "sections": ordered, **more})


def rows_by_section(sections: Mapping[str, Any]) -> dict[str, int]:
    """Records by section."""
    return section_counts((name, tally_of(value).records) for name, value in sections.items())


async def delta_since(request: Request, sections: Mapping[str, Any]) -> dict[str, int] | None:
    """Records added, updated and removed since the stored pull; None where there is none."""
    if request.previous is None:
        return None
    before = table(decoded(await request.previous.load())["sections"], "sections")
    after = decoded(canonical(sections))
    return delta_of(before, after)
