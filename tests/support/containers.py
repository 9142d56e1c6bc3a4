"""The container files as data: services of docker-compose.yml, stages of the Dockerfile."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
Json = dict[str, Any]


@dataclass(frozen=True)
class Instruction:
    """One instruction with its argument on one line."""

    name: str
    argument: str

    @property
    def words(self) -> list[str]:
        """The words of a COPY."""
        return shlex.split(self.argument)


@dataclass(frozen=True)
class Stage:
    """One stage; `base` is an image or an earlier stage."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]

    def all(self, name: str) -> list[Instruction]:
        """Its instructions of one kind."""
        return [instruction for instruction in self.instructions if instruction.name == name]


def compose() -> Json:
    """The whole file, anchors and merges resolved."""
    document: Json = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
    return document


def stages() -> dict[str, Stage]:
    """The stages by name, in order."""
    found: dict[str, Stage] = {}
    for instruction in _instructions(DOCKERFILE.read_text(encoding="utf-8")):
        if instruction.name == "FROM":
            base, _, name = instruction.words
            found[name] = Stage(name, base, ())
        elif found:
            last = list(found.values())[-1]
            found[last.name] = Stage(last.name, last.base, (*last.instructions, instruction))
    return found


def ancestry(stage: Stage, known: dict[str, Stage]) -> list[Stage]:
    """The stage and the stages that it begins with, oldest first."""
    return [*(ancestry(known[stage.base], known) if stage.base in known else ()), stage]


def default_command(stage: Stage) -> list[str]:
    """The CMD of a stage."""
    command: list[str] = yaml.safe_load(stage.all("CMD")[-1].argument)
    return command


def built_services() -> dict[str, Json]:
    """Services that run our own images, by name, in the order in which they may start."""
    services = {name: service for name, service in compose()["services"].items() if "build" in service}
    graph = {name: [n for n in service.get("depends_on", ()) if n in services] for name, service in services.items()}
    return {name: services[name] for name in TopologicalSorter(graph).static_order()}


def command_of(service: Json) -> list[str]:
    """The command of a service: its own, or that of its image."""
    command: list[str] = service.get("command") or default_command(stages()[service["build"]["target"]])
    return command


def _instructions(text: str) -> Iterator[Instruction]:
    joined = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")))
    for line in filter(None, (line.strip() for line in joined.splitlines())):
        name, _, argument = line.partition(" ")
        yield Instruction(name.upper(), argument.strip())
