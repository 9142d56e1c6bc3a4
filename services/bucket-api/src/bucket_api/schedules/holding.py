"""What could not be processed, by an error of ours, is left alone for a while, so that it does not stop the others."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from pymongo.errors import PyMongoError

log = logging.getLogger(__name__)

HELD_MS: Final = 60_000
MOST_HELD: Final = 1_000


class Holding:
    """Ids that are left alone. `now_ms`: epoch."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._until: dict[str, int] = {}
        self.failed = 0
        """How often something could not be processed, since the start."""

    def ids(self) -> list[str]:
        """What is left alone now."""
        now_ms = self._now_ms()
        self._until = {one: until for one, until in self._until.items() if until > now_ms}
        return list(self._until)

    async def guarded(self, one: str, work: Awaitable[object]) -> None:
        """Do the work; an outage of the database is raised, any other error holds `one` for a minute."""
        try:
            await work
        except (PyMongoError, ConnectionError):
            raise
        except Exception:
            log.exception("cannot be processed", extra={"action": "hold", "held": one})
            self.failed += 1
            if len(self._until) < MOST_HELD:
                self._until[one] = self._now_ms() + HELD_MS
