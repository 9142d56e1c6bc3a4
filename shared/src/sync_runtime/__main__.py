"""One-shot jobs: `provision` creates topics and indexes, `keys` makes the key-encryption key of a development machine.

Exit 1 with cause and cure when something differs or is refused; both change nothing that exists.
"""

import asyncio
import contextlib
import sys

from aiokafka.errors import KafkaError

from sync_runtime.indexes import IndexesRefused
from sync_runtime.kafka_topics import TopicsRefused
from sync_runtime.logging import configure
from sync_runtime.mongo import MongoRefused
from sync_runtime.provision import ProvisionSettings, provision
from sync_runtime.settings import SettingsRefused
from sync_runtime.vault import KeyEncryptionKeys

USAGE = "usage: python -m sync_runtime provision|keys"


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 refused, 2 wrong usage."""
    jobs = {"provision": _provision, "keys": _keys}
    job = jobs.get(arguments[0]) if len(arguments) == 1 else None
    if job is None:
        sys.stderr.write(f"{USAGE}\n")
        return 2
    try:
        job(ProvisionSettings.from_environment())
    except (SettingsRefused, TopicsRefused, IndexesRefused, MongoRefused, KafkaError) as refusal:
        sys.stderr.write(f"refused: {refusal}\n")
        return 1
    return 0


def _provision(settings: ProvisionSettings) -> None:
    configure(settings, "provision")
    asyncio.run(provision(settings))


def _keys(settings: ProvisionSettings) -> None:
    """In production the key comes from a key service, not from here."""
    with contextlib.suppress(FileExistsError):
        KeyEncryptionKeys.write_new_file(settings.kek_file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
