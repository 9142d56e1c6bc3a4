"""Who runs next: one unit per client at a time, in log order, tenants served in turn, by weight. Pure.

A unit whose dataset an earlier one of another bucket fetches is attached to that one. It needs no place in the lane:
it only says so and finds the data at its next attempt.
"""

from collections import deque
from collections.abc import Iterable

from sync_worker.delivery import Client, Delivery
from sync_worker.turns import Turns


class Lanes:
    """Queued deliveries by client. A client is either running, ready (something queued), or unknown here."""

    def __init__(self) -> None:
        self._queued: dict[Client, deque[Delivery]] = {}
        self._running: dict[Client, Delivery] = {}
        self._attached: deque[Delivery] = deque()
        self._ready: Turns[Client] = Turns()
        self.waiting = 0

    @property
    def running(self) -> int:
        """How many clients have a unit running."""
        return len(self._running)

    def offer(self, delivery: Delivery) -> None:
        """Queue a delivery behind the earlier ones of its client."""
        client = delivery.client
        queue = self._queued.get(client)
        self.waiting += 1
        delivery.attached_to = self._fetching_bucket(delivery, queue or ())
        if delivery.attached_to is not None:
            self._attached.append(delivery)
            return
        if queue is not None:
            queue.append(delivery)
            return
        self._queued[client] = deque((delivery,))
        if client not in self._running:
            self._make_ready(client)

    def take(self) -> Delivery | None:
        """The next delivery that may run, None when there is none. Its client is busy until `release`."""
        if self._attached:
            self.waiting -= 1
            return self._attached.popleft()
        client = self._ready.take()
        if client is None:
            return None
        queue = self._queued[client]
        delivery = queue.popleft()
        if not queue:
            del self._queued[client]
        self._running[client] = delivery
        self.waiting -= 1
        return delivery

    def release(self, delivery: Delivery) -> None:
        """A unit that was taken has ended; the next one of its client becomes ready."""
        client = delivery.client
        if self._running.get(client) is not delivery:
            return
        del self._running[client]
        if client in self._queued:
            self._make_ready(client)

    def drop(self, partitions: Iterable[int]) -> None:
        """Forget what is queued from these partitions; what runs goes on."""
        gone = set(partitions)
        queued = [*(d for queue in self._queued.values() for d in queue), *self._attached]
        kept = [delivery for delivery in queued if delivery.partition not in gone]
        self._queued.clear()
        self._attached.clear()
        self._ready.clear()
        self.waiting = 0
        for delivery in kept:
            self.offer(delivery)

    def _fetching_bucket(self, delivery: Delivery, queue: Iterable[Delivery]) -> str | None:
        running = self._running.get(delivery.client)
        if running is not None and running.fetches_for(delivery):
            return running.command.bucket
        return next((earlier.command.bucket for earlier in queue if earlier.fetches_for(delivery)), None)

    def _make_ready(self, client: Client) -> None:
        self._ready.put(client[0], client, self._queued[client][0].weight)
