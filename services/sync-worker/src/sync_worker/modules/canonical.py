"""Canonical JSON of datasets: sorted keys, no spaces, amounts as exact text; the same data gives the same bytes."""

from decimal import Decimal, DecimalException
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="sorted")


class Malformed(Exception):
    """The portal's data has not the shape that its documentation promises. Holds no data."""

    log_safe = True


def canonical(value: Any) -> bytes:
    """Bytes to store, hash and compare; `msgspec.Raw` inside goes through as it is."""
    return _encoder.encode(value)


def canonical_list(items: list[Any]) -> bytes:
    """The elements of a list without its brackets, so that lists can be joined."""
    return _encoder.encode(items)[1:-1]


def decoded(text: bytes) -> Any:
    """What `canonical` wrote; raises `Malformed`."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed("stored text is not JSON") from error


def amount(value: object) -> Decimal:
    """An amount of the portal: a JSON number or its text; nothing counts as zero."""
    if value is None or value == "":
        return Decimal(0)
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise Malformed("an amount is no number")
    try:
        number = Decimal(value)
    except DecimalException as error:
        raise Malformed("an amount is no number") from error
    if not number.is_finite() or abs(number.adjusted()) > 18:
        raise Malformed("an amount is out of range")
    return number


def table(value: object, name: str) -> dict[str, Any]:
    """An object with text keys."""
    if not isinstance(value, dict):
        raise Malformed(f"{name} is no object")
    return value


def listed(value: object, name: str) -> list[dict[str, Any]]:
    """A list of objects."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Malformed(f"{name} is no list of objects")
    return value


def text(value: object, name: str) -> str:
    """A field that must hold text."""
    if not isinstance(value, str) or not value:
        raise Malformed(f"{name} is no text")
    return value
