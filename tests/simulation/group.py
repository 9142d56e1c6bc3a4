"""Consumer groups: membership with heartbeats, eager rebalances, committed offsets.

The coordinator may take a stopped member for dead while it goes on later as a zombie, with what it had been assigned.
"""

from collections.abc import Callable, Mapping
from typing import Final

from sync_contracts.topics import TOPICS

from tests.simulation.log import Log
from tests.simulation.network import Reply, Simulation

SESSION_S: Final = 10.0
JOIN_S: Final = 30.0
_PARTITIONS: Final = {topic.name: topic.partitions for topic in TOPICS}
Committed = Callable[["Group", int, int], None]


class Group:
    """The coordinator's side of one group on one topic."""

    def __init__(self, sim: Simulation, log: Log, name: str, topic: str) -> None:
        self._sim = sim
        self.log = log
        self.name = name
        self.topic = topic
        self.generation = 0
        self.committed: dict[int, int] = {}
        self.assigned: dict[str, list[int]] = {}
        self.watchers: list[Committed] = []
        self._seen_at: dict[str, float] = {}
        self._joining: dict[str, Reply[tuple[int, list[int]]]] = {}
        self._rebalancing_since: float | None = None

    @property
    def partitions(self) -> int:
        """How many partitions the topic has."""
        return _PARTITIONS[self.topic]

    def join(self, member: str, reply: Reply[tuple[int, list[int]]]) -> None:
        """A member wants to take part; answered when everybody has joined, or time is up.

        One that comes back under its name while nothing moves has its partitions back at once.
        """
        self._seen_at[member] = self._sim.loop.time()
        if self._rebalancing_since is None and member in self.assigned:
            reply.answer((self.generation, list(self.assigned[member])))
            return
        self._joining[member] = reply
        if self._rebalancing_since is None:
            self.rebalance()
        self._complete_if_ready()

    def leave(self, member: str) -> None:
        """A member is gone for good."""
        if self._seen_at.pop(member, None) is not None:
            self._joining.pop(member, None)
            self.assigned.pop(member, None)
            self.rebalance()

    def expel(self, member: str) -> None:
        """A member that lives is taken for dead."""
        self._seen_at.pop(member, None)
        self.assigned.pop(member, None)
        self.rebalance()

    def heartbeat(self, member: str, generation: int) -> bool:
        """Whether the member may go on; False: it has to join anew."""
        if member in self._seen_at:
            self._seen_at[member] = self._sim.loop.time()
        current = generation == self.generation and member in self.assigned
        return current and self._rebalancing_since is None

    def rebalance(self) -> None:
        """Everybody has to join anew."""
        if self._rebalancing_since is None:
            self._rebalancing_since = self._sim.loop.time()
        self._sim.loop.in_world(JOIN_S, self._complete_if_ready)

    def expire(self) -> None:
        """Members that were not heard of lose their partitions."""
        now = self._sim.loop.time()
        for member, seen_at in list(self._seen_at.items()):
            if now - seen_at > SESSION_S and member not in self._joining:
                del self._seen_at[member]
                self.assigned.pop(member, None)
                self.rebalance()
        self._complete_if_ready()

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Set committed offsets, whoever says so."""
        for partition, offset in offsets.items():
            self.committed[partition] = offset
            for committed in self.watchers:
                committed(self, partition, offset)

    def _complete_if_ready(self) -> None:
        if self._rebalancing_since is None or not self._joining:
            return
        late = self._sim.loop.time() - self._rebalancing_since >= JOIN_S
        if late:
            self._seen_at = {member: at for member, at in self._seen_at.items() if member in self._joining}
        if self._joining.keys() != self._seen_at.keys():
            return
        self.generation += 1
        self._rebalancing_since = None
        members = sorted(self._joining)
        self._sim.rng.shuffle(members)
        self.assigned = {member: [] for member in members}
        for partition in range(self.partitions):
            self.assigned[members[partition % len(members)]].append(partition)
        joining, self._joining = self._joining, {}
        self._sim.trace(f"group {self.name} generation {self.generation} {members}")
        for member, reply in joining.items():
            reply.answer((self.generation, list(self.assigned[member])))
