"""Actions of a bucket as its document remembers them, by key and by id. Pure."""

from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import uuid5

from msgspec import Struct
from sync_contracts.buckets import BUCKET_NAMESPACE, Status

from bucket_api.buckets.counters import current, verdict_of
from bucket_api.refusal import Refusal

REASON_LENGTH: Final = 200

ActionKind = Literal["retry", "cancel", "pause", "resume"]


class Action(Struct, frozen=True):
    """One act on a bucket. `round` of a retry is the round that it began; `facts`: its entry in the document."""

    id: str
    kind: ActionKind
    key: str
    by: str
    at: int
    facts: Mapping[str, Any]

    @property
    def round(self) -> int | None:
        """The round that a retry began."""
        return self.facts.get("round")

    @property
    def left_in(self) -> str | None:
        """The document with the units that a retry left."""
        return self.facts.get("left_in")

    @property
    def note(self) -> str | None:
        """Why, in the words of who asked."""
        return self.facts.get("reason")


def action_id(bucket: str, key: str) -> str:
    """The same key of the same bucket is the same action."""
    return f"ac_{uuid5(BUCKET_NAMESPACE, chr(0).join((bucket, key))).hex}"


def actions_of(bucket: Mapping[str, Any]) -> list[Action]:
    """All that are remembered, newest first: every retry, and the newest fifty controls."""
    retries = [
        Action(action_id(bucket["_id"], entry["key"]), "retry", entry["key"], entry["by"], entry["at"], entry)
        for entry in bucket["retries"]
    ]
    controls = [
        Action(entry["id"], entry["kind"], entry["key"], entry["by"], entry["at"], entry)
        for entry in bucket["controls"]
    ]
    return sorted(retries + controls, key=lambda action: (-action.at, action.id))


def by_key(bucket: Mapping[str, Any], key: str) -> Action | None:
    """The action that this idempotency key has made in the bucket."""
    return next((action for action in actions_of(bucket) if action.key == key), None)


def by_id(bucket: Mapping[str, Any], identity: str) -> Action | None:
    """The action of this id."""
    return next((action for action in actions_of(bucket) if action.id == identity), None)


def newest_control(bucket: Mapping[str, Any], kind: ActionKind) -> Action | None:
    """The newest cancel, pause or resume, if it is of that kind."""
    control = next((action for action in actions_of(bucket) if action.kind != "retry"), None)
    return control if control is not None and control.kind == kind else None


def shortened(reason: str | None) -> str | None:
    """A reason as it is kept."""
    return reason[:REASON_LENGTH] if reason else None


def ended(status: Status, bucket: Mapping[str, Any]) -> Refusal:
    """Too late: the bucket has its verdict."""
    verdict = verdict_of(bucket, current(bucket))
    return Refusal("bucket_ended", f"The bucket has ended: {verdict or status}.", final_status=verdict)


def cancelling() -> Refusal:
    """Nothing else can be wished for until the bucket has come to its end."""
    return Refusal("bucket_cancelling", "The bucket is being cancelled; wait for its end.")
