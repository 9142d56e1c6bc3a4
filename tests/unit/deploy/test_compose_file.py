"""docker-compose.yml says what the Compose Specification allows, and starts what the local stack starts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from local_stack.programs import PROGRAMS, Program

from tests.support.containers import built_services, command_of, compose, stages

Json = dict[str, Any]
SCHEMA = json.loads(Path(__file__).with_name("compose_spec").joinpath("compose-spec.json").read_text(encoding="utf-8"))
SERVICE_OF = {
    "sandbox": "sandbox",
    "api": "api",
    "dispatcher": "dispatcher",
    "scheduler": "scheduler",
    "aggregator": "aggregator",
    "worker": "worker-0",
}
"""The service of each program of the local stack."""
ONLY_IN_CONTAINERS = {"SB_DEV_ISSUER_KEY_FILE", "SB_JWKS_FILE"}
"""Beside the key-encryption key unless said otherwise; said in the file because the volume is what lasts."""
ONLY_IN_THE_LOCAL_STACK = {"SB_SANDBOX_STATE_FILE"}
"""The sandbox's container has no volume: its sessions end with it."""


def faults(document: Json) -> list[str]:
    """What the schema refuses."""
    return [error.message for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(document)]


def test_the_file_is_a_compose_file() -> None:
    assert faults(compose()) == []


def test_the_schema_refuses_what_is_none() -> None:
    broken = compose()
    broken["services"]["api"]["comand"] = ["python"]

    assert faults(broken)


def test_whoever_is_waited_for_exists_and_can_say_that_it_is_ready() -> None:
    services = compose()["services"]

    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services, f"{name} waits for {needed}"
            assert how["condition"] != "service_healthy" or "healthcheck" in services[needed]
            assert how["condition"] != "service_completed_successfully" or "restart" not in services[needed]


def test_nothing_is_published_beyond_this_machine() -> None:
    ports = [port for service in compose()["services"].values() for port in service.get("ports", ())]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_volume_is_declared_and_every_image_has_a_version() -> None:
    document = compose()
    mounted = {mount.split(":")[0] for service in document["services"].values() for mount in service.get("volumes", ())}
    foreign = [service["image"] for service in document["services"].values() if "build" not in service]

    assert mounted == document["volumes"].keys()
    assert all(":" in image and not image.endswith(":latest") for image in foreign)


@pytest.mark.parametrize("name", built_services())
def test_a_service_of_ours_is_built_from_a_stage_and_may_do_little(name: str) -> None:
    service = built_services()[name]

    assert service["build"]["target"] in stages()
    if "restart" in service:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "healthcheck" in service


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.role)
def test_a_program_has_the_command_and_the_environment_of_the_local_stack(program: Program) -> None:
    service = built_services()[SERVICE_OF[program.role]]

    assert command_of(service) == ["python", "-m", *program.module]
    assert set(service["environment"]) - ONLY_IN_CONTAINERS == set(program.environment) - ONLY_IN_THE_LOCAL_STACK


def test_each_slot_has_a_name_of_its_own() -> None:
    names = list(_instance_ids())

    assert len(names) == len(set(names)) > 5


def _instance_ids() -> Iterator[str]:
    for service in built_services().values():
        if "SB_INSTANCE_ID" in service["environment"]:
            yield service["environment"]["SB_INSTANCE_ID"]
