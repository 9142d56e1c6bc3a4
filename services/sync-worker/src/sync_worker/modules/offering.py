"""Sections that a GSP does not offer, as a part of the marker: where they are offered later, all is read again."""

from collections.abc import Sequence
from typing import Final

from sync_worker.modules.port import Portal, Refusal
from sync_worker.modules.portal_names import marker_of
from sync_worker.modules.sections import Section

_WITHOUT: Final = "without "


def marker_without(marker: str, not_offered: Sequence[str]) -> str:
    """The marker of data that lacks these sections."""
    return marker_of(marker, _WITHOUT + ",".join(not_offered)) if not_offered else marker


def parted(stored: str | None) -> tuple[str, tuple[str, ...]]:
    """The marker in a stored one, and the sections that the data lacks."""
    marker, _, names = (stored or "").partition(f"|{_WITHOUT}")
    return marker, tuple(names.split(",")) if names else ()


async def are_not_offered(portal: Portal, sections: Sequence[Section], names: Sequence[str]) -> bool:
    """Whether the GSP still offers none of these; that it does not is known without a call to it."""
    for section in sections:
        if section.name in names:
            answer = await portal.call(section.call)
            if not isinstance(answer, Refusal) or not answer.is_not_offered:
                return False
    return True
