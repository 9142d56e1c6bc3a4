"""What was made last is kept up to a limit; everything else is made again, the same, from the seed."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """Least lately used values go first; a single value over the limit is made again for each call."""

    def __init__(self, limit: int, weigh: Callable[[V], int]) -> None:
        self._limit = limit
        self._weigh = weigh
        self._kept: OrderedDict[K, V] = OrderedDict()
        self.weight = 0

    def get(self, key: K, make: Callable[[], V]) -> V:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        made = make()
        if self._weigh(made) <= self._limit:
            self._keep(key, made)
        return made

    def _keep(self, key: K, made: V) -> None:
        self._kept[key] = made
        self.weight += self._weigh(made)
        while self.weight > self._limit:
            self.weight -= self._weigh(self._kept.popitem(last=False)[1])
