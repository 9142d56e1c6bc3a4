"""What may never be written to a log, span or metric: values of secret fields, and texts shaped like a GSTIN or PAN."""

import re
from typing import Any

REDACTED = "[redacted]"

SECRET_KEYS = frozenset(
    {
        "x_api_key", "api_key", "auth_token", "app_key", "sek", "rek", "ek", "txn", "password", "passwd", "pwd", "otp",
        "client_secret", "secret", "secret_enc", "token", "token_enc", "access_token", "refresh_token", "id_token",
        "authorization", "cookie", "set_cookie", "username", "user_name", "username_enc", "gstin", "pan", "tan", "kek",
        "data_key", "data_key_wrapped",
    }
)  # fmt: skip
"""Field names, lower case with `_`; their values are removed whatever they look like."""

MAX_DEPTH = 6
MAX_TEXT = 4_000

# A GSTIN holds the PAN in characters 3 to 12. Its shape is so particular that it is removed inside longer words too.
_GSTIN = r"[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][0-9A-Z]Z[0-9A-Z]"
_PAN = r"(?<![0-9A-Z])[A-Z]{5}[0-9]{4}[A-Z](?![0-9A-Z])"
_TAN = r"(?<![0-9A-Z])[A-Z]{4}[0-9]{5}[A-Z](?![0-9A-Z])"
_JWT = r"eyJ[0-9A-Z_-]{8,}\.[0-9A-Z_-]+\.[0-9A-Z_-]*"
_BEARER = r"(?<=bearer )[^\s\"',;]+"
_URL_USER = r"(?<=://)[^/@\s]+(?=@)"
_SHAPES = re.compile(f"{_GSTIN}|{_JWT}|{_BEARER}|{_URL_USER}|{_PAN}|{_TAN}", re.IGNORECASE)

_NAMES = "|".join(sorted((key.replace("_", "[-_]?") for key in SECRET_KEYS), key=len, reverse=True))
_ASSIGNED = re.compile(
    rf"(?P<name>(?<![0-9A-Z])(?:{_NAMES})[\"']?\s*[:=]\s*)"
    rf"(?P<value>b?\"[^\"]*\"?|b?'[^']*'?|(?:bearer|basic)\s+[^\s,;&}}]+|[^\s,;&}}\"']+)",
    re.IGNORECASE,
)


_TRACEBACK = "Traceback (most recent call last)"
"""A library that logs a formatted traceback also writes the exception's text."""


def is_secret_key(key: str) -> bool:
    """True for a field whose value may not be shown; upper case, `-` and a prefix of other words make no difference."""
    name = key.lower().replace("-", "_")
    return name in SECRET_KEYS or any(name.endswith(f"_{secret}") for secret in SECRET_KEYS)


def scrub(text: str) -> str:
    """The text without identifiers, tokens, tracebacks and values of secret fields (`name=value`, `"name": "value"`).

    Cut after `MAX_TEXT` characters.
    """
    told = text.partition(_TRACEBACK)[0] + "[traceback left out]" if _TRACEBACK in text else text
    bounded = told if len(told) <= MAX_TEXT else f"{told[:MAX_TEXT]}…"
    return _SHAPES.sub(REDACTED, _ASSIGNED.sub(rf"\g<name>{REDACTED}", bounded))


def redacted(value: Any, depth: int = 0) -> Any:
    """A value that JSON can hold, without secrets; nesting is cut at `MAX_DEPTH`."""
    match value:
        case None | bool() | int() | float():
            return value
        case dict() | list() | tuple() | set() | frozenset() if depth >= MAX_DEPTH:
            shown: Any = REDACTED
        case dict():
            shown = {
                scrub(str(k)): REDACTED if is_secret_key(str(k)) else redacted(v, depth + 1) for k, v in value.items()
            }
        case list() | tuple() | set() | frozenset():
            shown = [redacted(item, depth + 1) for item in value]
        case bytes() | bytearray():
            shown = f"[{len(value)} bytes]"
        case BaseException():
            shown = exception_text(value)
        case _:
            shown = scrub(str(value))
    return shown


def exception_text(error: BaseException) -> str:
    """Class of an exception; its text only where the class says it holds no data (`log_safe`) or is Kafka's own."""
    name = type(error).__qualname__
    if getattr(error, "log_safe", False) or type(error).__module__.startswith("aiokafka."):
        return scrub(f"{name}: {error}")
    return name
