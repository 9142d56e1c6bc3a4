"""The HTTP process as it runs: real Kafka and MongoDB, a token of its issuer, SIGTERM."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from local_stack.kafka import KafkaServer
from local_stack.mongod import MongoServer
from local_stack.ports import free_ports
from sync_contracts import sessions, topics
from sync_contracts.collections import COLLECTIONS
from sync_runtime.indexes import create_missing
from sync_runtime.kafka_topics import admin
from sync_runtime.kafka_topics import create_missing as create_topics
from sync_runtime.mongo import Database
from sync_runtime.settings import RuntimeSettings
from sync_runtime.vault import KeyEncryptionKeys

from tests.support.eventually import PATIENCE_S, eventually
from tests.support.gstins import fictitious_gstin

Environment = dict[str, str]


@pytest.fixture
async def environment(
    mongo_server: MongoServer, mongo_db: Database, kafka_server: KafkaServer, unique_prefix: str, tmp_path: Path
) -> Environment:
    """What the process is given; topics, indexes and the key-encryption key are there."""
    settings = RuntimeSettings(instance_id="setup", kafka_bootstrap=kafka_server.bootstrap, topic_prefix=unique_prefix)
    await create_missing(mongo_db, COLLECTIONS)
    async with admin(settings) as client:
        await create_topics(client, settings, [topics.SESSIONS])
    KeyEncryptionKeys.write_new_file(tmp_path / "kek")
    return {
        **os.environ,
        "SB_INSTANCE_ID": "api",
        "SB_HTTP_PORT": str(free_ports(1)[0]),
        "SB_KAFKA_BOOTSTRAP": kafka_server.bootstrap,
        "SB_MONGO_URL": mongo_server.url,
        "SB_MONGO_DATABASE": mongo_db.name,
        "SB_TOPIC_PREFIX": unique_prefix,
        "SB_KEK_FILE": str(tmp_path / "kek"),
    }


@pytest.fixture
def process(environment: Environment) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-m", "bucket_api", "serve"], env=environment) as started:
        yield started
        started.kill()


async def test_the_process_serves_publishes_and_ends_when_asked(
    environment: Environment, process: subprocess.Popen[bytes]
) -> None:
    async with signed_in(environment) as http:
        asked = await ask_otp(http)
        assert asked.status_code == 202
        docs = await http.get("/docs")
        assert "/v1/buckets/{bucket_id}/statement" in docs.text
        assert 'route="/v1/clients/{client_id}/otp-requests"' in (await http.get("/metrics")).text
    command = await _published(environment)
    assert (command.request, command.step) == (asked.json()["id"], "OTP_REQUEST")
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, PATIENCE_S) == 0


async def test_a_process_that_can_publish_no_more_ends_and_says_so(
    environment: Environment, process: subprocess.Popen[bytes]
) -> None:
    async with signed_in(environment) as http:
        await _narrow(environment)
        assert (await ask_otp(http)).status_code == 500
    assert await asyncio.to_thread(process.wait, PATIENCE_S) == 1


@asynccontextmanager
async def signed_in(environment: Environment) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of the process, once that is ready."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{environment['SB_HTTP_PORT']}", timeout=PATIENCE_S
    ) as http:

        async def ready() -> bool:
            try:
                return (await http.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(ready)
        signed = await http.post("/dev/tokens", json={"tenant": "t_one", "role": "administrator"})
        http.headers["authorization"] = f"Bearer {signed.json()['token']}"
        yield http


async def ask_otp(http: httpx.AsyncClient) -> httpx.Response:
    """An OTP for a client that has just been made."""
    made = await http.post("/v1/clients", json={"gstin": fictitious_gstin(1), "name": "One"})
    client = made.json()["id"]
    assert (await http.put(f"/v1/clients/{client}/credential", json={"username": "one"})).status_code == 204
    headers = {"idempotency-key": "k", "prefer": "wait=0"}
    return await http.post(f"/v1/clients/{client}/otp-requests", json={}, headers=headers)


async def _narrow(environment: Environment) -> None:
    """From now on the broker refuses every record of the sessions topic: the end of an idempotent producer."""
    name = f"{environment['SB_TOPIC_PREFIX']}{topics.SESSIONS.name}"
    change = ConfigResource(ConfigResourceType.TOPIC, name, {"max.message.bytes": "100"})
    client = AIOKafkaAdminClient(bootstrap_servers=environment["SB_KAFKA_BOOTSTRAP"])
    await client.start()
    try:
        await client.alter_configs([change])
    finally:
        await client.close()


async def _published(environment: Environment) -> sessions.SessionCommand:
    """The one record of the sessions topic."""
    consumer = AIOKafkaConsumer(
        f"{environment['SB_TOPIC_PREFIX']}{topics.SESSIONS.name}",
        bootstrap_servers=environment["SB_KAFKA_BOOTSTRAP"],
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            record = await consumer.getone()
    finally:
        await consumer.stop()
    return sessions.decode(record.value)


def run(environment: Environment, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bucket_api", *arguments]
    return subprocess.run(
        command, env={**environment, **changes}, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


async def test_a_token_can_be_made_without_a_running_process(environment: Environment) -> None:
    made = await asyncio.to_thread(run, environment, "dev-token", "--tenant", "t_x", "--scope", "buckets:read")
    assert made.returncode == 0
    assert made.stdout.count(".") == 2
    keys = Path(environment["SB_KEK_FILE"]).parent
    assert (keys / "dev_issuer.pem").stat().st_mode & 0o077 == 0
    assert "PRIVATE" not in (keys / "jwks.json").read_text()


async def test_production_refuses_the_development_issuer(environment: Environment) -> None:
    for arguments in (("serve",), ("dev-token",)):
        refused = await asyncio.to_thread(run, environment, *arguments, SB_ENVIRONMENT="production")
        assert refused.returncode == 1
        assert "development issuer" in refused.stderr


async def test_missing_indexes_are_refused_at_the_start(environment: Environment) -> None:
    refused = await asyncio.to_thread(
        run, environment, "serve", SB_MONGO_DATABASE=f"{environment['SB_MONGO_DATABASE']}x"
    )
    assert refused.returncode == 1
    assert "provision" in refused.stderr


async def test_no_developers_routes_exist_in_production(environment: Environment) -> None:
    script = (
        "from bucket_api.app import create_app; from bucket_api.settings import Settings;"
        "from fastapi.routing import iter_route_contexts;"
        "print({r.path for r in iter_route_contexts(create_app(Settings.from_environment()).routes)})"
    )
    changes = {
        "SB_ENVIRONMENT": "production",
        "SB_ISSUER": "https://id.example",
        "SB_JWKS_URL": "https://id.example/keys",
    }
    listed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script],
        env={**environment, **changes},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert "/v1/buckets" in listed.stdout
    assert "/docs" not in listed.stdout
    assert "/dev/tokens" not in listed.stdout


async def test_a_missing_key_file_is_refused_with_its_cure(environment: Environment) -> None:
    refused = await asyncio.to_thread(run, environment, "serve", SB_KEK_FILE=f"{environment['SB_KEK_FILE']}.gone")
    assert refused.returncode == 1
    assert "SB_KEK_FILE" in refused.stderr
