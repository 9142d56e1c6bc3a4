"""What came of a retry, from results and pages: nothing is counted twice, nothing is kept beside them. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct
from sync_contracts.pages import unit_from
from sync_contracts.units import ATTEMPTS_PER_ROUND, CANCELLED, SUCCEEDED, round_of

from bucket_api.buckets.actions import Action, newest_control
from bucket_api.buckets.choosing import is_selected
from bucket_api.buckets.counters import Reading, from_result
from bucket_api.buckets.units import Layout, Placed

_NOTHING: Final = (0, 0, 0)


class Effect(Struct, frozen=True):
    """Of the units that a retry selected: begun, ended with success, ended otherwise. `done`: its run has ended."""

    attempted: int
    succeeded: int
    failed: int
    done: bool


class Tallies:
    """Units by the round that they are in, from whole pages. A unit that a later retry took up counts there."""

    def __init__(self) -> None:
        self.version = 0
        self._of: dict[int, tuple[int, int, int]] = {}

    def add(self, page: Mapping[str, Any]) -> None:
        """Count the units of a page document that are in a later round than the first."""
        self.version += page["v"]
        for client in page["c"]:
            for document in client["m"]:
                if round_ := round_of(document["a"]):
                    self._note(round_, document)

    def of(self, round_: int) -> tuple[int, int, int]:
        """Begun, succeeded, ended otherwise."""
        return self._of.get(round_, _NOTHING)

    def _note(self, round_: int, document: Mapping[str, Any]) -> None:
        unit = unit_from(document)
        begun, succeeded, failed = self.of(round_)
        self._of[round_] = (
            begun + (unit.a % ATTEMPTS_PER_ROUND > 0),
            succeeded + (unit.s == SUCCEEDED),
            failed + (unit.terminal and unit.s != SUCCEEDED),
        )


def effect_of(action: Action, bucket: Mapping[str, Any], tallies: Tallies) -> Effect:
    """By the results where the round had one of its own: a success never changes, and only its units could succeed.

    Else by the pages: the run shares its end with others, or is not over.
    """
    facts, results = action.facts, {result["round"]: result["counts"] for result in bucket["results"]}
    round_ = facts["round"]
    if round_ in results and round_ - 1 in results:
        succeeded = results[round_]["s"] - results[round_ - 1]["s"]
        return Effect(facts["n"], succeeded, facts["n"] - succeeded, done=True)
    done = any(ended >= round_ for ended in results)
    return Effect(*tallies.of(round_), done=done)


def control_done(action: Action, bucket: Mapping[str, Any], reading: Reading) -> bool:
    """Cancel: its round has ended. Pause: what was on its way has ended, or the pause is over. Resume: at once."""
    if newest_control(bucket, action.kind) != action or bucket["status"] != "RUNNING":
        return True
    match action.kind:
        case "cancel":
            return bool(bucket["control"] != "CANCEL")
        case "pause":
            return bool(bucket["control"] != "PAUSE") or not reading.totals["d"] + reading.totals["r"]
        case _:
            return True


def told_by(action: Action, bucket: Mapping[str, Any], now: Reading) -> Reading:
    """The numbers by which a cancel is told: those that its round ended with, else those of now."""
    ends = [result for result in bucket["results"] if result["at"] >= action.at]
    return from_result(ends[0]) if action.kind == "cancel" and ends else now


def taken_by(action: Action, layout: Layout) -> Callable[[Placed], bool]:
    """Which units the action has taken up. Those that a later retry took up belong to that one."""
    match action.kind:
        case "retry":
            round_, selection = action.facts["round"], action.facts.get("sel", {})
            return lambda unit: round_of(unit.unit.a) == round_ or is_selected(unit, layout, selection)
        case "cancel":
            return lambda unit: unit.unit.s == CANCELLED or not unit.unit.terminal
        case "pause" | "resume":
            return lambda unit: not unit.unit.terminal
