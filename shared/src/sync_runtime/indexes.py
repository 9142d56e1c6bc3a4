"""Indexes of the collections compared with the contracts: created when missing, refused when they differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from sync_contracts.collections import Collection, Index

from sync_runtime.mongo import Database


class IndexesRefused(Exception):
    """An index exists with other settings; one line per cause, with the cure."""

    log_safe = True


def wanted_options(index: Index) -> dict[str, Any]:
    """Options of an index beyond its name and keys, as MongoDB stores them."""
    options: dict[str, Any] = {}
    if index.unique:
        options["unique"] = True
    if index.partial is not None:
        options["partialFilterExpression"] = dict(index.partial)
    if index.ttl_s is not None:
        options["expireAfterSeconds"] = index.ttl_s
    return options


def index_drift(collection: str, index: Index, actual: Mapping[str, Any] | None) -> list[str]:
    """What is wrong with an index; empty when it is as agreed. `actual` is what MongoDB lists, None when missing."""
    if actual is None:
        return [f"index {collection}.{index.name} does not exist; create it: python -m sync_runtime provision"]
    keys = tuple((field, int(order)) for field, order in actual["key"].items())
    options = {k: v for k, v in actual.items() if k in {"unique", "partialFilterExpression", "expireAfterSeconds"}}
    if keys == index.keys and options == wanted_options(index):
        return []
    return [f"index {collection}.{index.name} exists with other keys or options; drop it, then provision again"]


async def drift(database: Database, collections: Sequence[Collection]) -> list[str]:
    """Everything in which the database's indexes differ from the contracts."""
    causes: list[str] = []
    for collection in collections:
        existing = await _existing(database, collection)
        for index in collection.indexes:
            causes += index_drift(collection.name, index, existing.get(index.name))
    return causes


async def create_missing(database: Database, collections: Sequence[Collection]) -> list[str]:
    """Create the indexes that do not exist; returns `collection.index`. Existing ones are left as they are."""
    created: list[str] = []
    for collection in collections:
        existing = await _existing(database, collection)
        for index in collection.indexes:
            if index.name not in existing:
                options = wanted_options(index)
                await database[collection.name].create_index(list(index.keys), name=index.name, **options)
                created.append(f"{collection.name}.{index.name}")
    return created


async def assert_indexes(database: Database, collections: Sequence[Collection]) -> None:
    """Refuse to start (`IndexesRefused`) when an index is missing or differs."""
    if causes := await drift(database, collections):
        raise IndexesRefused("; ".join(causes))


async def _existing(database: Database, collection: Collection) -> dict[str, Any]:
    return {index["name"]: index async for index in database[collection.name].list_indexes()}
