"""The error table: (surface, action family, code, HTTP status) -> outcome class. Versioned data, read once."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import msgspec
from msgspec import Struct
from sync_contracts.outcomes import OutcomeClass

Surface = Literal["taxpayer_auth", "taxpayer", "public", "file"]

_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,24}")


class CodeRow(Struct, frozen=True, forbid_unknown_fields=True):
    """What codes mean; an absent `surface`, `family` or `vendor` fits any."""

    codes: tuple[str, ...]
    outcome: OutcomeClass
    surface: Surface | None = None
    family: str | None = None
    vendor: str | None = None
    mark: str = "S"


class TextRow(Struct, frozen=True, forbid_unknown_fields=True):
    """Words in a body without a code."""

    marks: tuple[str, ...]
    outcome: OutcomeClass


class HttpRow(Struct, frozen=True, forbid_unknown_fields=True):
    """HTTP statuses of an answer without a known code; an absent `surface` fits any."""

    status: tuple[int, ...]
    outcome: OutcomeClass
    surface: Surface | None = None
    mark: str = "S"


class _Document(Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    row: tuple[CodeRow, ...]
    text: tuple[TextRow, ...]
    http: tuple[HttpRow, ...]


class ErrorTable:
    """Classifies refusals; the most narrow row wins, and what nothing fits is UNKNOWN."""

    def __init__(self, document: _Document) -> None:
        self.version = document.version
        self.rows = document.row
        self._texts = document.text
        self._by_code: dict[str, list[CodeRow]] = {}
        for row in sorted(document.row, key=_narrowness, reverse=True):
            for code in row.codes:
                self._by_code.setdefault(code, []).append(row)
        self._by_http: Mapping[tuple[Surface | None, int], OutcomeClass] = {
            (row.surface, status): row.outcome for row in document.http for status in row.status
        }

    def outcome(
        self, *, surface: Surface, family: str, code: str | None, http: int, vendor: str | None = None
    ) -> OutcomeClass:
        """The class of a refusal with a code; the HTTP status decides where the code is absent or unknown."""
        for row in self._by_code.get(code or "", ()):
            if row.surface in {None, surface} and row.family in {None, family} and row.vendor in {None, vendor}:
                return row.outcome
        of_any = self._by_http.get((None, http), OutcomeClass.UNKNOWN)
        return self._by_http.get((surface, http), of_any)

    def outcome_of_text(self, text: str) -> OutcomeClass | None:
        """The class of a refusal that is no JSON, by the words in it."""
        for row in self._texts:
            if any(mark in text for mark in row.marks):
                return row.outcome
        return None


def quotable(code: object) -> str | None:
    """A portal's code as it may go into events and logs: short and plain, else None."""
    text = str(code) if isinstance(code, str | int) and not isinstance(code, bool) else ""
    return text if _CODE.fullmatch(text) else None


@cache
def error_table() -> ErrorTable:
    """The table shipped with this package."""
    text = files(__package__).joinpath("error_table.toml").read_text("utf-8")
    return ErrorTable(msgspec.convert(tomllib.loads(text), _Document))


def _narrowness(row: CodeRow) -> int:
    return sum(part is not None for part in (row.surface, row.family, row.vendor))
