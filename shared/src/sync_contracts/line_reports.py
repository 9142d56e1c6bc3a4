"""Documents about lines and workers: information only, no decision rests on them. One part writes, the API reads."""

from datetime import datetime
from typing import Final, TypedDict

LINE_SHARE_FRESH_S: Final = 10
CLASSES_PER_DOUBLING: Final = 4
"""Classes of duration in a worker's report grow by a fifth, so that those of many workers can be added."""


class LineShareDocument(TypedDict):
    """`line_shares`, id `tenant:line`: how a tenant with running buckets stands on its line. Written by the dispatcher
    every other second, information only; older than `LINE_SHARE_FRESH_S` it says nothing any more.

    `share`: the tenant's part of the line, by weight, while all tenants have work; `measured`: its part of what the
    dispatcher has sent to the line in the last minute, None if that is nothing; `tenants_active`: with running buckets
    on the line, itself included; `units_waiting`: due and not yet dispatched; `window`: units that may be in flight.
    """

    _id: str
    tenant_id: str
    line_id: str
    share: float
    measured: float | None
    tenants_active: int
    units_waiting: int
    in_flight: int
    window: int
    at: datetime


class WorkerReportDocument(TypedDict):
    """`worker_reports`, id: a worker's instance. Replaced every five seconds by the worker, information only.

    `busy` of `slots` units ask the portal; `calls`, `errors` (no answer, or a status of 500 and more) and `took` (class
    of duration -> calls) of the last five minutes.
    """

    _id: str
    line_id: str
    slots: int
    busy: int
    calls: int
    errors: int
    took: dict[str, int]
    at: datetime
