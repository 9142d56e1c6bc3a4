"""From the schema library's errors to our field codes. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from bucket_api.refusal import FieldError, ProblemCode

MAX_ERRORS: Final = 100

_FIELD_CODE: Final = {
    "missing": "required",
    "string_too_long": "too_long",
    "string_too_short": "required",
    "too_long": "too_many",
    "too_short": "required",
    "literal_error": "unknown_value",
    "enum": "unknown_value",
}
_KEY_HEADER: Final = ("header", "idempotency-key")
_OF_SEVERAL_KINDS: Final = "when"
"""A field of several kinds; the library puts the kind into the place of an error inside it."""
_MALFORMED: Final = ("extra_forbidden", "json_invalid", "model_attributes_type")


def classify(errors: Iterable[Mapping[str, Any]]) -> tuple[ProblemCode, list[FieldError]]:
    """The problem and its field errors.

    Malformed bodies and bad parameters are `invalid_request`, wrong values in a well-formed body `validation_failed`.
    A missing Idempotency-Key comes before all of them.
    """
    found = list(errors)[:MAX_ERRORS]
    if any(error["type"] == "missing" and tuple(error["loc"]) == _KEY_HEADER for error in found):
        return "idempotency_key_required", []
    malformed = any(_is_malformed(error) for error in found)
    return "invalid_request" if malformed else "validation_failed", [_field(error) for error in found]


def _is_malformed(error: Mapping[str, Any]) -> bool:
    kind, place = error["type"], error["loc"]
    in_body = place[0] == "body" and len(place) > 1
    return not in_body or kind in _MALFORMED or kind.endswith(("_type", "_parsing"))


def _field(error: Mapping[str, Any]) -> FieldError:
    place, *path = error["loc"]
    if path[:1] == [_OF_SEVERAL_KINDS]:
        del path[1:2]
    pointer = "/" + "/".join(str(part) for part in path) if place == "body" else str(path[0] if path else place)
    kind = error["type"]
    code = "unknown_field" if kind == "extra_forbidden" else _FIELD_CODE.get(kind, "invalid")
    return FieldError(pointer, code, error["msg"])
