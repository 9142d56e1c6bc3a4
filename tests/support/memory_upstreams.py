"""The double of `upstreams`: the pure rules over one document a line, on a clock of the caller's."""

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from sync_worker.limits import budget
from sync_worker.limits.breaker import ERRORS, Rules, Seen, closing_ms, longer_ms
from sync_worker.limits.budget import LEAST_RATE_PER_S, LOWERING, LineRate

Document = dict[str, Any]
GATE = ("closed_until", "reason", "since", "closed_ms")


class MemoryUpstreams:
    """What `limits.upstreams.Upstreams` does. `operations` counts what would go to the database."""

    def __init__(self, rules: Rules, now: Callable[[], datetime]) -> None:
        self.lines: dict[str, Document] = {}
        self.outages: list[Document] = []
        self.operations = 0
        self._rules = rules
        self._now = now

    async def lease(self, line: str, family: str, n: int, seen: Seen, profile: LineRate) -> Document:
        self.operations += 1
        self.lines[line] = budget.leased(
            self.lines.get(line), family, n, seen, profile=profile, rules=self._rules, now=self._now()
        )
        return deepcopy(self.lines[line])

    async def lower(self, line: str, family: str | None) -> bool:
        self.operations += 1
        part, now = self._part(line, family), self._now()
        if part.get("lowered_at", datetime.fromtimestamp(0).astimezone()) >= now - timedelta(seconds=1):
            return False
        rate = part.get("rate") or self.lines[line]["rate"]
        part |= {"rate": max(rate * LOWERING, LEAST_RATE_PER_S), "lowered_at": now, "clean_at": now}
        return True

    async def close(
        self, line: str, family: str | None, reason: str, for_ms: int, *, longer: bool = False
    ) -> Document | None:
        self.operations += 1
        part, now = self._part(line, family), self._now()
        if "reason" in part and not longer:
            return None
        if reason == ERRORS:
            for_ms = closing_ms(part, for_ms, self._rules, now)
        until = now + timedelta(milliseconds=for_ms)
        part["closed_until"] = max(until, part.get("closed_until", until))
        if "reason" not in part:
            part |= {"reason": reason, "since": now, "closed_ms": for_ms}
            self.outages.append({"family": family, "since": now, "reason": reason})
        return deepcopy(self.lines[line])

    async def probed(self, line: str, family: str | None, *, answered: bool) -> None:
        self.operations += 1
        part, now = self._part(line, family), self._now()
        if "reason" not in part:
            return
        if not answered:
            part["closed_ms"] = longer_ms(part["closed_ms"], self._rules)
            part["closed_until"] = now + timedelta(milliseconds=part["closed_ms"])
            return
        part |= {"opened_at": now, "last_ms": part["closed_ms"]}
        for name in (*GATE, "win"):
            part.pop(name, None)
        for outage in self.outages:
            if outage["family"] == family:
                outage.setdefault("until", now)

    def _part(self, line: str, family: str | None) -> Document:
        document = self.lines[line]
        part: Document = document if family is None else document.setdefault("families", {}).setdefault(family, {})
        return part
