"""Who runs next: one unit per client at a time, in log order, tenants served in turn. Pure."""

from collections import deque
from collections.abc import Iterable

from sync_worker.delivery import Client, Delivery


class Lanes:
    """Queued deliveries by client. A client is either running, ready (something queued), or unknown here."""

    def __init__(self) -> None:
        self._queued: dict[Client, deque[Delivery]] = {}
        self._running: set[Client] = set()
        self._ready: dict[str, deque[Client]] = {}
        self._tenants: deque[str] = deque()
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
        if queue is not None:
            queue.append(delivery)
            return
        self._queued[client] = deque((delivery,))
        if client not in self._running:
            self._make_ready(client)

    def take(self) -> Delivery | None:
        """The next delivery that may run, None when there is none. Its client is busy until `release`."""
        if not self._tenants:
            return None
        tenant = self._tenants.popleft()
        ready = self._ready[tenant]
        client = ready.popleft()
        if ready:
            self._tenants.append(tenant)
        else:
            del self._ready[tenant]
        queue = self._queued[client]
        delivery = queue.popleft()
        if not queue:
            del self._queued[client]
        self._running.add(client)
        self.waiting -= 1
        return delivery

    def release(self, client: Client) -> None:
        """The client's unit has ended; its next one becomes ready."""
        self._running.discard(client)
        if client in self._queued:
            self._make_ready(client)

    def drop(self, partitions: Iterable[int]) -> None:
        """Forget what is queued from these partitions; what runs goes on."""
        gone = set(partitions)
        kept = [d for queue in self._queued.values() for d in queue if d.partition not in gone]
        self._queued.clear()
        self._ready.clear()
        self._tenants.clear()
        self.waiting = 0
        for delivery in kept:
            self.offer(delivery)

    def _make_ready(self, client: Client) -> None:
        tenant = client[0]
        ready = self._ready.get(tenant)
        if ready is None:
            self._ready[tenant] = deque((client,))
            self._tenants.append(tenant)
        else:
            ready.append(client)
