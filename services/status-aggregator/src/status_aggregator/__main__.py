"""`python -m status_aggregator`: fold events into pages until SIGTERM. Exit 0 stopped, 1 died, 2 refused to start."""

import sys

from sync_runtime.logging import configure
from sync_runtime.service import serve
from sync_runtime.settings import SettingsRefused

from status_aggregator.app import SERVICE, build
from status_aggregator.settings import Settings


def main() -> int:
    """Run the process; returns its exit code."""
    try:
        settings = Settings.from_environment()
    except SettingsRefused as refusal:
        sys.stderr.write(f"refused: {refusal}\n")
        return 2
    configure(settings, SERVICE)
    return serve(lambda: build(settings), settings)


if __name__ == "__main__":
    sys.exit(main())
