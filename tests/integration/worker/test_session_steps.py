"""Session commands on real Kafka: each step carried out once, the unreadable kept elsewhere, all committed."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sync_contracts import sessions
from sync_contracts.sessions import SessionCommand
from sync_contracts.topics import DEAD_LETTERS, SESSION_GROUP, SESSIONS

from tests.support.eventually import eventually
from tests.support.worker_stack import NullModule, WorkerStack, client_id, seed

CLIENT = client_id("t_1", 0)


def step(request: str) -> bytes:
    expires_at = int((datetime.now(UTC) + timedelta(minutes=5)).timestamp() * 1000)
    return sessions.encode(
        SessionCommand(tenant="t_1", client=CLIENT, request=request, step="OTP_REQUEST", expires_at=expires_at)
    )


async def ask(stack: WorkerStack, request: str, state: str) -> None:
    document: dict[str, Any] = {"_id": request, "tenant_id": "t_1", "client": CLIENT, "state": state, "tries": 0}
    await stack.database["otp_requests"].insert_one(document)


async def state(stack: WorkerStack, request: str) -> str:
    found = await stack.database["otp_requests"].find_one({"_id": request})
    assert found is not None
    return str(found["state"])


async def test_a_step_ends_in_its_request_and_bad_or_foreign_ones_are_kept_elsewhere(stack: WorkerStack) -> None:
    await seed(stack.database, clients=1)
    await ask(stack, "otp_1", "requested")
    await ask(stack, "otp_2", "sending")
    topic = stack.settings.prefixed(SESSIONS.name)
    async with stack.worker(NullModule(), portal_url="http://127.0.0.1:9"):
        for value in (step("otp_1"), b"no json", step("otp_2"), b"{}", step("otp_9"), None):
            await stack.producer.send_and_wait(topic, value, key=b"t_1:c")

        async def ended() -> bool:
            return {await state(stack, "otp_1"), await state(stack, "otp_2")} == {"failed"}

        await eventually(ended, what="both requests end")

        async def committed() -> bool:
            offsets = await stack.admin.list_consumer_group_offsets(stack.settings.prefixed(SESSION_GROUP))
            return sum(int(found.offset) for found in offsets.values()) == 6

        await eventually(committed, what="all steps are committed")

    async def kept() -> bool:
        return len(await stack.records(DEAD_LETTERS.name)) == 4

    await eventually(kept, what="four dead letters")
    letters = await stack.records(DEAD_LETTERS.name)
    reasons = sorted(dict(letter.headers)["dlq-reason"] for letter in letters)
    assert reasons == [b"SCHEMA", b"UNDECODABLE", b"UNDECODABLE", b"UNKNOWN_UNIT"]
    assert await stack.database["portal_sessions"].count_documents({"token_enc": {"$exists": True}}) == 0
