"""Entry point: problems and a missing service become one line on standard error and an exit status."""

import json
import sys

from syncbucket_cli.app import app
from syncbucket_cli.client import Refused, Unreachable
from syncbucket_cli.exits import Exit

JSON_FLAG = "--json"


def main() -> None:
    """Run the command line. `--json` may stand anywhere."""
    arguments = [argument for argument in sys.argv[1:] if argument != JSON_FLAG]
    as_json = len(arguments) < len(sys.argv) - 1
    try:
        app([JSON_FLAG, *arguments] if as_json else arguments)
    except Refused as refused:
        _tell(refused, as_json=as_json)
        sys.exit(Exit.REFUSED)
    except Unreachable as gone:
        sys.stderr.write(f"syncbucket: {gone}\n")
        sys.exit(Exit.UNREACHABLE)


def _tell(refused: Refused, *, as_json: bool) -> None:
    problem = refused.problem
    if as_json:
        sys.stderr.write(json.dumps(problem) + "\n")
        return
    sys.stderr.write(f"syncbucket: {refused}\n")
    for error in problem.get("errors") or ():
        sys.stderr.write(f"  {error.get('pointer', '')} {error.get('code', '')}: {error.get('detail', '')}\n")
    if problem.get("tries_left") is not None:
        sys.stderr.write(f"  tries left: {problem['tries_left']}\n")
    if problem.get("code") == "unauthenticated":
        sys.stderr.write(
            "  Give a token with --token or SYNCBUCKET_TOKEN; locally: export SYNCBUCKET_TOKEN=$(syncbucket token)\n"
        )
    if problem.get("trace_id"):
        sys.stderr.write(f"  trace {problem['trace_id']}\n")


if __name__ == "__main__":
    main()
