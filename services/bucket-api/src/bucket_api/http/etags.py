"""Conditional reads."""

from fastapi import FastAPI, Request, Response


class NotModified(Exception):
    """The caller has this version already."""

    def __init__(self, etag: str) -> None:
        super().__init__(etag)
        self.etag = etag


def unless_known(if_none_match: str | None, etag: str) -> str:
    """The ETag to answer with. Raises `NotModified` when the caller names it."""
    if if_none_match and etag in (tag.strip() for tag in if_none_match.split(",")):
        raise NotModified(etag)
    return etag


async def _not_modified(_: Request, error: Exception) -> Response:
    assert isinstance(error, NotModified)  # noqa: S101 - registered for this class
    return Response(status_code=304, headers={"etag": error.etag})


def install(app: FastAPI) -> None:
    """Answer 304 where a handler found nothing new."""
    app.add_exception_handler(NotModified, _not_modified)
