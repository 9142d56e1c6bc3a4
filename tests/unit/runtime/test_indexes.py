from typing import Any

import pytest
from sync_contracts.collections import Index
from sync_runtime.indexes import index_drift, wanted_options

INDEX = Index("plan", (("tenant_id", 1), ("created_at", -1)), unique=True, partial={"active": True}, ttl_s=60)
STORED: dict[str, Any] = {
    "v": 2,
    "name": "plan",
    "key": {"tenant_id": 1, "created_at": -1},
    "unique": True,
    "partialFilterExpression": {"active": True},
    "expireAfterSeconds": 60,
}


def test_an_index_as_agreed_has_no_drift() -> None:
    assert index_drift("c", INDEX, STORED) == []
    assert wanted_options(Index("plain", (("a", 1),))) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"key": {"tenant_id": 1}},
        {"key": {"created_at": -1, "tenant_id": 1}},
        {"unique": False},
        {"partialFilterExpression": {"active": False}},
        {"expireAfterSeconds": 61},
    ],
)
def test_other_keys_or_options_are_refused_by_name(change: dict[str, Any]) -> None:
    (cause,) = index_drift("c", INDEX, STORED | change)

    assert "c.plan" in cause
    assert "drop it" in cause


def test_a_missing_index_names_the_cure() -> None:
    assert "provision" in index_drift("c", INDEX, None)[0]
