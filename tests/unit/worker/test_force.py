"""Whether a bucket's cool-downs are ignored: by its own option, or in the round that a forced retry began."""

from typing import Any

import pytest
from sync_worker.execution.preflight import view_from

BUCKET: dict[str, Any] = {"tenant_id": "t_1", "control": "RUN", "round": 2, "shard": 0, "columns": []}


@pytest.mark.parametrize(
    ("fields", "force"),
    [
        ({}, False),
        ({"plan": {"options": {"force": True}}}, True),
        ({"plan": {"options": {"force": False}}}, False),
        ({"forced": 2}, True),
        ({"forced": 1}, False),
    ],
)
def test_f08_a4_force_is_the_buckets_or_that_of_its_newest_round(fields: dict[str, Any], force: bool) -> None:
    assert view_from({**BUCKET, **fields}, 0.0).force is force
