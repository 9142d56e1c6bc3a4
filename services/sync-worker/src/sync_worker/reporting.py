"""What a worker tells of its line every few seconds: places, and the calls of the last minutes. Information only."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from pymongo.errors import PyMongoError
from sync_contracts.collections import WORKER_REPORTS

from sync_worker.durable import Database
from sync_worker.recent_calls import RecentCalls

log = logging.getLogger(__name__)

EVERY_S: Final = 5.0


class Reporting:
    """Keeps this process's document. `busy`: units that ask the portal now; `clock_s` never goes back."""

    def __init__(
        self,
        database: Database,
        calls: RecentCalls,
        *,
        instance: str,
        line: str,
        slots: int,
        busy: Callable[[], int],
        clock_s: Callable[[], float],
    ) -> None:
        self._reports = database[WORKER_REPORTS.name]
        self._calls = calls
        self._about = {"_id": instance, "line_id": line, "slots": slots}
        self._busy = busy
        self._clock_s = clock_s

    async def run(self) -> None:
        """Tell it for ever. What could not be written is told next time."""
        while True:
            try:
                await self.tell()
            except PyMongoError as error:
                log.warning("not told", extra={"action": "report", "cause": type(error).__name__})
            await asyncio.sleep(EVERY_S)

    async def tell(self) -> None:
        """Write the document once; the server's clock says when."""
        report: dict[str, Any] = {**self._about, "busy": self._busy(), **self._calls.told(self._clock_s())}
        change = [{"$replaceWith": {"$mergeObjects": [{"$literal": report}, {"at": "$$NOW"}]}}]
        await self._reports.update_one({"_id": self._about["_id"]}, change, upsert=True)
