"""`python -m portal_sandbox` serves; `gstins` prints a client list, `shapes` the kinds of client, `check` a verdict."""

import argparse
import csv
import sys
from pathlib import Path

import uvloop
from pydantic import ValidationError
from pydantic_settings import SettingsError

from portal_sandbox.assumptions import load_assumptions
from portal_sandbox.roster import clients, write_csv
from portal_sandbox.script import BadScript, read_script
from portal_sandbox.server import serve
from portal_sandbox.settings import Settings, refused_variables
from portal_sandbox.shapes import shape_rows

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
    commands.add_parser("shapes", help="print the kinds of client as CSV").add_argument("--seed", type=int, default=1)
    commands.add_parser("check", help="check a scenario script").add_argument("script", type=Path)
    chosen = parser.parse_args(arguments)
    if chosen.command == "gstins":
        write_csv(clients(chosen.count, chosen.seed), sys.stdout)
        return 0
    if chosen.command == "shapes":
        return _print_shapes(chosen.seed)
    try:
        if chosen.command == "check":
            sys.stdout.write(f"{read_script(chosen.script).name}: fine\n")
            return 0
        settings = Settings()
        load_assumptions(settings.assumptions)
        if settings.script is not None:
            read_script(settings.script)
    except ValidationError as refusal:
        return _refused(refused_variables(refusal))
    except (SettingsError, ValueError) as refusal:
        return _refused(str(refusal))
    return _serve(settings)


def _serve(settings: Settings) -> int:
    try:
        return 0 if uvloop.run(serve(settings)) else 1
    except BadScript as refusal:
        return _refused(str(refusal))


def _print_shapes(seed: int) -> int:
    rows = list(shape_rows(seed))
    writer = csv.DictWriter(sys.stdout, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return 0


def _refused(text: str) -> int:
    sys.stderr.write(f"portal_sandbox: {' '.join(text.split())}\n")
    return 2


def _count(text: str) -> int:
    if not 1 <= int(text) <= MOST_CLIENTS:
        raise argparse.ArgumentTypeError(f"from 1 to {MOST_CLIENTS:,}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
