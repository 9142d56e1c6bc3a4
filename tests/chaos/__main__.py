"""`python -m tests.chaos [FAMILY ...] [--share 0.2]`: disturb the real parts, judge, print one table.

Writes .local/chaos/results.json. Exit code 1: a promise was broken, a fault was injected too seldom, or a guard never
fired.
"""

import argparse
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping
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
FAMILIES: Final[Mapping[str, Family]] = {module.FAMILY.name: module.FAMILY for module in MODULES}


def main(arguments: list[str]) -> int:
    """Exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Faults on the real parts, judged.")
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(FAMILIES)}; none: all")
    parser.add_argument("--share", type=float, default=1.0, help="of the counts of a whole run, at least one of each")
    given = parser.parse_args(arguments)
    if unknown := set(given.families) - set(FAMILIES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    console = Console(soft_wrap=True)
    ledger = Ledger()
    for name in given.families or FAMILIES:
        console.print(f"{name}:")
        _play(FAMILIES[name], ledger, console, given.share)
    whole = not given.families and given.share >= 1
    failures = ledger.failures(guards=GUARDS if whole else (), may_skip=not os.environ.get("CI"))
    console.print(shown(ledger, failures))
    _save(ledger, failures)
    return 1 if failures else 0


def _play(family: Family, ledger: Ledger, console: Console, share: float) -> None:
    """One family; what breaks in it is a violation, and the others still have their turn."""
    with tempfile.TemporaryDirectory(prefix="sb-chaos-", ignore_cleanup_errors=True) as folder:
        try:
            play(family, Path(folder), ledger, console.print, share)
        except Exception as error:  # noqa: BLE001 - told in the table, with all that came before
            console.print(traceback.format_exc())
            ledger.violations.append(f"{family.name}: stopped by {type(error).__name__}: {str(error)[:300]}")


def _save(ledger: Ledger, failures: list[str]) -> None:
    path = checkout() / ".local" / "chaos" / "results.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**ledger.as_json(), "failures": failures}, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
