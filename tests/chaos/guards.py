"""Reads from the processes' own metrics how often each guard fired, over kills and restarts."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import httpx
from local_stack.stack import Stack

SAMPLES_EVERY_S: Final = 0.4
SOURCES: Final[Mapping[str, str]] = {
    'aggregator_pages_total{outcome="conflict"}': "compare-and-set failed",
    'aggregator_pages_total{outcome="absorbed"}': "fold without effect",
    'aggregator_pages_total{outcome="reloaded"}': "page read anew, an event was ahead",
    'aggregator_completions_total{state="refused"}': "completion refused",
    'worker_guards_total{reason="superseded"}': "data write fenced",
    'worker_guards_total{reason="ended"}': "command of an ended unit dropped",
    'worker_guards_total{reason="later-round"}': "command of an old round dropped",
    'worker_guards_total{reason="known-offset"}': "finished offset skipped",
    'dispatcher_units_total{outcome="known"}': "unit held back by the memory",
}
"""The metric behind each guard."""
WORK: Final = re.compile(r"(worker|dispatcher|aggregator)_(units|batches|pages)_total")


def counters(text: str, wanted: Iterable[str] = SOURCES) -> dict[str, float]:
    """Values of these metrics in Prometheus' text format."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if name in wanted:
            found[name] = float(value)
    return found


def done(address: str) -> float:
    """Sum of the counters behind one address: grows with the work of a process. 0 when it does not answer."""
    try:
        lines = httpx.get(address, timeout=5, trust_env=False).text.splitlines()
    except httpx.HTTPError:
        return 0.0
    return sum(float(line.rpartition(" ")[2]) for line in lines if WORK.match(line))


class Sampler:
    """Adds up counters that begin anew with each process. What a killed process counted since the last look is lost."""

    def __init__(self, addresses: Callable[[], Mapping[str, str]]) -> None:
        self._addresses = addresses
        self._last: dict[str, dict[str, float]] = {}
        self._lock = threading.Lock()
        self.fired: Counter[str] = Counter()
        self.also: dict[str, str] = {}
        """Addresses of processes that the stack does not know, by name."""

    def look(self) -> None:
        """Ask every process once; those that do not answer are asked next time."""
        for name, address in {**self._addresses(), **self.also}.items():
            try:
                text = httpx.get(address, timeout=2, trust_env=False).text
            except httpx.HTTPError:
                continue
            self.take(name, counters(text))

    def take(self, process: str, now: Mapping[str, float]) -> None:
        """Add what one process has counted since it was asked last."""
        with self._lock:
            last = self._last.get(process, {})
            for metric, value in now.items():
                before = last.get(metric, 0.0)
                self.fired[SOURCES[metric]] += int(value - before if value >= before else value)
            self._last[process] = dict(now)


@contextmanager
def sampled(stack: Stack) -> Iterator[Sampler]:
    """A sampler that looks several times a second in a thread of its own, and once more at the end."""
    sampler, stopped = Sampler(lambda: metrics_addresses(stack)), threading.Event()

    def run() -> None:
        while not stopped.wait(SAMPLES_EVERY_S):
            sampler.look()

    thread = threading.Thread(target=run, name="guards", daemon=True)
    thread.start()
    try:
        yield sampler
        sampler.look()
    finally:
        stopped.set()
        thread.join(30)


def metrics_addresses(stack: Stack) -> dict[str, str]:
    """Where each service tells its metrics, by name."""
    urls = {slot.name: slot.ready_url for slot in stack.service_slots() if slot.name != "sandbox"}
    return {name: url.replace("/readyz", "/metrics") for name, url in urls.items() if url}
