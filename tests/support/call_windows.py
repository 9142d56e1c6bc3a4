"""Calls against a rate, pure: how many at most in a window, and which burst a line must tolerate for all windows."""

from collections.abc import Iterable, Sequence


def needed_burst(calls_s: Iterable[float], rate_per_s: float) -> float:
    """The least burst with which every window `w` holds at most `rate × w + burst` calls (both ends included)."""
    level, most, before = 0.0, 0.0, None
    for at_s in sorted(calls_s):
        level = 1.0 if before is None else max(0.0, level - rate_per_s * (at_s - before)) + 1.0
        most, before = max(most, level), at_s
    return most


def most_in(calls_s: Sequence[float], window_s: float) -> int:
    """The greatest number of calls in any window of this length, both ends included."""
    ordered = sorted(calls_s)
    first, most = 0, 0
    for last, at_s in enumerate(ordered):
        while at_s - ordered[first] > window_s:
            first += 1
        most = max(most, last - first + 1)
    return most
