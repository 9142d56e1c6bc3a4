"""What handlers work with, made once by the composition root."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from motor.motor_asyncio import AsyncIOMotorDatabase
from sync_contracts.catalogue import cooldowns
from sync_contracts.credentials import LOGINS_PER_DAY

from bucket_api.access.credentials import Credentials
from bucket_api.access.standings import Standings
from bucket_api.access.steps import Publisher, SessionSteps
from bucket_api.access.store import AccessStore
from bucket_api.buckets.attempts import AttemptReader
from bucket_api.buckets.controlling import Controlling
from bucket_api.buckets.creation import BucketCreation
from bucket_api.buckets.frozen import FrozenLists
from bucket_api.buckets.left_units import LeftUnits
from bucket_api.buckets.listing import UnitLists
from bucket_api.buckets.retrying import Retrying
from bucket_api.buckets.statements import Statements
from bucket_api.buckets.store import BucketStore
from bucket_api.buckets.wishes import Wishes
from bucket_api.clients.imports import ClientImports
from bucket_api.clients.store import ClientStore
from bucket_api.http.trace import Trace, trace_of
from bucket_api.refusal import FieldError, Refusal
from bucket_api.schedules.book import ScheduleBook
from bucket_api.schedules.following import Following
from bucket_api.schedules.hand import StartByHand
from bucket_api.schedules.running import ScheduleRuns
from bucket_api.schedules.schedule import milliseconds
from bucket_api.schedules.stores import Stores
from bucket_api.schedules.watches import watch_until
from bucket_api.tenants import Encryptors, TenantKeys
from bucket_api.upstreams.store import UpstreamStore

Missing = Callable[[], Awaitable[Mapping[str, str]]]
"""Conditions of readiness that do not hold, with their reasons."""


@dataclass(frozen=True, slots=True)
class Services:
    """The domain over one database and one bus. `now`: aware UTC time."""

    clients: ClientStore
    imports: ClientImports
    access: AccessStore
    credentials: Credentials
    steps: SessionSteps
    buckets: BucketStore
    creation: BucketCreation
    controlling: Controlling
    retrying: Retrying
    left_units: LeftUnits
    units: UnitLists
    statements: Statements
    attempts: AttemptReader
    stores: Stores
    schedules: ScheduleBook
    start_by_hand: StartByHand
    following: Following
    upstreams: UpstreamStore
    now: Callable[[], datetime]
    missing: Missing
    cooldowns_s: Mapping[str, int]
    logins_per_day: int = LOGINS_PER_DAY


def services_over(
    database: AsyncIOMotorDatabase[dict[str, Any]],
    keys: TenantKeys,
    publisher: Publisher,
    now: Callable[[], datetime],
    missing: Missing,
    logins_per_day: int = LOGINS_PER_DAY,
    cooldowns_s: Mapping[str, int] = cooldowns({}),
) -> Services:
    """The services over a database, a publisher and key-encryption keys."""
    left_units, standings = LeftUnits(database), Standings(database, AccessStore(database), now, cooldowns_s)
    clients, access, buckets = ClientStore(database), AccessStore(database), BucketStore(database)
    encryptors, wishes = Encryptors(database, keys), Wishes(database)
    creation = BucketCreation(database, buckets, access, encryptors, now, watch_until=watch_until)
    stores = Stores.over(database, buckets)
    return Services(
        clients=clients,
        imports=ClientImports(database, clients, access, encryptors, now),
        access=access,
        credentials=Credentials(access, encryptors, now),
        steps=SessionSteps(access, encryptors, publisher, now),
        buckets=buckets,
        creation=creation,
        controlling=Controlling(buckets, wishes, now),
        retrying=Retrying(buckets, wishes, standings, left_units, now),
        left_units=left_units,
        units=UnitLists(buckets, FrozenLists(database), now),
        statements=Statements(database, buckets),
        attempts=AttemptReader(database),
        stores=stores,
        schedules=ScheduleBook(stores, lambda: milliseconds(now())),
        start_by_hand=StartByHand(stores.schedules, ScheduleRuns(stores, creation, lambda: milliseconds(now()))),
        following=Following(stores),
        upstreams=UpstreamStore(database),
        now=now,
        missing=missing,
        cooldowns_s=cooldowns_s,
        logins_per_day=logins_per_day,
    )


def _services(request: Request) -> Services:
    found = request.app.state.services
    assert isinstance(found, Services)  # noqa: S101 - set at start-up
    return found


def _trace(request: Request) -> Trace:
    return trace_of(request.scope)


def _key(idempotency_key: Annotated[str, Header()]) -> str:
    """The caller's key; it is required where work is started, and its absence has a problem of its own."""
    if not 1 <= len(idempotency_key) <= 255 or not all("!" <= c <= "~" for c in idempotency_key):
        detail = "1 to 255 visible ASCII characters."
        raise Refusal("invalid_request", detail, errors=[FieldError("Idempotency-Key", "invalid", detail)])
    return idempotency_key


def _wait(prefer: Annotated[str | None, Header()] = None) -> float:
    """Seconds that the caller is ready to wait: `Prefer: wait=10`."""
    for part in (prefer or "").split(","):
        name, _, seconds = part.strip().partition("=")
        if name.lower() == "wait" and seconds.isdecimal():
            return float(min(int(seconds), MAX_WAIT_S))
    return DEFAULT_WAIT_S


DEFAULT_WAIT_S = 10.0
MAX_WAIT_S = 25
App = Annotated[Services, Depends(_services)]
TraceOf = Annotated[Trace, Depends(_trace)]
Key = Annotated[str, Depends(_key)]
Wait = Annotated[float, Depends(_wait)]
PageSize = Annotated[int, Query(ge=1, le=500)]
PageToken = Annotated[str | None, Query(max_length=512)]
