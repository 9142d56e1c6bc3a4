"""Messages and pages of the raw pipeline, as large as the product's."""

from typing import Any, Final

import msgspec
from msgspec import Struct

CLIENTS_PER_PAGE: Final = 100
COLUMNS: Final = 5
UNITS_PER_PAGE: Final = CLIENTS_PER_PAGE * COLUMNS

Document = dict[str, Any]


class Command(Struct):
    """As large as the product's command."""

    tenant: str
    bucket: str
    client: str
    page: int
    ci: int
    mi: int
    attempt: int
    module: str
    params: dict[str, str]
    shard: int
    issued_at: int
    v: int = 1


class Ended(Struct, tag_field="type", tag="SUCCEEDED"):
    """As large as the product's event of one unit."""

    tenant: str
    bucket: str
    page: int
    ci: int
    mi: int
    attempt: int
    code: str = "EMPTY"
    v: int = 1


class Marked(Struct, tag_field="type", tag="DISPATCHED"):
    """One event for the commands of a page that were sent together."""

    tenant: str
    bucket: str
    page: int
    units: list[tuple[int, int, int]]
    v: int = 1


Event = Ended | Marked
encode = msgspec.json.Encoder().encode
decode_command = msgspec.json.Decoder(Command).decode
decode_event = msgspec.json.Decoder(Event).decode
BUCKET: Final = "b_00000000000000000000000000000000"
TENANT: Final = "t_raw"


def page_documents(units: int) -> list[Document]:
    """Pages as large as the product's, every unit waiting."""
    return [
        {
            "_id": page_id(number),
            "v": 0,
            "left": UNITS_PER_PAGE,
            "c": [_row(number, ci) for ci in range(CLIENTS_PER_PAGE)],
        }
        for number in range(units // UNITS_PER_PAGE)
    ]


def page_id(number: int) -> str:
    """Document id of a page."""
    return f"{BUCKET}:{number:05d}"


def _row(number: int, ci: int) -> Document:
    return {"id": _client(number, ci), "m": [{"s": "W", "a": 0, "f": 0, "t": 0} for _ in range(COLUMNS)]}


def _client(number: int, ci: int) -> str:
    return f"c_{number * CLIENTS_PER_PAGE + ci:016d}"
