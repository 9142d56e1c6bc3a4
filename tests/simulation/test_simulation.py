"""A short batch of the simulation, and that a seed is a run: the same in every process."""

import os
import subprocess
import sys

import pytest

from tests.simulation.run import simulate

SEEDS = 120
SEEDS_OF_A_TEST = 20
ALWAYS_MET = {
    "crash dispatcher", "crash aggregator", "crash worker", "zombie", "fail-over", "lost answer", "duplicate",
    "rebalance", "compare-and-set failed", "fold without effect", "commit of a zombie", "preflight drop: ended",
}  # fmt: skip
"""Faults and guards that no twenty runs do without; `make simulate` asks for all of them, and for how many."""


@pytest.mark.parametrize("first_seed", range(1, SEEDS, SEEDS_OF_A_TEST))
def test_no_promise_is_broken_whatever_the_seed_does(first_seed: int) -> None:
    outcomes = [simulate(seed) for seed in range(first_seed, first_seed + SEEDS_OF_A_TEST)]

    assert {outcome.seed: outcome.violations for outcome in outcomes if outcome.violations} == {}
    met = {name for outcome in outcomes for name in (*+outcome.faults, *+outcome.guards)}
    assert met >= ALWAYS_MET, "faults that did not happen prove nothing"


def test_a_seed_is_one_run_whatever_the_hash_seed_of_the_interpreter() -> None:
    def digests(hash_seed: str) -> str:
        command = [sys.executable, "-m", "tests.simulation", "--seeds", "4", "--first", "3", "--digests"]
        ended = subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
        )
        return ended.stdout

    first = digests("1")
    assert len(first.splitlines()) == 4
    assert digests("2") == first
