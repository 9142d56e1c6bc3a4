"""The assumed values of the simulated portal, read from `assumptions.toml` and from nowhere else."""

import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, TypeVar

import msgspec

Value = bool | int | float | str | list[int]
T = TypeVar("T")


class Assumption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One working value with the weight of its evidence (S, S-, I, U or D; see the head of the file)."""

    value: Value
    mark: str
    evidence: str


class Assumptions:
    """Typed reads by dotted key; an unknown key is a KeyError and a wrong type a TypeError, never a default."""

    def __init__(self, entries: Mapping[str, Assumption]) -> None:
        self._entries = dict(entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def integer(self, key: str) -> int:
        return self._typed(key, int)

    def number(self, key: str) -> float:
        value = self._entries[key].value
        return float(value) if isinstance(value, int) else self._typed(key, float)

    def text(self, key: str) -> str:
        return self._typed(key, str)

    def flag(self, key: str) -> bool:
        return self._typed(key, bool)

    def integers(self, key: str) -> tuple[int, ...]:
        return tuple(self._typed(key, list))

    def items(self) -> Iterator[tuple[str, Assumption]]:
        return iter(self._entries.items())

    def _typed(self, key: str, kind: type[T]) -> T:
        value = self._entries[key].value
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise TypeError(f"{key} must be of type {kind.__name__}")
        return value


def load_assumptions(overrides: Mapping[str, Value] | None = None) -> Assumptions:
    """The file with single values replaced; an override of an unknown key is a ValueError."""
    document = tomllib.loads(files("portal_sandbox").joinpath("assumptions.toml").read_text(encoding="utf-8"))
    entries = dict(_flatten(document))
    for key, value in (overrides or {}).items():
        if key not in entries:
            raise ValueError(f"{key} is not an assumption; assumptions.toml names them all")
        entries[key] = msgspec.structs.replace(entries[key], value=value)
    return Assumptions(entries)


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Assumption]]:
    for name, inner in table.items():
        key = f"{prefix}{name}"
        if "value" in inner:
            yield key, msgspec.convert(inner, Assumption)
        else:
            yield from _flatten(inner, f"{key}.")
