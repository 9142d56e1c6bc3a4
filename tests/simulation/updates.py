"""Updates as MongoDB carries them out: operators, pipelines, array filters, upserts. Pure; see `documents`."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.simulation.documents import MISSING, Document, matches, stored, value_at, with_value, without
from tests.simulation.expressions import evaluate

Update = Mapping[str, Any] | Sequence[Mapping[str, Any]]


def updated(
    document: Document,
    update: Update,
    now: datetime,
    *,
    inserting: bool = False,
    array_filters: Sequence[Mapping[str, Any]] = (),
) -> Document:
    """The document after an update; the very same one when nothing changes."""
    if not isinstance(update, Mapping):
        for stage in update:
            document = _staged(document, stage, now)
        return document
    before = document
    for op, fields in update.items():
        if op == "$setOnInsert" and not inserting:
            continue
        for name, value in fields.items():
            for path in _paths(document, name.split("."), array_filters, now):
                document = _applied(document, op, path, value)
    return before if document == before else document


def upserted(query: Mapping[str, Any], update: Update, now: datetime) -> Document:
    """The document that an upsert inserts when none matches: the filter's equalities, then the update."""
    fresh = {
        name: stored(value)
        for name, value in query.items()
        if not name.startswith("$") and not (isinstance(value, Mapping) and any(key.startswith("$") for key in value))
    }
    return updated(fresh, update, now, inserting=True)


def _staged(document: Document, stage: Mapping[str, Any], now: datetime) -> Document:
    before = document
    for op, fields in stage.items():
        if op == "$unset":
            for name in [fields] if isinstance(fields, str) else fields:
                document = without(document, name.split("."))
            continue
        if op != "$set":
            raise NotImplementedError(op)
        for name, expression in fields.items():
            value = evaluate(expression, before, now)
            document = with_value(document, name.split("."), _merged(value_at(before, name.split(".")), value))
    return document


def _merged(old: Any, new: Any) -> Any:
    """`$set` of a stage lays a document over the one that is there."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
    return stored(new)


def _paths(
    document: Any, path: Sequence[str], filters: Sequence[Mapping[str, Any]], now: datetime
) -> Iterator[Sequence[str]]:
    """Concrete paths for one with `$[]` and `$[name]`."""
    at = next((i for i, name in enumerate(path) if name.startswith("$[")), None)
    if at is None:
        yield path
        return
    elements = value_at(document, path[:at])
    if elements is MISSING:
        return
    for index, element in enumerate(elements):
        if path[at] == "$[]" or _passes(element, path[at][2:-1], filters, now):
            yield from _paths(document, [*path[:at], str(index), *path[at + 1 :]], filters, now)


def _passes(element: Any, name: str, filters: Sequence[Mapping[str, Any]], now: datetime) -> bool:
    return any(
        all(field.partition(".")[0] == name for field in wanted)
        and matches(element, {field.partition(".")[2]: value for field, value in wanted.items()}, now)
        for wanted in filters
    )


def _applied(document: Document, op: str, path: Sequence[str], value: Any) -> Document:
    old = value_at(document, path)
    match op:
        case "$set" | "$setOnInsert":
            new = stored(value)
        case "$unset":
            changed: Document = without(document, path)
            return changed
        case "$inc":
            new = (0 if old is MISSING else old) + value
        case "$max":
            new = stored(value) if old is MISSING or old < value else old
        case "$min":
            new = stored(value) if old is MISSING or old > value else old
        case "$push":
            new = _pushed([] if old is MISSING else old, value)
        case "$addToSet":
            kept = [] if old is MISSING else old
            new = kept if value in kept else [*kept, stored(value)]
        case _:
            raise NotImplementedError(op)
    result: Document = with_value(document, path, new)
    return result


def _pushed(old: list[Any], value: Any) -> list[Any]:
    if not isinstance(value, Mapping) or "$each" not in value:
        return [*old, stored(value)]
    if unknown := value.keys() - {"$each", "$slice"}:
        raise NotImplementedError(str(unknown))
    new = [*old, *stored(value["$each"])]
    limit = value.get("$slice")
    if limit is None:
        return new
    return new[limit:] if limit < 0 else new[:limit]
