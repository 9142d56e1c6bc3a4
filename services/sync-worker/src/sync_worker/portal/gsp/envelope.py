"""The portal's envelopes, pure: what came over HTTP becomes fields of a success, or a refusal by class and code.

HTTP 200 is no success: `status_cd` "0" or 0 is a failure, every other value ("1", 1, "3") or none is a success.
Portal text goes nowhere; only codes that are short and plain are passed on.
"""

from collections.abc import Mapping
from decimal import Decimal, DecimalException
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct
from sync_contracts.outcomes import OutcomeClass

from sync_worker.modules.port import Refusal
from sync_worker.portal.gsp.error_table import error_table, quotable
from sync_worker.portal.gsp.profile import Action, Profile

_MAX_WAIT_MS: Final = 86_400_000
_SNIFFED_BYTES: Final = 4096

Fields = Mapping[str, Raw]

_fields = msgspec.json.Decoder(dict[str, Raw])
_exact = msgspec.json.Decoder(float_hook=Decimal)


class Reply(Struct, frozen=True):
    """What came over HTTP. `retry_after` is the header's text; `elapsed_ms` up to the last byte."""

    http: int
    body: bytes
    elapsed_ms: int
    retry_after: str | None = None


class Unreadable(Exception):
    """Bytes that should be JSON and are not."""


def exact_json(text: bytes | Raw) -> Any:
    """Parse JSON with fractions as `Decimal`; raises `Unreadable`."""
    try:
        return _exact.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, DecimalException, ValueError) as error:
        raise Unreadable from error


def opened(reply: Reply, profile: Profile, action: Action) -> Fields | Refusal:
    """The fields of a success at top level, or why there are none."""
    try:
        fields = _fields.decode(reply.body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _refusal(reply, profile, action, None, _outcome_of_text(reply))
    if reply.http < 400 and _succeeded(fields):
        return fields
    return _refusal(reply, profile, action, _code(fields, profile), _outcome_of_text(reply))


def text_of(fields: Fields, name: str) -> str | None:
    """A field that holds text (or a number, as text)."""
    value = _plain(fields.get(name))
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def integrity(reply: Reply) -> Refusal:
    """What came does not open, or is not what it says."""
    return Refusal(OutcomeClass.INTEGRITY, http=reply.http)


def retry_after_ms(header: str | None) -> int | None:
    """`Retry-After` in seconds; a date or nonsense is none."""
    if header is None or not header.isascii() or not header.isdigit():
        return None
    return min(int(header[:9]) * 1000, _MAX_WAIT_MS)


def _succeeded(fields: Fields) -> bool:
    status = text_of(fields, "status_cd")
    return status != "0" and (status is not None or "error" not in fields)


def _refusal(reply: Reply, profile: Profile, action: Action, code: str | None, by_text: OutcomeClass | None) -> Refusal:
    if reply.http == 429 or code in profile.throttle_codes:
        outcome = OutcomeClass.RATE_LIMITED
    elif code is None and by_text is not None:
        outcome = by_text
    else:
        outcome = error_table().outcome(
            surface=action.surface, family=action.family, code=code, http=reply.http, vendor=profile.vendor
        )
    return Refusal(outcome, code=code, http=reply.http, retry_after_ms=retry_after_ms(reply.retry_after))


def _outcome_of_text(reply: Reply) -> OutcomeClass | None:
    head = reply.body[:_SNIFFED_BYTES].decode("utf-8", "replace").strip()
    named = error_table().outcome_of_text(head)
    if named is not None or reply.http >= 400:
        return named
    return OutcomeClass.INTEGRITY if head[:1] in {"", "{", "["} else None


def _code(fields: Fields, profile: Profile) -> str | None:
    """The code in `error`, or at top level where a GSP answers so."""
    error = _plain(fields.get("error"))
    places: tuple[Mapping[str, Any], ...] = (error,) if isinstance(error, dict) else ()
    top = {name: _plain(fields[name]) for name in profile.code_fields if name in fields}
    for place in (*places, top):
        for name in profile.code_fields:
            if (code := quotable(place.get(name))) is not None:
                return code
    return None


def _plain(raw: Raw | None) -> Any:
    try:
        return None if raw is None else exact_json(raw)
    except Unreadable:
        return None
