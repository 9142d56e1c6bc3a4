"""`python -m tests.mutants [name ...]`: removes one guard after the other, says who noticed and when."""

import argparse
import logging
import sys

from tests.mutants.hunting import hunt
from tests.mutants.table import BY_NAME, MUTANTS


def main() -> int:
    """0: every removal was noticed."""
    parser = argparse.ArgumentParser(prog="mutants", description="Remove guards and see who notices.")
    parser.add_argument("names", nargs="*", help="guards to remove; all when none is named")
    parser.add_argument("--budget-s", type=float, default=300.0, help="how long to look for each")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    asked = parser.parse_args()
    logging.disable()
    survived = []
    for mutant in [BY_NAME[name] for name in asked.names] or MUTANTS:
        noticed = hunt(mutant, asked.budget_s, asked.first)
        if noticed is None:
            survived.append(mutant.name)
        told = f"{noticed.seconds:7.1f} s  {noticed.said[:110]}" if noticed else "SURVIVED"
        print(f"{mutant.name:<24}{mutant.tier:<18}{told}", flush=True)
    print(f"survived: {', '.join(survived) or 'none'}")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
