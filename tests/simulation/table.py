"""The table of a batch of runs: faults injected, guards fired, violations, and what was too rare to prove anything."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tests.simulation.run import Outcome

LEAST_FAULTS: Final[Mapping[str, float]] = {
    "crash dispatcher": 0.5,
    "crash aggregator": 0.5,
    "crash worker": 0.5,
    "pause dispatcher": 0.4,
    "pause aggregator": 0.4,
    "pause worker": 0.4,
    "zombie": 0.5,
    "split aggregator": 0.5,
    "split worker": 0.5,
    "fail-over": 1.0,
    "fail-over after a sighting": 0.02,
    "primary deposed": 0.5,
    "write to a deposed primary": 0.5,
    "write rolled back": 0.5,
    "cut": 0.5,
    "lost request": 2.0,
    "lost answer": 2.0,
    "late request": 0.5,
    "late answer": 2.0,
    "rebalance": 0.5,
    "duplicate": 1.0,
    "misrouted": 0.1,
    "clock jump": 0.2,
    "offset reset": 0.2,
    "black hole": 0.1,
    "lost record": 0.3,
    "log cut": 0.05,
    "undecodable record": 0.1,
    "portal error": 0.2,
    "portal 429": 0.2,
    "portal maintenance": 0.1,
    "portal file in preparation": 0.1,
    "portal mismatch": 0.05,
    "portal verdict": 0.2,
    "portal slow": 0.2,
    "user: cancel": 0.1,
    "user: pause": 0.1,
    "user: resume": 0.1,
    "user: retry": 0.2,
    "crash api": 5.0,
    "start: another list": 5.0,
    "start: fail-over after a sighting": 0.3,
    "start: write rolled back": 2.0,
}
"""Least number of each fault per run, over a batch: without faults a run proves nothing."""
LEAST_GUARDS: Final = (
    "compare-and-set failed",
    "fold without effect",
    "image read anew",
    "commit of a zombie",
    "unit reopened",
    "page of another version",
    "old summary",
    "completion refused",
    "selection removed early",
    "memory suppression",
    "tracker skip",
    "preflight drop: ended",
    "preflight drop: later-round",
    "fence not one's own",
    "fenced data write",
    "command refused: UNDECODABLE",
    "event refused: UNDECODABLE",
    "unit failed by the deadline of its bucket",
    "start answered: Started",
    "start answered: Replayed",
    "start answered: Reused",
    "start refused: idempotency_key_reused",
    "orphan page swept",
)
"""Each of these must have fired in a batch."""


class Table:
    """Sums over outcomes."""

    def __init__(self) -> None:
        self.runs = 0
        self.units = 0
        self.faults: Counter[str] = Counter()
        self.guards: Counter[str] = Counter()
        self.failed: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """One more run."""
        self.runs += 1
        self.units += outcome.units
        self.faults.update(outcome.faults)
        self.guards.update(outcome.guards)
        if outcome.violations:
            self.failed.append(outcome)

    def missing(self) -> list[str]:
        """Fault classes below their least count, guards that never fired."""
        rare = [
            f"fault {name}: {self.faults[name]} of at least {least * self.runs:.0f}"
            for name, least in LEAST_FAULTS.items()
            if self.faults[name] < least * self.runs
        ]
        return rare + [f"guard {name}: never fired" for name in LEAST_GUARDS if not self.guards[name]]

    def lines(self) -> Iterator[str]:
        """The table as text."""
        yield f"{self.runs} runs, {self.units} units"
        yield from _column("faults injected", self.faults.items())
        yield from _column("guards fired", self.guards.items())
        yield f"violations  {sum(len(outcome.violations) for outcome in self.failed)}"


def _column(title: str, counts: Iterable[tuple[str, int]]) -> Iterator[str]:
    yield title
    for name, count in sorted(counts):
        yield f"  {name:<40}{count:>10,}"
