"""The problem document (RFC 9457)."""

from bucket_api.http.problems import ProblemType, type_of
from bucket_api.http.schemas.kinds import Answer
from bucket_api.refusal import ProblemCode


class FieldProblem(Answer):
    """One wrong field or row."""

    pointer: str
    code: str
    detail: str


class Problem(Answer):
    """Every error. Some codes carry further members, such as `limit` and `used`."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    trace_id: str
    retryable: bool
    errors: list[FieldProblem] | None = None


class ProblemKind(Answer):
    """One row of the list of problems."""

    code: str
    type: str
    title: str
    status: int
    retryable: bool


class Problems(Answer):
    """All problems that this service answers with."""

    items: list[ProblemKind]


def problem_kind(code: ProblemCode, kind: ProblemType) -> ProblemKind:
    """The row of a code."""
    return ProblemKind(code=code, type=type_of(code), title=kind.title, status=kind.status, retryable=kind.retryable)
