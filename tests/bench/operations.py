"""How many operations a MongoDB server has carried out for its clients."""

from collections.abc import Mapping
from typing import Any, Final, Self

from sync_runtime.mongo import Database

COUNTED: Final = ("find", "getMore", "insert", "update", "delete", "findAndModify", "aggregate", "count", "distinct")


class OperationMeter:
    """Commands by name since the meter was begun. A bulk of many writes is one command, as it is one round trip."""

    def __init__(self, database: Database, begun: Mapping[str, int]) -> None:
        self._database = database
        self._begun = begun

    @classmethod
    async def begin(cls, database: Database) -> Self:
        """Count from now on."""
        return cls(database, await _counters(database))

    async def used(self) -> dict[str, int]:
        """Commands by name, of all clients of the server."""
        now = await _counters(self._database)
        return {name: now[name] - self._begun[name] for name in COUNTED}


async def _counters(database: Database) -> dict[str, int]:
    status: dict[str, Any] = await database.client.admin.command("serverStatus")
    commands = status["metrics"]["commands"]
    return {name: int(commands[name]["total"]) for name in COUNTED}
