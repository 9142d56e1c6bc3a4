"""B2, acceptance: one request for a bucket of 10,000 clients and 5 columns, durable before the answer."""

import subprocess
import sys
import time
from statistics import median
from typing import Any, Final

import httpx
from local_stack.programs import API
from sync_contracts.collections import BUCKET_PAGES, BUCKETS
from sync_runtime.mongo import Database

from tests.bench.b0 import MOST_MIB
from tests.bench.buckets import MONTHS, TENANT, seed
from tests.bench.processes import peak_rss_mib
from tests.bench.results import Figure
from tests.bench.world import World

CLIENTS: Final = 10_000
MOST_S: Final = 1.5
TIMEOUT_S: Final = 60.0


async def measure(runs: int) -> list[Figure]:
    """Time of the request as its caller sees it."""
    took_s: list[float] = []
    with World() as world, world.database() as database:
        await seed(database, CLIENTS, world.kek_file)
        world.start(API)
        with httpx.Client(base_url=world.settings.api_url, trust_env=False, timeout=TIMEOUT_S) as http:
            http.headers["authorization"] = f"Bearer {_token(world)}"
            for run in range(-1, runs):
                took_s.append(_start(http, f"accept-{run}"))
                await _check_and_remove(database)
        memory = peak_rss_mib(world.pids[API.role])
    return _figures(took_s[1:], memory)


def _figures(took_s: list[float], memory: float) -> list[Figure]:
    took = median(took_s)
    how = f"median of {len(took_s)} requests, 100 pages and the bucket durable; ratio to the limit"
    peak = "peak of the API after them; ratio to the limit"
    return [
        Figure("b2_accept", took, "s", how, f"<= {MOST_S}", took / MOST_S, took <= MOST_S),
        Figure("b4_memory_api", memory, "MiB", peak, f"<= {MOST_MIB:.0f}", memory / MOST_MIB, memory <= MOST_MIB),
    ]


def _start(http: httpx.Client, key: str) -> float:
    body = {
        "selection": {"all": True},
        "modules": ["gstr2b"],
        "period": {"rule": "months", "months": list(MONTHS)},
    }
    began = time.monotonic()
    answer = http.post("/v1/buckets", json=body, headers={"idempotency-key": key})
    took_s = time.monotonic() - began
    if answer.status_code != httpx.codes.ACCEPTED:
        raise RuntimeError(f"a bucket was not accepted: {answer.status_code} {answer.text}")
    return took_s


async def _check_and_remove(database: Database) -> None:
    """Everything was there when the answer came. The next bucket finds the tenant without one."""
    pages: list[dict[str, Any]] = await database[BUCKET_PAGES.name].find({}, {"cp": 1}).to_list(None)
    waiting, wanted = sum(page["cp"] for page in pages), CLIENTS * len(MONTHS)
    if waiting != wanted:
        raise RuntimeError(f"{waiting} of {wanted} units wait in pages")
    for collection in (BUCKETS, BUCKET_PAGES):
        await database[collection.name].delete_many({})


def _token(world: World) -> str:
    command = [sys.executable, "-m", "bucket_api", "dev-token", "--tenant", TENANT.tenant_id]
    done = subprocess.run(command, env=world.environment(API), check=True, capture_output=True, text=True, timeout=30)
    return done.stdout.strip()
