"""Buckets that are disturbed in the middle, and what must be true of them afterwards."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka.structs import ConsumerRecord

from tests.support.auditor import Audited, Report, audit
from tests.support.practices import Practice, share_ended
from tests.support.registrations import Registration
from tests.support.running_stack import NOTHING, RunningStack
from tests.support.sandbox_control import Call

Json = dict[str, Any]
ENDED_DEADLINE_S = 120.0
SEEN_LATE_S = 0.5
"""Between the time that a page write gives a unit and the moment in which every reader sees it."""
_MODULE_OF = {"GET2B": "gstr2b", "RETTRACK": "return_register", "NOTICELIST": "notices"}


@dataclass(frozen=True)
class Disturbed:
    """A bucket in which each unit takes exactly one portal call when nothing happens."""

    running: RunningStack
    practice: Practice
    bucket_id: str
    began_s: float

    @classmethod
    def start(cls, running: RunningStack, practice: Practice, months: list[str]) -> "Disturbed":
        """Notices, register and the 2B of some months, for every client, whatever was fetched lately."""
        began_s = running.sandbox.now()
        period = {"rule": "months", "months": months}
        bucket_id = practice.start("notices", "return_register", "gstr2b", period=period, options={"force": True})
        return cls(running, practice, bucket_id, began_s)

    def at(self, share: float) -> Json:
        """The bucket as soon as this share of its units has ended; AssertionError if it has ended by then."""
        found = self.practice.when(self.bucket_id, lambda bucket: share_ended(bucket) >= share, ENDED_DEADLINE_S)
        assert found["verdict"] is None, f"the bucket had ended before {share:.0%} of it could be disturbed"
        return found

    def disturb(self, times: int, act: Callable[[], None]) -> None:
        """Do something several times, spread over the first two thirds of the bucket."""
        for number in range(1, times + 1):
            self.at(number * 0.65 / times)
            act()

    def assert_whole(self, *, extra_calls: int, untold_ends: int = 0) -> None:
        """Every unit is done, none was lost or counted twice, none was called again once it had ended.

        `extra_calls`: the most calls above one a unit that these disturbances may cost. `untold_ends`: of how many
        units the end could be told to nobody at first, so that they may be called again after it.
        """
        ended = self.practice.ended(self.bucket_id, ENDED_DEADLINE_S)
        units = self.practice.units(self.bucket_id)
        counters = ended["counters"]
        assert ended["verdict"] == "complete", counters
        assert counters["done"] == counters["total"] == len(units) == len({unit["id"] for unit in units})
        calls = self._calls()
        missing = {_place(unit) for unit in units} - calls.keys()
        assert not missing, f"{len(missing)} units are done without a call"
        assert sum(map(len, calls.values())) - len(units) <= extra_calls
        late = [_place(unit) for unit in units if any(_is_late(call, unit) for call in calls[_place(unit)])]
        assert len(late) <= untold_ends, f"called again after they had ended: {late}"

    def _calls(self) -> dict[tuple[str, str, str | None], list[Call]]:
        """The bucket's calls by what they fetch."""
        found: dict[tuple[str, str, str | None], list[Call]] = {}
        for call in self.running.sandbox.data_calls(since_s=self.began_s):
            if call.gstin in self.practice.ids:
                month = f"{call.period[2:]}-{call.period[:2]}" if call.period else None
                found.setdefault((call.gstin, _MODULE_OF[call.action], month), []).append(call)
        return found


def audited(
    running: RunningStack, clients: list[Registration], *, earlier: Mapping[str, Sequence[ConsumerRecord]] = NOTHING
) -> Report:
    """What the auditor says of the whole stack; the clients' user names must be in no topic.

    `earlier`: records, by topic, that were there once.
    """
    settings = running.settings
    place = Audited(settings.kafka_bootstrap, settings.mongo_url, settings.mongo_database)
    secrets = [client.username for client in clients]
    return audit(place, journal=running.sandbox.data_calls(), secrets=secrets, earlier=earlier)


def _place(unit: Json) -> tuple[str, str, str | None]:
    month = unit["period"] if unit["module"] == "gstr2b" else None
    return unit["gstin"], unit["module"], month


def _is_late(call: Call, unit: Json) -> bool:
    return call.at_s > datetime.fromisoformat(unit["ended_at"]).timestamp() + SEEN_LATE_S
