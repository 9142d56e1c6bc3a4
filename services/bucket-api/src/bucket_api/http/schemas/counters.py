"""The counter object as it is told."""

import msgspec

from bucket_api.buckets.counters import Counters
from bucket_api.http.schemas.kinds import Answer


class Outcomes(Answer):
    """Units that are done, by what was found."""

    changed: int
    unchanged: int
    empty: int


class CountersAnswer(Answer):
    """Units by state; the states add up to `total`."""

    total: int
    queued: int
    waiting: int
    running: int
    retrying: int
    done: int
    not_available: int
    needs_action: int
    failed: int
    skipped: int
    cancelled: int
    done_by_outcome: Outcomes
    gaps: int
    final: int


def counters_answer(count: Counters) -> CountersAnswer:
    """As they are told."""
    return CountersAnswer.model_validate(msgspec.to_builtins(count))
