"""Where the parts lie that `make setup` fetched: Java, Kafka's jars, mongod."""

import sys
from dataclasses import dataclass
from pathlib import Path


class SetupMissing(Exception):
    """A part of the local stack was never fetched; cure: `make setup`."""


def checkout() -> Path:
    """Root of the checkout that this package is installed from (editable)."""
    return Path(__file__).resolve().parents[4]


@dataclass(frozen=True, slots=True)
class Tools:
    """Paths of the fetched parts, below the checkout's `.local`."""

    root: Path

    @classmethod
    def of_checkout(cls) -> "Tools":
        """The parts of this checkout. Raises SetupMissing."""
        tools = cls(checkout() / ".local")
        for part in (tools.java, tools.kafka_libs, tools.mongod):
            if not part.exists():
                raise SetupMissing(f"{part} is missing: run make setup")
        return tools

    @property
    def java(self) -> Path:
        return self.root / "java"

    @property
    def kafka_libs(self) -> Path:
        return self.root / "kafka" / "libs"

    @property
    def mongod(self) -> Path:
        return self.root / "mongod" / "mongod"

    @property
    def mongod_libs(self) -> Path:
        return self.root / "mongod" / "lib"

    @property
    def python(self) -> str:
        """The interpreter that runs this process, hence the checkout's environment."""
        return sys.executable
