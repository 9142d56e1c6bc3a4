"""Start of a bucket: the one path by which buckets come to be. Safe against repetition, crashes and parallel starts."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from motor.motor_asyncio import AsyncIOMotorDatabase
from msgspec import Struct, field
from sync_contracts import collections
from sync_contracts.buckets import bucket_id, digest, shard_of
from sync_contracts.catalogue import Module
from sync_contracts.lines import DEFAULT_LINE
from sync_contracts.pages import COUNTERS, TOTAL_NAMES, clients_per_page
from sync_contracts.units import DEFAULT_LIMITS

from bucket_api.access.store import AccessStore
from bucket_api.buckets import paging, planning, selection
from bucket_api.buckets.admission import admit
from bucket_api.buckets.planning import Period, Plan
from bucket_api.buckets.selection import Selection
from bucket_api.buckets.store import BucketStore
from bucket_api.refusal import FieldError, Refusal
from bucket_api.scope import TenantScope
from bucket_api.tenants import Encryptors

INDIA: Final = ZoneInfo("Asia/Kolkata")
TRIES: Final = 5
MAX_REPORTED: Final = 100


class Start(Struct, frozen=True):
    """What is asked for. `body`: the request as given, `asked`: its plan as given, both for hashes and display.

    `origin`: where it comes from, without who; `linked`: buckets that it belongs to; `suspended`: modules that are
    left out, sorted, by client id.
    """

    key: str
    body: dict[str, Any]
    asked: dict[str, Any]
    selection: Selection
    modules: Sequence[Module]
    period: Period
    options: dict[str, Any]
    name: str | None
    note: str | None
    by: str
    by_name: str | None
    trace: str | None
    origin: Mapping[str, Any] = field(default_factory=lambda: {"kind": "api"})
    linked: tuple[str, ...] = ()
    suspended: Mapping[str, tuple[str, ...]] = {}


class Started(Struct, frozen=True):
    """A new bucket."""

    bucket: dict[str, Any]


class Replayed(Struct, frozen=True):
    """The bucket that the first request with this key and body has made or, if `reused`, opened."""

    bucket: dict[str, Any]
    reused: bool


class Reused(Struct, frozen=True):
    """A running bucket of the same plan, started under another key."""

    bucket: dict[str, Any]


Creation = Started | Replayed | Reused
WatchUntil = Callable[[Sequence[Mapping[str, Any]], Mapping[str, Any], str, int], int | None]
"""From columns, options, kind of origin and the time: until when what a bucket does not get yet is watched for."""


class BucketCreation:
    """Creates buckets. `now`: aware UTC time."""

    def __init__(
        self,
        database: AsyncIOMotorDatabase[dict[str, Any]],
        buckets: BucketStore,
        access: AccessStore,
        encryptors: Encryptors,
        now: Callable[[], datetime],
        *,
        watch_until: WatchUntil,
    ) -> None:
        self._watch_until = watch_until
        self._clients = database[collections.CLIENTS.name]
        self._buckets = buckets
        self._access = access
        self._encryptors = encryptors
        self._now = now

    async def start(self, tenant: TenantScope, start: Start) -> Creation:
        """The bucket, durable. Raises `Refusal`; then nothing was accepted."""
        sha = digest(start.body)
        if found := await self._buckets.by_key(tenant, start.key):
            return replayed(found, start.key, sha)
        now = self._now()
        found_clients = await self._selected(tenant, start.selection)
        # Columns depend on the clients' kinds, so the plan comes before the look for a running bucket of the same plan.
        plan = await self._plan(tenant, start, found_clients, now)
        plan_sha = plan_sha_of(start, plan)
        if running := await self._buckets.active_of_plan(tenant, plan_sha):
            return await self._reuse(tenant, running, start.key, sha)
        total = paging.totals(plan)
        admit(await self._buckets.usage(tenant, _ms(now)), total.counters[0] + total.counters[1])
        line = line_of(found_clients)
        bucket = bucket_document(tenant, start, plan, sha=sha, plan_sha=plan_sha, line=line, now_ms=_ms(now))
        if until := self._watch_until(bucket["columns"], start.options, start.origin["kind"], _ms(now)):
            bucket["rearm_until"] = until
        pages = paging.page_documents(plan, bucket["_id"], tenant.tenant_id, bucket["shard"])
        await self._encryptors.ensure(tenant)
        await self._buckets.write_pages(pages, _ms(now))
        return await self._insert(tenant, start, bucket)

    async def _insert(self, tenant: TenantScope, start: Start, bucket: dict[str, Any]) -> Creation:
        """The bucket comes last. A winner is compared by body, never by list."""
        for _ in range(TRIES):
            match await self._buckets.insert(tenant, bucket):
                case "inserted":
                    return Started({**bucket, "tenant_id": tenant.tenant_id})
                case "key_taken":
                    if winner := await self._buckets.by_key(tenant, start.key):
                        return replayed(winner, start.key, bucket["req_sha256"])
                case "plan_taken":
                    if running := await self._buckets.active_of_plan(tenant, bucket["plan_sha"]):
                        return await self._reuse(tenant, running, start.key, bucket["req_sha256"])
        raise Refusal("idempotency_in_progress")

    async def _reuse(self, tenant: TenantScope, running: dict[str, Any], key: str, sha: str) -> Creation:
        if await self._buckets.also(tenant, running["_id"], key, sha):
            return Reused(running)
        # A request with the same key was faster: it made this bucket or opened it. Then bodies decide.
        winner = await self._buckets.get(tenant, running["_id"])
        return replayed(winner or running, key, sha)

    async def _selected(self, tenant: TenantScope, chosen: Selection) -> list[dict[str, Any]]:
        query = selection.query(chosen)
        if query is None:
            raise Refusal("selection_empty")
        limit = planning.MAX_CLIENTS + 1
        found = await self._clients.find(tenant.only(query), selection.PROJECTION).limit(limit).to_list(limit)
        if len(found) < limit and (places := selection.unknown_places(chosen, found)):
            errors = [
                FieldError(f"/selection/add/{place}", "client_unknown", "No such client.")
                for place in places[:MAX_REPORTED]
            ]
            raise Refusal("validation_failed", f"{len(places)} clients are unknown.", errors=errors)
        return found

    async def _plan(self, tenant: TenantScope, start: Start, found: list[dict[str, Any]], now: datetime) -> Plan:
        versions = await self._access.versions(tenant)
        guards = await self._access.guards(tenant)
        clients = selection.plan_clients(found, versions, guards, start.suspended)
        return planning.plan(clients, start.modules, start.period, today=today_in_india(now), now_ms=_ms(now))


def replayed(bucket: dict[str, Any], key: str, sha: str) -> Replayed:
    """The answer to a repeated key. Raises `Refusal` when its body was another one."""
    shas = {also["key"]: also["sha"] for also in bucket["also_keys"]} | {bucket["idem_key"]: bucket["req_sha256"]}
    if shas.get(key) != sha:
        raise Refusal("idempotency_key_reused")
    return Replayed(bucket, reused=key != bucket["idem_key"])


def plan_sha_of(start: Start, plan: Plan) -> str:
    """Equal for starts that ask for the same: canonical selection, columns, options, and what is left out, if any."""
    columns = planning.column_documents(plan.columns)
    asked = {"selection": selection.canonical(start.selection), "columns": columns, "options": start.options}
    return digest({**asked, "suspended": start.suspended} if start.suspended else asked)


def line_of(clients: Iterable[Mapping[str, Any]]) -> str:
    """The line of a bucket: a tenant's clients all name one; were they to differ, most of them decide."""
    named = Counter(str(client.get("line_id", DEFAULT_LINE)) for client in clients)
    return named.most_common(1)[0][0] if named else DEFAULT_LINE


def bucket_document(
    tenant: TenantScope, start: Start, plan: Plan, *, sha: str, plan_sha: str, now_ms: int, line: str = DEFAULT_LINE
) -> dict[str, Any]:
    """The bucket as it is stored at its creation."""
    total = paging.totals(plan)
    n_pages = paging.page_count(plan)
    counts = {TOTAL_NAMES[name]: count for name, count in zip(COUNTERS, total.counters, strict=True)}
    summary = {"seq": n_pages, "at": now_ms, **counts, "h": ",".join(map(str, total.shown))}
    columns = planning.column_documents(plan.columns)
    return {
        "_id": bucket_id(tenant.tenant_id, start.key, sha, paging.evaluated_sha(plan)),
        "idem_key": start.key,
        "req_sha256": sha,
        "plan_sha": plan_sha,
        "also_keys": [],
        "shard": shard_of(tenant.tenant_id),
        "line_id": line,
        "columns": columns,
        "clients_per_page": clients_per_page(len(plan.columns)),
        "n_pages": n_pages,
        "n_units": len(plan.clients) * len(plan.columns),
        "plan": start.asked,
        "name": start.name or planning.default_name(plan.columns),
        "note": start.note,
        "created_at": now_ms,
        "created_by": start.by,
        "origin": {**start.origin, "by_name": start.by_name},
        "linked": list(start.linked),
        "trace": start.trace,
        "control": "RUN",
        "controls": [],
        "round": 0,
        "retries": [],
        "deadline_at": now_ms + DEFAULT_LIMITS.bucket_ms,
        "status": "RUNNING",
        "active": True,
        "rev": 0,
        "results": [],
        "summary": summary,
    }


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def today_in_india(now: datetime) -> date:
    """The date by which periods are told."""
    return now.astimezone(INDIA).date()
