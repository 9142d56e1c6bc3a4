"""What a run of chaos has done and seen: faults injected, guards fired, promises broken. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Group
from rich.table import Table

GUARDS: Final = (
    "compare-and-set failed",
    "fold without effect",
    "page read anew, an event was ahead",
    "data write fenced",
    "command of an ended unit dropped",
    "command of an old round dropped",
    "finished offset skipped",
    "completion refused",
    "unit held back by the memory",
)
"""What keeps the promises. One that never fires in a whole run has proved nothing."""


MOST: Final = "most "
"""How names of counts begin that are a largest value and no sum."""


@dataclass(frozen=True)
class Class:
    """A class of faults: how often a run must inject it, how often it did, and what that took."""

    name: str
    minimum: int
    injected: int
    took_s: float
    skipped: str = ""
    """Why it cannot be injected on this machine; empty: it can."""


@dataclass
class Ledger:
    """Of one run."""

    classes: list[Class] = field(default_factory=list)
    guards: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fired(self, guards: Mapping[str, int]) -> None:
        """Add what the processes of one scene have counted."""
        self.guards.update(guards)

    def add(self, other: "Ledger") -> None:
        """Add another run's; of a figure that is a most, the larger one stays."""
        self.classes += other.classes
        self.guards.update(other.guards)
        for name, count in other.counts.items():
            self.counts[name] = max(self.counts[name], count) if name.startswith(MOST) else self.counts[name] + count
        self.violations += other.violations
        self.notes += other.notes

    def failures(self, *, guards: Iterable[str], may_skip: bool) -> list[str]:
        """Why the run has failed. `guards`: those that must have fired; `may_skip`: not in CI."""
        short = [
            f"{c.name}: injected {c.injected} of {c.minimum}"
            for c in self.classes
            if c.injected < c.minimum and not (c.skipped and may_skip)
        ]
        quiet = [f"guard never fired: {name}" for name in guards if not self.guards[name]]
        return [*self.violations, *short, *quiet]

    def as_json(self) -> dict[str, Any]:
        """For a file that keeps the newest run."""
        return {
            "faults": {
                c.name: {"minimum": c.minimum, "injected": c.injected, "took_s": c.took_s, "skipped": c.skipped}
                for c in self.classes
            },
            "guards": {name: self.guards[name] for name in GUARDS},
            "counts": dict(self.counts),
            "violations": self.violations,
            "notes": self.notes,
        }


def shown(ledger: Ledger, failures: Sequence[str], guards: Sequence[str] = GUARDS) -> Group:
    """The one table at the end of a run."""
    faults = Table("fault", "at least", "injected", "seconds", "", title="Faults injected")
    for c in ledger.classes:
        remark = c.skipped or ("" if c.injected >= c.minimum else "too few")
        faults.add_row(c.name, str(c.minimum), str(c.injected), f"{c.took_s:.0f}", remark)
    fired = Table("guard", "fired", title="Guards")
    for name in guards:
        fired.add_row(name, f"{ledger.guards[name]:,}")
    judged = Table("judged", "", title="What was judged")
    for name, count in sorted(ledger.counts.items()):
        judged.add_row(name, f"{count:,}")
    wrong = Table("violations and failures", title=f"{len(failures)} violations and failures")
    for sentence in failures[:50]:
        wrong.add_row(sentence)
    return Group(faults, fired, judged, *ledger.notes, wrong)
