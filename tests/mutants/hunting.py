"""Removes a guard and waits for somebody to notice."""

import re
import subprocess
import sys
import time

import pytest
from msgspec import Struct

from tests.mutants.table import Mutant
from tests.simulation.run import simulate


class Noticed(Struct, frozen=True):
    """What was said, by which seed or test; `seconds` until then."""

    said: str
    seconds: float


def hunt(mutant: Mutant, budget_s: float, first: int = 1) -> Noticed | None:
    """None: nobody noticed within the budget."""
    return _by_tests(mutant, budget_s) if mutant.tests else _by_simulation(mutant, budget_s, first)


def _by_simulation(mutant: Mutant, budget_s: float, first: int) -> Noticed | None:
    began, seed = time.monotonic(), first
    with pytest.MonkeyPatch.context() as patch:
        mutant.remove(patch)
        while time.monotonic() - began < budget_s:
            outcome = simulate(seed)
            if outcome.violations:
                return Noticed(f"seed {seed}: {outcome.violations[0]}", time.monotonic() - began)
            seed += 1
    return None


def _by_tests(mutant: Mutant, budget_s: float) -> Noticed | None:
    began = time.monotonic()
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "tests.mutants.plugin", "--mutant", mutant.name]
    command = [sys.executable, "-m", "pytest", *options, *mutant.tests]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=budget_s, check=False)
    except subprocess.TimeoutExpired:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", ended.stdout, re.MULTILINE)
    if ended.returncode != 1 or failed is None:
        return None
    return Noticed(failed[1], time.monotonic() - began)
