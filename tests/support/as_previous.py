"""What was fetched, as the next sync finds it stored."""

from datetime import UTC, datetime

from sync_worker.modules.port import Fetched, Previous, Result


def fetched_of(result: Result) -> Fetched:
    """The result, which must be data."""
    assert isinstance(result, Fetched), result
    return result


def as_previous(result: Result, at: datetime = datetime(2026, 11, 23, tzinfo=UTC)) -> Previous:
    """A fetched dataset as stored."""
    fetched = fetched_of(result)

    async def load() -> bytes:
        return fetched.body

    return Previous(fetched.marker, fetched.rows, at, load)
