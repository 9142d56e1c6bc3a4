"""One client as somebody enters it, in a file or by the API: the same checks for both. Pure."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final, Literal, get_args

from msgspec import Struct
from sync_contracts.documents import ClientDocument
from sync_contracts.lines import DEFAULT_LINE

from bucket_api.clients.identifiers import FilingFrequency, Gstin, Wrong, gstin, kind_of
from bucket_api.refusal import FieldError

NAME_LENGTH: Final = 200
TAG_LENGTH: Final = 40
TAGS: Final = 20
USERNAME_LENGTH: Final = 60

Status = Literal["active", "inactive", "archived"]
RegistrationStatus = Literal["active", "cancelled", "suspended", "unknown"]

_EMAIL: Final = re.compile(r"[^\s@]{1,64}@[^\s@.]+(\.[^\s@.]+)+")
_MOBILE: Final = re.compile(r"(\+91)?[6-9][0-9]{9}")
_USERNAME: Final = re.compile(r"[A-Za-z0-9_.@-]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "filing_frequency": get_args(FilingFrequency),
    "status": get_args(Status),
    "registration_status": get_args(RegistrationStatus),
}


class Draft(Struct, frozen=True):
    """Checked values by field, only those that were given. `username` is never part of `values`."""

    gstin: Gstin
    values: Mapping[str, Any]
    username: str | None


def draft_of(cells: Mapping[str, str], tags: tuple[str, ...]) -> Draft | list[FieldError]:
    """The draft in text cells (blank = not given), or what is wrong with each."""
    number = gstin(cells.get("gstin", ""))
    errors = list(_errors(cells, tags, number))
    if errors or isinstance(number, Wrong):
        return errors
    values: dict[str, Any] = {name: text for name, text in cells.items() if name not in ("gstin", "portal_username")}
    if tags:
        values["tags"] = sorted(set(tags))
    return Draft(number, values, cells.get("portal_username"))


def _errors(cells: Mapping[str, str], tags: tuple[str, ...], number: Gstin | Wrong) -> Iterator[FieldError]:
    if not cells.get("gstin"):
        yield FieldError("gstin", "required", "A GSTIN is needed.")
    elif isinstance(number, Wrong):
        yield FieldError("gstin", "gstin_invalid", number.detail)
    if not cells.get("name"):
        yield FieldError("name", "required", "A name is needed.")
    yield from _text_errors(cells)
    yield from _reachability(cells)
    yield from _tag_errors(tags)


def _text_errors(cells: Mapping[str, str]) -> Iterator[FieldError]:
    for name, text in cells.items():
        if name in ("name", "trade_name") and len(text) > NAME_LENGTH:
            yield FieldError(name, "too_long", f"At most {NAME_LENGTH} characters.")
        if _CONTROL.search(text):
            yield FieldError(name, "invalid", "Control characters are not allowed.")
        if name in _CHOICES and text not in _CHOICES[name]:
            yield FieldError(name, "unknown_value", f"One of {', '.join(_CHOICES[name])}.")


def _reachability(cells: Mapping[str, str]) -> Iterator[FieldError]:
    """Addresses, the portal's user name and the day of cancellation."""
    if (email := cells.get("email")) and (len(email) > NAME_LENGTH or not _EMAIL.fullmatch(email)):
        yield FieldError("email", "email_invalid", "This is no e-mail address.")
    if (mobile := cells.get("mobile")) and not _MOBILE.fullmatch(mobile.replace(" ", "")):
        yield FieldError("mobile", "mobile_invalid", "Ten digits, with or without +91.")
    if (username := cells.get("portal_username")) and not username_fits(username):
        yield FieldError("portal_username", "invalid", f"Letters, digits and . _ @ -, at most {USERNAME_LENGTH}.")
    if (day := cells.get("cancelled_on")) and not _is_date(day):
        yield FieldError("cancelled_on", "invalid", "A date as 2026-11-23.")


def _tag_errors(tags: tuple[str, ...]) -> Iterator[FieldError]:
    if len(tags) > TAGS:
        yield FieldError("tags", "too_many", f"At most {TAGS} tags.")
    if any(len(tag) > TAG_LENGTH for tag in tags):
        yield FieldError("tags", "too_long", f"At most {TAG_LENGTH} characters a tag.")


def username_fits(username: str) -> bool:
    """Whether a text can be a user name at the portal."""
    return len(username) <= USERNAME_LENGTH and _USERNAME.fullmatch(username) is not None


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def new_client(client_id: str, tenant_id: str, draft: Draft, now: datetime) -> ClientDocument:
    """The client that a draft makes."""
    given = draft.values
    frequency: FilingFrequency = given.get("filing_frequency", "unknown")
    return ClientDocument(
        _id=client_id,
        tenant_id=tenant_id,
        gstin=draft.gstin.text,
        name=given["name"],
        trade_name=given.get("trade_name"),
        state_code=draft.gstin.state_code,
        filing_frequency=frequency,
        kind=kind_of(draft.gstin, frequency).value,
        registration_status=given.get("registration_status", "active"),
        cancelled_on=given.get("cancelled_on"),
        status=given.get("status", "active"),
        tags=list(given.get("tags", [])),
        email=given.get("email"),
        mobile=given.get("mobile"),
        line_id=DEFAULT_LINE,
        created_at=now,
        updated_at=now,
        etag=1,
    )


def changes_to(existing: Mapping[str, Any], draft: Draft) -> dict[str, Any]:
    """Fields of a stored client that the draft changes; fields that were not given stay as they are."""
    wanted = dict(draft.values)
    if "filing_frequency" in wanted:
        wanted["kind"] = kind_of(draft.gstin, wanted["filing_frequency"]).value
    return {name: value for name, value in wanted.items() if existing.get(name) != value}
