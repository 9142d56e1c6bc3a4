"""`python -m sync_runtime provision`: create topics and indexes; exit 1 with cause and cure when something differs."""

import asyncio
import sys

from aiokafka.errors import KafkaError

from sync_runtime.indexes import IndexesRefused
from sync_runtime.kafka_topics import TopicsRefused
from sync_runtime.logging import configure
from sync_runtime.mongo import MongoRefused
from sync_runtime.provision import ProvisionSettings, provision
from sync_runtime.settings import SettingsRefused

USAGE = "usage: python -m sync_runtime provision"


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 refused, 2 wrong usage."""
    if arguments != ["provision"]:
        sys.stderr.write(f"{USAGE}\n")
        return 2
    try:
        settings = ProvisionSettings.from_environment()
        configure(settings, "provision")
        asyncio.run(provision(settings))
    except (SettingsRefused, TopicsRefused, IndexesRefused, MongoRefused, KafkaError) as refusal:
        sys.stderr.write(f"refused: {refusal}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
