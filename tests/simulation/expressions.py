"""Aggregation expressions that the product uses, evaluated on a document. Pure."""

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$lt": operator.lt,
    "$lte": operator.le,
    "$gt": operator.gt,
    "$gte": operator.ge,
}


def evaluate(expression: Any, document: Mapping[str, Any], now: datetime) -> Any:
    """The value of an expression; a missing field is None."""
    if isinstance(expression, str) and expression.startswith("$$"):
        if expression != "$$NOW":
            raise NotImplementedError(expression)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)
    if isinstance(expression, str) and expression.startswith("$"):
        return _field(document, expression[1:].split("."))
    if isinstance(expression, Mapping):
        names = list(expression)
        if len(names) == 1 and names[0].startswith("$"):
            return _operation(names[0], expression[names[0]], document, now)
        return {name: evaluate(value, document, now) for name, value in expression.items()}
    return expression


def _field(document: Any, path: Sequence[str]) -> Any:
    for name in path:
        if not isinstance(document, Mapping) or name not in document:
            return None
        document = document[name]
    return document


def _operation(name: str, operand: Any, document: Mapping[str, Any], now: datetime) -> Any:
    if name == "$literal":
        return operand
    if name == "$cond":
        test, then, otherwise = operand if isinstance(operand, list) else operand.values()
        return evaluate(then if evaluate(test, document, now) else otherwise, document, now)
    parts = operand if isinstance(operand, list | tuple) else [operand]
    values = [evaluate(part, document, now) for part in parts]
    if name in _COMPARISONS:
        left, right = values
        return _compared(name, left, right)
    if name not in _OPERATIONS:
        raise NotImplementedError(name)
    return _OPERATIONS[name](values)


def _compared(name: str, left: Any, right: Any) -> bool:
    """What is missing is less than everything that is there."""
    if name in {"$eq", "$ne"}:
        return _COMPARISONS[name](left, right)
    if left is None or right is None:
        return _COMPARISONS[name](left is not None, right is not None)
    return _COMPARISONS[name](left, right)


def _added(left: Any, right: Any) -> Any:
    if isinstance(left, datetime):
        return left + timedelta(milliseconds=right)
    return right + timedelta(milliseconds=left) if isinstance(right, datetime) else left + right


def _subtracted(left: Any, right: Any) -> Any:
    if isinstance(left, datetime) and isinstance(right, datetime):
        return (left - right) / timedelta(milliseconds=1)
    return left - timedelta(milliseconds=right) if isinstance(left, datetime) else left - right


_OPERATIONS: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "$and": all,
    "$or": any,
    "$not": lambda values: not values[0],
    "$ifNull": lambda values: next((value for value in values if value is not None), None),
    "$add": lambda values: reduce(_added, values),
    "$subtract": lambda values: _subtracted(*values),
    "$multiply": lambda values: reduce(operator.mul, values),
    "$divide": lambda values: values[0] / values[1],
    "$max": lambda values: max(value for value in values if value is not None),
    "$min": lambda values: min(value for value in values if value is not None),
}
