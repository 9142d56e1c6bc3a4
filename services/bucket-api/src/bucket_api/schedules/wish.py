"""The start of a bucket as a schedule or a watch asks for it: one body for one key, whatever changed since. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sync_contracts.catalogue import Module, modules_of

from bucket_api.buckets.creation import Start
from bucket_api.buckets.planning import Period
from bucket_api.buckets.selection import Selection
from bucket_api.schedules.schedule import Pending, Schedule
from bucket_api.schedules.watches import Watch

Suspended = Mapping[str, tuple[str, ...]]


def key_of(schedule: str, slot: int) -> str:
    """The idempotency key of a slot's bucket."""
    return f"schedule:{schedule}:{slot}"


def scheduled(schedule: Schedule, pending: Pending, suspended: Suspended) -> Start:
    """The bucket of a slot, in the name of who made the schedule or asked by hand."""
    plan = schedule.plan
    return Start(
        key=key_of(schedule.id, pending.slot),
        body={"schedule": schedule.id, "slot": pending.slot},
        asked=plan,
        selection=selection_of(plan["selection"]),
        modules=modules_of(tuple(plan["presets"]), tuple(plan["modules"])),
        period=msgspec.convert(plan["period"], Period),
        options=plan["options"],
        name=schedule.name,
        note=None,
        by=pending.by or schedule.created_by,
        by_name=pending.by_name or schedule.created_by_name,
        trace=None,
        origin={"kind": "schedule", "schedule_id": schedule.id},
        suspended=suspended,
    )


def again(watch: Watch, day: str) -> Start:
    """The bucket that asks again for what was not there, on a day."""
    selection = {"all": False, "filter": None, "add": sorted(watch.clients), "exclude": []}
    period = {"rule": "months", "months": [watch.period], "financial_year": None}
    options = {"force": False, "auto_resume": True}
    return Start(
        key=f"rearm:{watch.id}:{day}",
        body={"rearm": watch.id, "day": day},
        asked={"selection": selection, "presets": [], "modules": [watch.module], "period": period, "options": options},
        selection=selection_of(selection),
        modules=(Module(watch.module),),
        period=msgspec.convert(period, Period),
        options=options,
        name=None,
        note=None,
        by=watch.by,
        by_name=watch.by_name,
        trace=None,
        origin={"kind": "rearm", "bucket_id": watch.bucket},
        linked=(watch.bucket,),
    )


def selection_of(asked: Mapping[str, Any]) -> Selection:
    """A selection as it was asked for."""
    return msgspec.convert({**asked, "everyone": asked["all"]}, Selection)
