"""The lines as last read: which take calls, which API families do, how many units each may have in flight. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from sync_contracts.catalogue import MODULES

from bucket_api.dispatch.backlog import Column
from bucket_api.dispatch.fairness import Line, line_window

_FAMILY_OF: Final[Mapping[str, str]] = {module.value: str(info.family) for module, info in MODULES.items()}


class Gates:
    """All lines. A line without a document has no known rate and is open: its first call makes it known."""

    def __init__(self, mean_call_s: float, window_without_rate: int) -> None:
        self._mean_call_s = mean_call_s
        self._window_without_rate = window_without_rate
        self._lines: dict[str, Line] = {}

    def read_again(self, lines: Iterable[Line]) -> set[str]:
        """The lines as just read; returns those whose API families' gates have changed."""
        before = self._lines
        self._lines = {line.id: line for line in lines}
        return {name for name in before.keys() | self._lines.keys() if _families(before, name) != self._families(name)}

    def window(self, line: str) -> int:
        """Units in flight on a line."""
        return line_window(self._lines.get(line, Line(id=line)), self._mean_call_s, self._window_without_rate)

    def is_closed(self, line: str, now_ms: int) -> bool:
        """Whether the line takes no calls now."""
        known = self._lines.get(line)
        return known is not None and known.is_closed(now_ms)

    def closed_columns(self, line: str, columns: Iterable[Column], now_ms: int) -> dict[int, int]:
        """The columns whose API family is closed now, with the time until when."""
        closed = {name: until for name, until in self._families(line).items() if until > now_ms}
        if not closed:
            return {}
        families = ((mi, _FAMILY_OF.get(column.module)) for mi, column in enumerate(columns))
        return {mi: closed[family] for mi, family in families if family in closed}

    def _families(self, line: str) -> Mapping[str, int]:
        return _families(self._lines, line)


def _families(lines: Mapping[str, Line], line: str) -> Mapping[str, int]:
    known = lines.get(line)
    return known.families if known else {}
