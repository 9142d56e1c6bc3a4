"""Removes a guard and waits for somebody to notice."""

import re
import subprocess
import sys
import time

import pytest
from msgspec import Struct

from tests.mutants.table import Mutant
from tests.simulation.creating import simulate_creations
from tests.simulation.run import Outcome, Run
from tests.simulation.shape import shape_of


class Noticed(Struct, frozen=True):
    """What was said, by which seed or test; `seconds` until then, of the processor where the simulation said it."""

    said: str
    seconds: float


_MISFIT = re.compile(r"\b(TypeError|AttributeError|NameError|NotImplementedError)\(")


class PatchMisfit(Exception):
    """The code has changed and the patch does not fit it any more: what was noticed is the patch, not the guard."""


def hunt(mutant: Mutant, budget_s: float, first: int = 1) -> Noticed | None:
    """None: nobody noticed within the budget."""
    found = _by_simulation(mutant, budget_s, first) if mutant.is_simulated else None
    return found or (_by_tests(mutant, budget_s) if mutant.tests else None)


def _by_simulation(mutant: Mutant, budget_s: float, first: int) -> Noticed | None:
    began, seed = time.process_time(), first
    with pytest.MonkeyPatch.context() as patch:
        mutant.remove(patch)
        while time.process_time() - began < budget_s:
            if mutant.kinds and shape_of(seed).kind not in mutant.kinds:
                seed += 1
                continue
            outcome = Run(seed).outcome() if mutant.where == "buckets" else simulate_creations(seed)
            deaths = outcome.deaths if isinstance(outcome, Outcome) else []
            if misfits := [death for death in deaths if _MISFIT.search(death)]:
                raise PatchMisfit(f"{mutant.name}: {misfits[0]}")
            if outcome.violations:
                return Noticed(f"seed {seed}: {outcome.violations[0]}", time.process_time() - began)
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
