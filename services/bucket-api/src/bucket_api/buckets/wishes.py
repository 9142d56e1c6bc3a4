"""What users want of a bucket: each wish is one compare-and-set on its document, bound to the round that was seen.

A wish leaves its key in `controls` or `retries`; no other wish of the bucket can have the same key.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError
from sync_contracts import collections

from bucket_api.buckets.janitor import TERMINAL
from bucket_api.buckets.store import CONTROLS
from bucket_api.scope import TenantScope

ControlKind = Literal["cancel", "pause", "resume"]
_FROM: Final[Mapping[ControlKind, Any]] = {"cancel": {"$in": ["RUN", "PAUSE"]}, "pause": "RUN", "resume": "PAUSE"}
_TO: Final[Mapping[ControlKind, str]] = {"cancel": "CANCEL", "pause": "PAUSE", "resume": "RUN"}
_CONTROL_FIELDS: Final = ("control_by", "control_at", "control_reason")


class Wishes:
    """The compare-and-sets of `buckets`. Each gives the bucket afterwards, None when it was not as expected."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
        self._buckets = database[collections.BUCKETS.name]

    async def control(
        self, tenant: TenantScope, seen: Mapping[str, Any], kind: ControlKind, control: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Cancel, pause or resume the running round that was seen. A resume gives back the time of the pause."""
        wanted = {**_unused(seen, control["key"]), "status": "RUNNING", "control": _FROM[kind]}
        rested = {}
        if kind == "resume":
            wanted["control_at"] = seen["control_at"]
            rested = {"deadline_at": max(0, control["at"] - seen["control_at"])}
        change = {
            "$set": {
                "control": _TO[kind],
                "control_by": control["by"],
                "control_at": control["at"],
                "control_reason": control["reason"],
            },
            "$push": {"controls": {"$each": [dict(control)], "$slice": -CONTROLS}},
            "$inc": {"rev": 1, **rested},
        }
        return await self._change(tenant, wanted, change)

    async def retry(
        self, tenant: TenantScope, seen: Mapping[str, Any], retry: Mapping[str, Any], deadline_ms: int
    ) -> dict[str, Any] | Literal["plan_active"] | None:
        """Begin the round after the one that was seen. An ended bucket runs again, unless its plan runs elsewhere."""
        ended, paused = seen["status"] != "RUNNING", seen["control"] == "PAUSE"
        going = {"status": "RUNNING", "control": seen["control"], "control_at": seen.get("control_at")}
        if not ended and paused:  # the resume will give back the whole pause, also what lies before this retry
            deadline_ms -= max(0, retry["at"] - seen["control_at"])
        wanted = {
            **_unused(seen, retry["key"]),
            "pages_purged_at": {"$exists": False},
            **({"status": TERMINAL} if ended else going),
        }
        change = {
            "$set": {
                "round": retry["round"],
                "status": "RUNNING",
                "active": True,
                "deadline_at": deadline_ms,
                **({"forced": retry["round"]} if retry.get("force") else {}),
                **({"control": "RUN"} if ended else {}),
            },
            "$push": {"retries": dict(retry)},
            "$unset": dict.fromkeys(("purge_at", "rearm_looked", *(_CONTROL_FIELDS if ended else ())), ""),
            "$inc": {"rev": 1},
        }
        try:
            return await self._change(tenant, wanted, change)
        except DuplicateKeyError:
            return "plan_active"

    async def _change(
        self, tenant: TenantScope, wanted: Mapping[str, Any], change: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        return await self._buckets.find_one_and_update(
            tenant.only(wanted), dict(change), return_document=ReturnDocument.AFTER
        )


def _unused(seen: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The bucket in the round that was seen, without a wish of that key."""
    return {
        "_id": seen["_id"],
        "round": seen["round"],
        "retries.key": {"$ne": key},
        "controls.key": {"$ne": key},
    }
