"""`python -m tests.chaos [FAMILY ...] [--share 0.2]`: disturb the real parts, judge, print one table.

Writes .local/chaos/results.json. Exit code 1: a promise was broken, a fault was injected too seldom, or a guard never
fired.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from local_stack.tools import checkout
from rich.console import Console

from tests.chaos import (
    clocks,
    gone,
    kafka,
    kills,
    large,
    limits,
    lost,
    mongo,
    network,
    owners,
    pauses,
    poison,
    replay,
    versions,
    wishes,
)
from tests.chaos.ledger import GUARDS, Ledger, shown
from tests.chaos.scene import Family, play

MODULES: Final = (
    kills,
    gone,
    pauses,
    owners,
    versions,
    mongo,
    kafka,
    network,
    replay,
    lost,
    poison,
    limits,
    clocks,
    wishes,
    large,
)
AT_ONCE: Final = 2
"""A family mostly waits: for the portal, for groups, for elections."""
FAMILIES: Final[Mapping[str, Family]] = {module.FAMILY.name: module.FAMILY for module in MODULES}


def main(arguments: list[str]) -> int:
    """Exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Faults on the real parts, judged.")
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(FAMILIES)}; none: all")
    parser.add_argument("--share", type=float, default=1.0, help="of the counts of a whole run, at least one of each")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="families that run side by side")
    given = parser.parse_args(arguments)
    if unknown := set(given.families) - set(FAMILIES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    ledger = _all_played(given.families or list(FAMILIES), given.share, given.at_once)
    whole = not given.families and given.share >= 1
    failures = ledger.failures(guards=GUARDS if whole else (), may_skip=not os.environ.get("CI"))
    Console(soft_wrap=True).print(shown(ledger, failures))
    _save(ledger, failures)
    return 1 if failures else 0


def _all_played(names: list[str], share: float, at_once: int) -> Ledger:
    """Every family in a process of its own, some of them side by side; a process that dies is a violation."""
    ledger, began = Ledger(), time.monotonic()
    with ProcessPoolExecutor(at_once, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        playing = {name: pool.submit(_played, name, share) for name in names}
        for name, played in playing.items():
            try:
                ledger.add(played.result())
            except BrokenExecutor as error:
                ledger.violations.append(f"{name}: its process has died: {error}")
    ledger.notes.append(f"{len(names)} families, {at_once} at once, in {(time.monotonic() - began) / 60:.0f} minutes")
    return ledger


def _played(name: str, share: float) -> Ledger:
    """One family; what breaks in it is a violation, and the others still have their turn."""
    ledger, began = Ledger(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sb-chaos-", ignore_cleanup_errors=True) as folder:
        try:
            play(FAMILIES[name], Path(folder), ledger, partial(_say, name), share)
        except Exception as error:  # noqa: BLE001 - told in the table, with all that came before
            _say(name, traceback.format_exc())
            ledger.violations.append(f"{name}: stopped by {type(error).__name__}: {str(error)[:300]}")
    _say(name, f"{len(ledger.violations)} violations, {time.monotonic() - began:.0f} s")
    return ledger


def _say(name: str, text: str) -> None:
    print(f"{name}: {text.strip()}", flush=True)


def _save(ledger: Ledger, failures: list[str]) -> None:
    path = checkout() / ".local" / "chaos" / "results.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**ledger.as_json(), "failures": failures}, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
