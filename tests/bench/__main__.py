"""`python -m tests.bench [NAME …] [--runs N]`: measure, print one table, write .local/bench/results.json.

Every benchmark starts servers and processes of its own on free ports of this machine and stops them.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from rich.console import Console

from tests.bench import b0, b0s, b1, b2, b3, f1, f2, f3, f4, f5
from tests.bench.processes import load
from tests.bench.results import Figure, results_file, save, show

BENCHMARKS: Final[Mapping[str, Callable[[int], Coroutine[Any, Any, list[Figure]]]]] = {
    "b0": b0.measure,
    "b0s": b0s.measure,
    "b1": b1.measure,
    "b2": b2.measure,
    "b3": b3.measure,
    "f1": f1.measure,
    "f2": f2.measure,
    "f3": f3.measure,
    "f4": f4.measure,
    "f5": f5.measure,
}
RUNS: Final = 3


def main(arguments: list[str]) -> int:
    """Exit code: 0 measured, whatever came out."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Figures, never a pass or a fail.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; b0 measures b4 too")
    parser.add_argument("--runs", type=int, default=RUNS, help="measured runs of each; the median counts")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(BENCHMARKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    console = Console()
    figures: list[Figure] = []
    for name in given.names or BENCHMARKS:
        console.print(f"{name}: {given.runs} runs, load {load():.1f}")
        measured = asyncio.run(BENCHMARKS[name](given.runs))
        save(measured, load(), results_file())
        figures += measured
    show(figures, console)
    console.print(f"written to {results_file()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
