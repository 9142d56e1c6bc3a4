"""`python -m portal_sandbox` serves; `python -m portal_sandbox gstins` prints a client list."""

import argparse
import sys

import uvloop
from pydantic import ValidationError
from pydantic_settings import SettingsError

from portal_sandbox.assumptions import load_assumptions
from portal_sandbox.roster import clients, write_csv
from portal_sandbox.server import serve
from portal_sandbox.settings import Settings, refused_variables

MOST_CLIENTS = 10_000
"""Fictitious names are unique up to this many."""


def main(arguments: list[str] | None = None) -> int:
    """0 after a clean stop, 1 when serving ended by itself, 2 for wrong arguments or settings."""
    parser = argparse.ArgumentParser(prog="python -m portal_sandbox", description="The simulated portal.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve until SIGTERM (the default)")
    listing = commands.add_parser("gstins", help="print a CSV of fictitious clients")
    listing.add_argument("--count", type=_count, default=200)
    listing.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    if chosen.command == "gstins":
        write_csv(clients(chosen.count, chosen.seed), sys.stdout)
        return 0
    try:
        settings = Settings()
        load_assumptions(settings.assumptions)
    except ValidationError as refusal:
        return _refused(refused_variables(refusal))
    except (SettingsError, ValueError) as refusal:
        return _refused(str(refusal))
    return 0 if uvloop.run(serve(settings)) else 1


def _refused(text: str) -> int:
    sys.stderr.write(f"portal_sandbox: {text}\n")
    return 2


def _count(text: str) -> int:
    if not 1 <= int(text) <= MOST_CLIENTS:
        raise argparse.ArgumentTypeError(f"from 1 to {MOST_CLIENTS:,}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
