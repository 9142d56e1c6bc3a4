"""Signed links of the portal, pure: a file is fetched only from the line's own host, below its file gateway.

The headers of a session go with it, so no link may lead to another path of the host either.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

MAX_LINK_CHARS: Final = 2048
_PLAIN: Final = re.compile(r"[!-~]+")
_SEGMENT: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~=-]+")


class Place(Struct, frozen=True):
    """Where a file lies, relative to the line's address. The query is signed: never log it."""

    path: str
    query: Mapping[str, str]


def place_of(url: str, *, base_url: str, gateway: str) -> Place | None:
    """The place of a link; None where it leads anywhere else, or is no plain link."""
    if len(url) > MAX_LINK_CHARS or not _PLAIN.fullmatch(url) or "\\" in url:
        return None
    own = f"{base_url.rstrip('/')}/"
    is_own = url.startswith(own)
    try:
        parts = urlsplit(url.removeprefix(own) if is_own else url)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), max_num_fields=20)
    except ValueError:
        return None
    path = parts.path.removeprefix("/")
    if parts.scheme or parts.netloc or parts.fragment or not _is_plain_path(path):
        return None
    if not is_own:
        path = f"{gateway}/{path}"
    return Place(path, dict(query)) if path.startswith(f"{gateway}/") else None


def _is_plain_path(path: str) -> bool:
    return all(_SEGMENT.fullmatch(segment) for segment in path.split("/"))
