"""`python -m tests.simulation --seeds 2000 --first 1`: runs seeds, prints one table, says how to repeat a failure."""

import argparse
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.run import Outcome, simulate
from tests.simulation.table import Table

SEEDS_AT_ONCE = 10
"""Of one process, when several share the work."""
ENOUGH_TO_JUDGE = 200
"""Runs from which on too few faults are a failure."""


def main() -> int:
    """0: no violation, and enough faults to say so."""
    parser = argparse.ArgumentParser(prog="simulate", description="Simulate the real code under seeded faults.")
    parser.add_argument("--seeds", type=int, default=100, help="number of seeds")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--processes", type=int, default=1, help="how many processes share the seeds")
    parser.add_argument("--digests", action="store_true", help="print the digest of each run and nothing else")
    asked = parser.parse_args()
    logging.disable()
    table, began = Table(), time.monotonic()
    for outcome in _outcomes(range(asked.first, asked.first + asked.seeds), asked.processes):
        if asked.digests:
            print(outcome.seed, outcome.digest)
            continue
        table.add(outcome)
        if outcome.violations:
            _tell(outcome, full=asked.seeds == 1)
    if asked.digests:
        return 0
    print("\n".join(table.lines()))
    missing = table.missing() if table.runs >= ENOUGH_TO_JUDGE else []
    print("\n".join(missing))
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if table.failed or missing else 0


def _outcomes(seeds: Sequence[int], processes: int) -> Iterator[Outcome]:
    """Outcomes in the order of the seeds."""
    if processes == 1:
        yield from map(simulate, seeds)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=logging.disable) as pool:
        yield from pool.map(simulate, seeds, chunksize=SEEDS_AT_ONCE)


def _tell(outcome: Outcome, *, full: bool) -> None:
    """What went wrong and how to see it again."""
    print(f"seed {outcome.seed}: {outcome.violations[0]}")
    print(f"  again: make simulate SEEDS=1 FIRST={outcome.seed}", flush=True)
    if full:
        print("\n".join([*outcome.recent, *outcome.deaths, *outcome.violations]))


if __name__ == "__main__":
    sys.exit(main())
