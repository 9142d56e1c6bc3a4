"""`python -m tests.chaos [FAMILY ...] [--share 0.2]`: disturb the real parts, judge, print one table.

Writes .local/chaos/results.json. Exit code 1: a promise was broken, a fault was injected too seldom, or a guard never
fired.
"""

import argparse
import json
import os
import sys

from local_stack.tools import checkout
from rich.console import Console

from tests.chaos.families import AT_ONCE, FAMILIES, all_played
from tests.chaos.ledger import GUARDS, Ledger, shown


def main(arguments: list[str]) -> int:
    """Exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Faults on the real parts, judged.")
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(FAMILIES)}; none: all")
    parser.add_argument("--share", type=float, default=1.0, help="of the counts of a whole run, at least one of each")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="families that run side by side")
    given = parser.parse_args(arguments)
    if unknown := set(given.families) - set(FAMILIES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    ledger = all_played(given.families or list(FAMILIES), given.share, given.at_once)
    whole = not given.families and given.share >= 1
    failures = ledger.failures(guards=GUARDS if whole else (), may_skip=not os.environ.get("CI"))
    Console(soft_wrap=True).print(shown(ledger, failures))
    _save(ledger, failures)
    return 1 if failures else 0


def _save(ledger: Ledger, failures: list[str]) -> None:
    path = checkout() / ".local" / "chaos" / "results.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**ledger.as_json(), "failures": failures}, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
