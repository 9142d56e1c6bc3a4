import json
from typing import Any

import httpx
from sync_runtime.health import Health, Liveness, Readiness, health_app
from sync_runtime.metrics import Metrics


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_loop_that_stops_beating_is_stalled() -> None:
    clock = Clock()
    liveness = Liveness(clock)
    beat = liveness.expect("fetch", 10)
    liveness.expect("timers", 60)

    clock.now_s += 10
    assert liveness.stalled() == {}
    clock.now_s += 1
    assert liveness.stalled() == {"fetch": 11.0}
    beat()
    assert liveness.stalled() == {}


def test_a_loop_that_ended_as_it_should_is_no_longer_expected() -> None:
    clock = Clock()
    liveness = Liveness(clock)
    liveness.expect("fetch", 10)
    clock.now_s += 99
    liveness.forget("fetch")

    assert liveness.stalled() == {}


def test_ready_only_when_every_condition_holds() -> None:
    readiness = Readiness("kafka", "mongo")
    readiness.hold("kafka")
    assert readiness.missing() == {"mongo": "starting"}
    readiness.hold("mongo")
    assert readiness.missing() == {}
    readiness.lose("kafka", "no assignment")
    assert readiness.missing() == {"kafka": "no assignment"}


async def _get(health: Health, path: str) -> tuple[int, Any]:
    transport = httpx.ASGITransport(app=health_app(health))
    async with httpx.AsyncClient(transport=transport, base_url="http://health") as client:
        response = await client.get(path)
    return response.status_code, response.text


async def test_the_routes_answer_with_reasons() -> None:
    health = Health(Metrics(), "kafka")
    clock = Clock()
    health.liveness = Liveness(clock)
    health.liveness.expect("fetch", 5)

    assert await _get(health, "/healthz") == (200, '{"alive":true,"stalled":{}}')
    status, text = await _get(health, "/readyz")
    assert (status, json.loads(text)["missing"]) == (503, {"started": "starting", "kafka": "starting"})

    clock.now_s += 6
    health.readiness.hold("started")
    health.readiness.hold("kafka")
    status, text = await _get(health, "/healthz")
    assert (status, json.loads(text)["stalled"]) == (503, {"fetch": 6.0})
    assert (await _get(health, "/readyz"))[0] == 200


async def test_metrics_are_served_and_other_paths_are_not() -> None:
    health = Health(Metrics())
    health.metrics.counter("sync_records_consumed_total", "t").inc()

    status, text = await _get(health, "/metrics")
    assert (status, 'sync_records_consumed_total{topic="t"} 1.0' in text) == (200, True)
    assert (await _get(health, "/other"))[0] == 404
