"""What all schemas share: strict requests, plain answers, times as RFC 3339 in UTC with milliseconds."""

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints


def rfc3339(at: datetime) -> str:
    """`2026-11-23T05:32:14.120Z`."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def instant(ms: int) -> datetime:
    """The time of epoch milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC)


Instant = Annotated[datetime, PlainSerializer(rfc3339, return_type=str)]
ClientId = Annotated[str, StringConstraints(pattern=r"^c_[A-Za-z0-9_-]{1,60}$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]
Item = TypeVar("Item")


class Body(BaseModel):
    """A request. A field that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """An answer: exactly the fields named here, never a stored document as it is."""

    model_config = ConfigDict(frozen=True)


class ListOf(Answer, Generic[Item]):
    """One page of a list. An absent `next_page_token` is the end."""

    items: list[Item]
    next_page_token: str | None = Field(default=None)
    total_size: int


class Person(Answer):
    """Who did something."""

    kind: str
    id: str
    name: str


def person(subject: str, name: str | None) -> Person:
    """A user or a service, by the prefix of its subject."""
    return Person(kind="user" if subject.startswith("us_") else "service", id=subject, name=name or subject)
