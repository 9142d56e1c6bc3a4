"""A timed pass over many units, and what it says per unit. Pure."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from msgspec import Struct


class Pass(Struct, frozen=True):
    """One pass: units carried through, wall time, CPU seconds by process (servers included)."""

    units: int
    took_s: float
    cpu_s: Mapping[str, float]

    @property
    def rate_per_s(self) -> float:
        return self.units / self.took_s

    @property
    def cpu_s_per_1000(self) -> float:
        """CPU seconds of all processes per 1,000 units."""
        return sum(self.cpu_s.values()) * 1000 / self.units

    def us_per_unit(self, name: str) -> float:
        """CPU microseconds of one process per unit."""
        return self.cpu_s[name] * 1e6 / self.units


def median_of(items: Sequence[Pass], value: Callable[[Pass], float]) -> float:
    """Median of a value over passes."""
    return median(value(item) for item in items)
