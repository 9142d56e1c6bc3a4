"""Scripts, shapes and load behaviour over the control port."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from portal_sandbox.shapes import load_shapes

from tests.component.sandbox.callers import PublicCaller, StyleACaller, code_of
from tests.component.sandbox.conftest import Sandbox, number

SignedIn = Callable[..., Awaitable[StyleACaller]]
TEXT = """
name: two-failures
scenarios:
  sections:
    match: {family: gstr1, action: CDNR, period: 102026}
    times: 2
    effect: {kind: code, code: RET12501}
"""


async def put(sandbox: Sandbox, text: str) -> Any:
    return await sandbox.control.put("/control/v1/script", content=text.encode())


async def cdnr(caller: StyleACaller) -> str:
    query = {"action": "CDNR", "gstin": caller.gstin, "ret_period": "102026"}
    return code_of(await caller.get("v4.0/returns/gstr1", query, {"ret_period": "102026"}))


async def test_a_section_fails_twice_and_then_succeeds(sandbox: Sandbox, signed_in: SignedIn) -> None:
    answer = await put(sandbox, TEXT)
    assert (answer.status_code, answer.json()) == (200, {"name": "two-failures"})
    caller = await signed_in()
    assert [await cdnr(caller) for _ in range(3)] == ["RET12501", "RET12501", ""]
    assert (await sandbox.ask("/scenarios"))["items"][0]["left"] == 0
    await sandbox.change("DELETE", "/script")
    assert (await sandbox.ask("/script"))["name"] is None
    assert (await sandbox.ask("/scenarios"))["items"] == []


@pytest.mark.parametrize("text", ["name: [", "name: x\nwhat: 1", "name: x\nclock: {to: 2020-01-01T00:00:00Z}"])
async def test_a_bad_script_is_refused_and_the_one_before_stays(sandbox: Sandbox, text: str) -> None:
    await put(sandbox, TEXT)
    answer = await put(sandbox, text)
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert (await sandbox.ask("/script"))["name"] == "two-failures"
    assert len((await sandbox.ask("/scenarios"))["items"]) == 1


async def test_due_days_make_every_answer_slower(sandbox: Sandbox, public: PublicCaller) -> None:
    latency = {"p50_ms": 20, "p95_ms": 20, "p99_ms": 20}
    await sandbox.change("PUT", "/faults", {"latency": latency, "surge": {"days": [24], "factor": 10}})
    started_s = time.monotonic()
    await public.rettrack(number(), "2025-26")
    assert time.monotonic() - started_s >= 0.1


async def test_control_port_names_the_shapes(sandbox: Sandbox) -> None:
    items = (await sandbox.ask("/shapes"))["items"]
    assert [item["shape"] for item in items] == list(load_shapes())
    assert all(item["portal_username"].startswith("tp") for item in items)
