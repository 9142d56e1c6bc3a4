"""Calls of the last five minutes: how many, how many got no answer, how long they took. Pure.

Durations are counted in classes that grow by a fifth, so that those of many workers can be added.
"""

from collections import deque
from math import log2
from typing import Any, Final

from msgspec import Struct
from sync_contracts.line_reports import CLASSES_PER_DOUBLING

WINDOW_S: Final = 300
PIECE_S: Final = 10
MOST_CLASS: Final = 80
_SERVER_ERROR: Final = 500


class Piece(Struct):
    """The calls of ten seconds; `took`: class of duration -> calls."""

    number: int
    calls: int = 0
    errors: int = 0
    took: dict[int, int] = {}


class RecentCalls:
    """Counts calls. Time is an argument, in seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque(maxlen=WINDOW_S // PIECE_S)

    def note(self, now_s: float, ms: int, http: int) -> None:
        """A call has ended with this status; 0: without one."""
        number = int(now_s) // PIECE_S
        if not self._pieces or self._pieces[-1].number != number:
            self._pieces.append(Piece(number))
        piece = self._pieces[-1]
        piece.calls += 1
        piece.errors += http == 0 or http >= _SERVER_ERROR
        of = class_of(ms)
        piece.took[of] = piece.took.get(of, 0) + 1

    def told(self, now_s: float) -> dict[str, Any]:
        """Calls, errors and durations of the window, as they are stored."""
        since = int(now_s) // PIECE_S - WINDOW_S // PIECE_S
        pieces = [piece for piece in self._pieces if piece.number > since]
        took: dict[str, int] = {}
        for piece in pieces:
            for of, calls in piece.took.items():
                took[str(of)] = took.get(str(of), 0) + calls
        return {
            "calls": sum(piece.calls for piece in pieces),
            "errors": sum(piece.errors for piece in pieces),
            "took": took,
        }


def class_of(ms: int) -> int:
    """The class of a duration."""
    return min(int(CLASSES_PER_DOUBLING * log2(max(ms, 1))), MOST_CLASS)
