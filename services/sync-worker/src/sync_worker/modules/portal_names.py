"""Text of the portal that becomes a name in our documents, pure: short, plain and few, whatever the portal says."""

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

OTHER: Final = "other"
MAX_SECTIONS: Final = 64
MAX_MARKER_CHARS: Final = 128

_SECTION: Final = re.compile(r"[A-Za-z0-9_]{1,16}")


def section_counts(counted: Iterable[tuple[object, int]]) -> dict[str, int]:
    """Records added up by section: at most 64 names of 1 to 16 letters, digits, underscores; the rest in `other`."""
    counts: dict[str, int] = {}
    for portal_name, records in counted:
        name = _section(portal_name)
        if name not in counts and len(counts) >= MAX_SECTIONS - 1:
            name = OTHER
        counts[name] = counts.get(name, 0) + records
    return counts


def marker_of(*stamps: str) -> str:
    """The portal's signs of change as one marker of at most 128 plain characters; a digest of them where they are not.

    Equal signs give equal markers.
    """
    marker = "|".join(stamps)
    is_plain = len(marker) <= MAX_MARKER_CHARS and marker.isascii() and marker.isprintable()
    return marker if is_plain else sha256(marker.encode("utf-8", "surrogatepass")).hexdigest()


def digest_of(data: bytes) -> str:
    """A short name of data: equal for equal data."""
    return sha256(data).hexdigest()[:32]


def _section(portal_name: object) -> str:
    return portal_name if isinstance(portal_name, str) and _SECTION.fullmatch(portal_name) else OTHER
