"""`python -m portal_sandbox` serves; `python -m portal_sandbox gstins` prints a client list."""

import argparse
import sys

import uvloop

from portal_sandbox.roster import clients, write_csv
from portal_sandbox.server import serve
from portal_sandbox.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """0 after a clean stop, 1 when serving ended by itself, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m portal_sandbox", description="The simulated portal.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve until SIGTERM (the default)")
    listing = commands.add_parser("gstins", help="print a CSV of fictitious clients")
    listing.add_argument("--count", type=int, default=200)
    listing.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    if chosen.command == "gstins":
        write_csv(clients(chosen.count, chosen.seed), sys.stdout)
        return 0
    return 0 if uvloop.run(serve(Settings())) else 1


if __name__ == "__main__":
    sys.exit(main())
