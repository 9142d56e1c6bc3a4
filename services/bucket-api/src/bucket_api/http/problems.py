"""Problems (RFC 9457): the table of codes, and how refusals become answers."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from msgspec import Struct
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException

from bucket_api.http.trace import trace_of
from bucket_api.http.validation import classify
from bucket_api.refusal import FieldError, ProblemCode, Refusal

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"


class ProblemType(Struct, frozen=True):
    """What is constant of a code. `retryable`: the same request may succeed later."""

    status: int
    title: str
    retryable: bool = False


PROBLEMS: Final[dict[ProblemCode, ProblemType]] = {
    "invalid_request": ProblemType(400, "The request is malformed"),
    "page_token_mismatch": ProblemType(400, "The page token belongs to another list"),
    "unauthenticated": ProblemType(401, "The token is missing, expired or not valid here"),
    "forbidden": ProblemType(403, "The token does not allow this"),
    "not_found": ProblemType(404, "Not found"),
    "method_not_allowed": ProblemType(405, "This address does not know the method"),
    "not_acceptable": ProblemType(406, "The answer cannot be given in this format"),
    "already_exists": ProblemType(409, "It exists already"),
    "bucket_ended": ProblemType(409, "The bucket has ended"),
    "bucket_running": ProblemType(409, "The bucket is still running", True),
    "bucket_cancelling": ProblemType(409, "The bucket is being cancelled", True),
    "preview_stale": ProblemType(409, "The preview is out of date", True),
    "too_many_runs": ProblemType(409, "The bucket takes no further run"),
    "plan_active": ProblemType(409, "A bucket of the same plan is running"),
    "idempotency_in_progress": ProblemType(409, "The first request with this key is still being worked on", True),
    "otp_closed": ProblemType(409, "The OTP request is closed"),
    "page_token_expired": ProblemType(410, "The page token is too old"),
    "expired": ProblemType(410, "It is gone"),
    "version_conflict": ProblemType(412, "It was changed meanwhile", True),
    "body_too_large": ProblemType(413, "The body is too large"),
    "unsupported_media_type": ProblemType(415, "The body has a format that is not understood"),
    "validation_failed": ProblemType(422, "Some values are wrong"),
    "selection_empty": ProblemType(422, "No client is selected"),
    "modules_empty": ProblemType(422, "No module is selected"),
    "period_invalid": ProblemType(422, "The period cannot be asked for"),
    "filter_required": ProblemType(422, "Say which units are meant"),
    "nothing_eligible": ProblemType(422, "No unit can be run again"),
    "idempotency_key_reused": ProblemType(422, "The key was used with another body"),
    "gstin_invalid": ProblemType(422, "The GSTIN is not valid"),
    "otp_rejected": ProblemType(422, "The OTP was not accepted"),
    "precondition_required": ProblemType(428, "A header is missing: If-Match"),
    "idempotency_key_required": ProblemType(428, "A header is missing: Idempotency-Key"),
    "rate_limited": ProblemType(429, "Too many requests", True),
    "too_many_active_buckets": ProblemType(429, "Too many buckets are active", True),
    "too_many_queued_units": ProblemType(429, "Too many units are queued", True),
    "internal": ProblemType(500, "Something went wrong on our side", True),
    "unavailable": ProblemType(503, "Storage or bus cannot be reached; nothing was accepted", True),
    "timeout": ProblemType(504, "The request took too long; nothing was accepted", True),
}

_CODE_OF_STATUS: Final[dict[int, ProblemCode]] = {
    400: "invalid_request",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "body_too_large",
    415: "unsupported_media_type",
}
_RETRY_AFTER_S: Final[dict[int, int]] = {429: 30, 503: 5}


def type_of(code: ProblemCode) -> str:
    """The name of a code that is unique in the world."""
    return f"urn:sync-bucket:problem:{code}"


def problem(
    code: ProblemCode,
    *,
    instance: str,
    trace_id: str,
    detail: str | None = None,
    errors: Sequence[FieldError] = (),
    facts: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """The answer for a code. `facts` are further members (`limit`, `used`, `bucket_id` …)."""
    kind = PROBLEMS[code]
    body: dict[str, Any] = {
        "type": type_of(code),
        "title": kind.title,
        "status": kind.status,
        "code": code,
        "detail": detail or kind.title + ".",
        "instance": instance,
        "trace_id": trace_id,
        "retryable": kind.retryable,
        **(facts or {}),
    }
    if errors:
        body["errors"] = [{"pointer": e.pointer, "code": e.code, "detail": e.detail} for e in errors]
    return JSONResponse(body, kind.status, _headers(code, kind.status, facts or {}), media_type=MEDIA_TYPE)


def _headers(code: ProblemCode, status: int, facts: Mapping[str, Any]) -> dict[str, str]:
    if code == "unauthenticated":
        return {"www-authenticate": "Bearer"}
    if status in _RETRY_AFTER_S:
        return {"retry-after": str(facts.get("retry_after_s", _RETRY_AFTER_S[status]))}
    return {}


def answer(request: Request, refusal: Refusal) -> JSONResponse:
    """The problem that a refusal becomes."""
    return problem(
        refusal.code,
        instance=request.url.path,
        trace_id=trace_of(request.scope).trace_id,
        detail=refusal.detail,
        errors=refusal.errors,
        facts=refusal.facts,
    )


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)  # noqa: S101 - registered for this class
    return answer(request, error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    code, errors = classify(error.errors())
    return answer(request, Refusal(code, errors=errors))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    response = answer(request, Refusal(_CODE_OF_STATUS.get(error.status_code, "invalid_request")))
    if error.headers and "Allow" in error.headers:
        response.headers["allow"] = error.headers["Allow"]
    return response


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    log.warning("dependency unreachable", extra={"action": "answer_unavailable", "cause": type(error).__name__})
    return answer(request, Refusal("unavailable"))


def install(app: FastAPI) -> None:
    """Every error of the application becomes a problem of the table."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(PyMongoError, _unavailable)
    app.add_exception_handler(ConnectionError, _unavailable)
