"""A section of a module's data, pure: how it is asked for, read, checked against the portal's totals and kept."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from sync_contracts.outcomes import Code

from sync_worker.modules.canonical import Malformed, amount, canonical, decoded, table
from sync_worker.modules.port import Call
from sync_worker.modules.records import TAXES, Tally, tally_of


class Announced(Struct, frozen=True):
    """What the portal's own summary says of a section. `records` None: it gives no count."""

    records: int | None
    sums: Mapping[str, Decimal] = {}


class Section(Struct, frozen=True):
    """One section. `read`: the value to keep out of an answer's payload; raises `Malformed`.

    `agrees`: whether a whole value is what was announced; one that is not is read again once, then ends as
    `disagreement`. `announced`: the portal says that there is data, so an answer without any is a gap.
    """

    name: str
    call: Call
    read: Callable[[Any], Any]
    agrees: Callable[[Any], bool] = lambda _value: True
    disagreement: Code = Code.TOTALS_MISMATCH
    announced: bool = False


class FileToken(Struct, frozen=True):
    """The portal lays an answer down as files. `est_min`: when it expects to be ready, None when it did not say."""

    token: str
    est_min: int | None


MAX_TOKEN_CHARS: Final = 200


def file_token(payload: object) -> FileToken | None:
    """The token in an answer that came instead of data; raises `Malformed`."""
    if not isinstance(payload, dict) or "token" not in payload:
        return None
    token, est = payload["token"], payload.get("est")
    if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_CHARS or not _is_word(token):
        raise Malformed("a file's token is no short word")
    minutes = None if est in (None, "") else int(amount(est))
    return FileToken(token, None if minutes is None else min(max(minutes, 0), 24 * 60))


class Kept(Struct, frozen=True):
    """A value that an earlier attempt kept. None: the portal had said that there is nothing."""

    value: Any


def keeping(value: Any, now_ms: int) -> bytes:
    """What is kept of a section or of one of its files; `kept_value` reads it."""
    return canonical({"at": now_ms, "value": value})


def kept_value(stored: bytes, not_before_ms: int) -> Kept | None:
    """What an earlier attempt kept; None when it is older. Raises `Malformed`."""
    part = table(decoded(stored), "part")
    if "value" not in part:
        raise Malformed("a part without a value")
    return Kept(part["value"]) if int(amount(part.get("at"))) >= not_before_ms else None


def joined(values: list[Any]) -> Any:
    """One value out of the files of a section."""
    if all(isinstance(value, list) for value in values):
        return [row for value in values for row in value]
    if len(values) != 1:
        raise Malformed("files of a section that is no list")
    return values[0]


def agreement(announced: Announced) -> Callable[[Any], bool]:
    """Whether a section has as many records, and the same sums of what its records state, as the portal says."""
    return lambda value: agree(tally_of(value), announced)


def agree(ours: Tally, announced: Announced) -> bool:
    """Values are compared where both sides state them, taxes wherever the portal does: none stated is none."""
    if announced.records is not None and announced.records != ours.records:
        return False
    sums = {**dict.fromkeys(TAXES, Decimal(0)), **ours.sums}
    return all(sums[head] == stated for head, stated in announced.sums.items() if head in sums)


def identified(payload: object, *, gstin: str, period: str | None = None, required: bool = False) -> dict[str, Any]:
    """An answer that belongs to the registration and the month (`MMYYYY`) asked for; raises `Malformed` for others.

    `required`: an answer that does not say whose it is, is not taken either.
    """
    body = table(payload, "answer")
    owner, month = _first(body, ("gstin", "gstn", "rtin")), _first(body, ("ret_period", "rtnprd", "fp", "rtn_prd"))
    if (required and owner is None) or owner not in {None, gstin}:
        raise Malformed("the answer belongs to another registration")
    if period is not None and ((required and month is None) or month not in {None, period}):
        raise Malformed("the answer belongs to another period")
    return body


def _first(body: Mapping[str, Any], names: tuple[str, ...]) -> object:
    found = next((body[name] for name in names if name in body), None)
    return found if found is None or isinstance(found, str) else canonical(found)


def _is_word(token: str) -> bool:
    return token.isascii() and token.isprintable() and not set(token) & set(' ,|"\\')
