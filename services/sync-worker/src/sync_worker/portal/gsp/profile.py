"""A GSP's way of speaking as data: paths, headers, parameters, versions, error fields; requests are built from it."""

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import msgspec
from msgspec import Struct
from sync_contracts.catalogue import ApiFamily

from sync_worker.portal.gsp.error_table import Surface

_TEMPLATE: Final = re.compile(r"\{(?P<name>\w+)(?:\|(?P<form>[a-z/]+))?(?P<optional>\?)?\}")

_FORMS: Final[Mapping[str, Callable[[str], str]]] = {
    "mmyyyy": lambda month: month[5:7] + month[:4],
    "dd/mm/yyyy": lambda day: f"{day[8:10]}/{day[5:7]}/{day[:4]}",
    "lower": str.lower,
}
"""From `2026-10`, `2026-10-31` and `B2B`, the forms inside the product, to the portal's."""


class Action(Struct, frozen=True, forbid_unknown_fields=True):
    """One logical action: where it goes and which values it carries (templates).

    `family`: rows of the error table that fit it; `api`: the API family whose rate and gate it falls under;
    `offers`: the sections that this GSP has, None for all; `archive`: the answer is an archive, where a link says.
    """

    surface: Surface
    family: str
    api: ApiFamily
    path: str
    headers: str
    method: Literal["GET", "POST"] = "GET"
    query: Mapping[str, str] = {}
    body: Mapping[str, str] | None = None
    offers: frozenset[str] | None = None
    archive: bool = False

    def has(self, section: str | None) -> bool:
        """Whether the GSP offers the call for a section."""
        return self.offers is None or section in self.offers


class Profile(Struct, frozen=True, forbid_unknown_fields=True):
    """All that differs between GSPs. Times in the unit of their name."""

    name: str
    style: Literal["passthrough", "managed"]
    code_fields: tuple[str, ...]
    throttle_codes: frozenset[str]
    otp_expired_codes: frozenset[str]
    session_life_min: int
    otp_life_s: int
    otp_attempts: int
    public_answer: Literal["plain", "base64_data"]
    public_token: bool
    headers: Mapping[str, Mapping[str, str]]
    action: Mapping[str, Action]
    certificate_path: str | None = None
    vendor: str | None = None


class Question(Struct, frozen=True):
    """One HTTP request before it is sent; paths are relative to the line's address. It holds secrets: never log it."""

    action: str
    method: Literal["GET", "POST"]
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Mapping[str, str] | None


class MissingValue(Exception):
    """A template asks for a value that the caller did not give: a mistake of ours. Names only the value."""

    log_safe = True


def question(profile: Profile, action: str, values: Mapping[str, str]) -> Question:
    """Fill the templates of an action; raises `MissingValue` and, for an action the profile lacks, `KeyError`."""
    spec = profile.action[action]
    return Question(
        action=action,
        method=spec.method,
        path="/".join(_required(segment, values) for segment in spec.path.split("/")),
        query=_filled(spec.query, values),
        headers=_filled(profile.headers[spec.headers], values),
        body=None if spec.body is None else _filled(spec.body, values),
    )


@cache
def load_profile(name: str) -> Profile:
    """A profile shipped with this package, by the name of its file."""
    text = files(__package__).joinpath("profiles", f"{name}.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Profile)


def _required(template: str, values: Mapping[str, str]) -> str:
    return _value(template, values) or ""


def _filled(templates: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    pairs = ((key, _value(template, values)) for key, template in templates.items())
    return {key: value for key, value in pairs if value is not None}


def _value(template: str, values: Mapping[str, str]) -> str | None:
    match = _TEMPLATE.fullmatch(template)
    if match is None:
        return template
    value = values.get(match["name"])
    if value is None:
        if match["optional"]:
            return None
        raise MissingValue(f"no value for {match['name']}")
    return _FORMS[match["form"]](value) if match["form"] else value
