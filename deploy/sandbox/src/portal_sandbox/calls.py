"""A request as it came, and the portal call that it stands for."""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope

MAX_BODY_BYTES = 1 << 20

Surface = Literal["auth", "public", "taxpayer", "file"]
Spoil = Literal["", "bad_hash", "missing_part", "foreign_body", "wrong_total", "expired_link", "file_failed"]


class BodyTooLarge(Exception):
    """The request body is over 1 MiB."""


class Exchange(msgspec.Struct, frozen=True):
    """Method, path, lower-case headers, query and body of one request."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes = b""


class Call(msgspec.Struct, frozen=True):
    """What is asked for: the words by which scenarios match and the journal lists.

    `family` is the last step of the style A path (`gstr1`, `ims`, `ledgers` …) in both styles. `section` is the part of
    a 2B, the section of an IMS list or the number of a file. `parameters` carry style A names in both styles; `spoil`
    is set by a scenario.
    """

    surface: Surface
    action: str
    gstin: str = ""
    period: str = ""
    section: str = ""
    client_id: str = ""
    path: str = ""
    version: str = ""
    family: str = ""
    parameters: Mapping[str, str] = {}
    spoil: Spoil = ""


async def read_exchange(scope: Scope, receive: Receive) -> Exchange:
    """Raises BodyTooLarge."""
    body = b"" if scope["method"] == "GET" else await _read_body(receive)
    return Exchange(
        scope["method"],
        scope["path"],
        {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        body,
    )


async def _read_body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge
    return body


def text_fields(body: bytes) -> dict[str, str] | None:
    """The text members of a JSON object, or None when the body is no JSON object."""
    try:
        decoded: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    if not isinstance(decoded, dict):
        return None
    return {name: value for name, value in decoded.items() if isinstance(value, str)}
