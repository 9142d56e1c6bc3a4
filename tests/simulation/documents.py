"""Documents as MongoDB matches, changes and projects them: the part of its language that the product uses. Pure.

A document is never changed in place: an update makes a new one that shares what did not change, so an image once read,
or kept for a roll-back, stays as it was. What is not known here raises `NotImplementedError`.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from tests.simulation.expressions import evaluate

Document = dict[str, Any]
MISSING: Any = object()

_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "$lt": operator.lt,
    "$lte": operator.le,
    "$gt": operator.gt,
    "$gte": operator.ge,
}


def stored(value: Any) -> Any:
    """The value as the database keeps it: lists for sequences, milliseconds, plain strings; nothing shared."""
    if isinstance(value, Mapping):
        return {str(key): stored(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [stored(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value


def matches(document: Mapping[str, Any], query: Mapping[str, Any], now: datetime) -> bool:
    """Whether a document fits a filter."""
    for name, wanted in query.items():
        match name:
            case "$and":
                fits = all(matches(document, part, now) for part in wanted)
            case "$or":
                fits = any(matches(document, part, now) for part in wanted)
            case "$expr":
                fits = bool(evaluate(wanted, document, now))
            case _:
                fits = _field_fits(document, name, wanted)
        if not fits:
            return False
    return True


def found_at(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """Every value at a path; a list on the way stands for each of its elements."""
    if not path:
        yield value
    elif isinstance(value, Mapping):
        if path[0] in value:
            yield from found_at(value[path[0]], path[1:])
    elif isinstance(value, list):
        for element in value:
            if isinstance(element, Mapping):
                yield from found_at(element, path)


def _field_fits(document: Mapping[str, Any], name: str, wanted: Any) -> bool:
    if name in document and not isinstance(document[name], list) and not isinstance(wanted, Mapping):
        return bool(document[name] == wanted)
    leaves = list(found_at(document, name.split(".")))
    if not _is_operators(wanted):
        return _equals(leaves, wanted)
    return all(_operator_fits(leaves, op, operand) for op, operand in wanted.items())


def _is_operators(wanted: Any) -> bool:
    return isinstance(wanted, Mapping) and bool(wanted) and all(str(key).startswith("$") for key in wanted)


def _candidates(leaves: Iterable[Any]) -> Iterator[Any]:
    for leaf in leaves:
        yield leaf
        if isinstance(leaf, list):
            yield from leaf


def _equals(leaves: Sequence[Any], wanted: Any) -> bool:
    if wanted is None and not leaves:
        return True
    return any(candidate == wanted for candidate in _candidates(leaves))


def _operator_fits(leaves: Sequence[Any], op: str, operand: Any) -> bool:
    if op in _ORDERED:
        return any(_compares(candidate, operand, _ORDERED[op]) for candidate in _candidates(leaves))
    if op not in _TESTS:
        raise NotImplementedError(op)
    return _TESTS[op](leaves, operand)


def _has_element(leaves: Sequence[Any], wanted: Mapping[str, Any]) -> bool:
    elements = [element for leaf in leaves if isinstance(leaf, list) for element in leaf]
    return any(matches(element, wanted, NEVER) for element in elements if isinstance(element, Mapping))


_TESTS: Mapping[str, Callable[[Sequence[Any], Any], bool]] = {
    "$eq": _equals,
    "$ne": lambda leaves, operand: not _equals(leaves, operand),
    "$in": lambda leaves, operand: any(_equals(leaves, one) for one in operand),
    "$nin": lambda leaves, operand: not any(_equals(leaves, one) for one in operand),
    "$exists": lambda leaves, operand: bool(leaves) == bool(operand),
    "$not": lambda leaves, operand: not all(_operator_fits(leaves, op, value) for op, value in operand.items()),
    "$elemMatch": _has_element,
}


def _compares(value: Any, operand: Any, order: Callable[[Any, Any], bool]) -> bool:
    """Only values of one kind are ordered."""
    numbers = isinstance(value, int | float) and isinstance(operand, int | float)
    return (numbers or type(value) is type(operand)) and order(value, operand)


NEVER = datetime.min  # noqa: DTZ901 - no expression is evaluated inside of an element


def projected(document: Document, fields: Any) -> Document:
    """The document with the fields asked for: a list or a mapping of 1, of 0, or with `$slice`."""
    if fields is None:
        return document
    wanted: Mapping[str, Any] = fields if isinstance(fields, Mapping) else dict.fromkeys(fields, 1)
    slices = {name: value["$slice"] for name, value in wanted.items() if isinstance(value, Mapping)}
    plain = {name: value for name, value in wanted.items() if name not in slices}
    if any(plain.values()):
        result = _included(document, [name for name, value in plain.items() if value and name != "_id"])
        if plain.get("_id", 1) and "_id" in document:
            result["_id"] = document["_id"]
    else:
        result = document
        for name in plain:
            result = without(result, name.split("."))
    for name, (start, length) in slices.items():
        result = {**result, name: document[name][start : start + length]}
    return result


def _included(document: Mapping[str, Any], names: Iterable[str]) -> Document:
    result: Document = {}
    nested: dict[str, list[str]] = {}
    for name in names:
        head, _, rest = name.partition(".")
        if head not in document:
            continue
        if rest:
            nested.setdefault(head, []).append(rest)
        else:
            result[head] = document[head]
    for head, rests in nested.items():
        value = document[head]
        if isinstance(value, list):
            result[head] = [_included(element, rests) for element in value if isinstance(element, Mapping)]
        elif isinstance(value, Mapping):
            result[head] = _included(value, rests)
    return result


def with_value(node: Any, path: Sequence[str], value: Any) -> Any:
    """The node with the value at a path; missing documents on the way are made."""
    if not path:
        return value
    if isinstance(node, list):
        at = int(path[0])
        return [*node[:at], with_value(node[at], path[1:], value), *node[at + 1 :]]
    inner = {} if node is MISSING or node is None else node
    return {**inner, path[0]: with_value(inner.get(path[0], MISSING), path[1:], value)}


def without(node: Any, path: Sequence[str]) -> Any:
    """The node without what lies at a path."""
    if isinstance(node, list):
        if path[0].isdigit():
            return [without(item, path[1:]) if i == int(path[0]) else item for i, item in enumerate(node)]
        return [without(item, path) for item in node]
    if not isinstance(node, Mapping) or path[0] not in node:
        return node
    if len(path) == 1:
        return {key: value for key, value in node.items() if key != path[0]}
    return {**node, path[0]: without(node[path[0]], path[1:])}


def value_at(node: Any, path: Sequence[str]) -> Any:
    """The value at a path of names and indexes, or MISSING."""
    for name in path:
        if isinstance(node, list):
            if not name.isdigit() or int(name) >= len(node):
                return MISSING
            node = node[int(name)]
        elif isinstance(node, Mapping) and name in node:
            node = node[name]
        else:
            return MISSING
    return node


def named(images: Mapping[Any, Document], query: Mapping[str, Any]) -> Iterable[Document]:
    """The documents that may match: those whose ids are named, or all."""
    wanted = query.get("_id")
    if isinstance(wanted, str):
        return [images[wanted]] if wanted in images else []
    if isinstance(wanted, Mapping) and "$in" in wanted:
        return [images[one] for one in dict.fromkeys(wanted["$in"]) if one in images]
    return list(images.values())
