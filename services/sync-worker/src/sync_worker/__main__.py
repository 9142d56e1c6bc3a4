"""`python -m sync_worker`: run units until SIGTERM. Exit 0 stopped, 1 died, 2 refused to start."""

import sys

from sync_runtime.logging import configure
from sync_runtime.service import serve
from sync_runtime.settings import SettingsRefused
from sync_runtime.vault import KeyEncryptionKeys, KeyFileRefused

from sync_worker.app import SERVICE, build
from sync_worker.settings import Settings


def main() -> int:
    """Run the process; returns its exit code."""
    try:
        settings = Settings.from_environment()
        keys = KeyEncryptionKeys.from_file(settings.kek_file)
    except (SettingsRefused, KeyFileRefused) as refusal:
        sys.stderr.write(f"refused: {refusal}\n")
        return 2
    configure(settings, SERVICE)
    return serve(lambda: build(settings, keys), settings)


if __name__ == "__main__":
    sys.exit(main())
