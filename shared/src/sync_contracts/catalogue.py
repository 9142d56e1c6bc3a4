"""Presets, modules and their periods: data. A preset is a named set of modules; a unit is client × module × period."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct


class Module(StrEnum):
    """The smallest selectable kind of data. Values are the names in messages and in the HTTP API."""

    NOTICES = "notices"
    RETURN_REGISTER = "return_register"
    GSTR2B = "gstr2b"


class ApiFamily(StrEnum):
    """A part of a portal's interface with a rate and a gate of its own. Names of sub-documents in `upstreams`."""

    AUTH = "auth"
    PUBLIC = "public"
    RETURNS = "returns"
    NOTICES = "notices"


class ClientKind(StrEnum):
    """Registration kind with filing frequency: what decides which modules apply to a client."""

    REGULAR = "regular"
    QRMP = "qrmp"
    COMPOSITION = "composition"
    NRI_OIDAR = "nri_oidar"
    TDS_DEDUCTOR = "tds_deductor"
    TCS_OPERATOR = "tcs_operator"
    UIN = "uin"


PeriodKind = Literal["none", "fy", "month"]
DefaultPeriod = Literal["live", "current_year", "newest_published"]


class ModuleInfo(Struct, frozen=True):
    """What is known of a module before it is fetched.

    `order`: place among a client's units (cheap first). `least_calls`, `usual_calls`: portal calls per client
    and period, working values. `family`: where its calls go, beside those of its session (AUTH).
    `cooldown_s`: a result younger than this is not fetched again unless forced.
    """

    module: Module
    name: str
    short_name: str
    period_kind: PeriodKind
    default_period: DefaultPeriod
    needs_session: bool
    least_calls: int
    usual_calls: int
    freshness_target: str
    not_applicable_for: frozenset[ClientKind]
    order: int
    family: ApiFamily
    cooldown_s: int = 900
    access_form: str = "official_api"


MODULES: Final[dict[Module, ModuleInfo]] = {
    info.module: info
    for info in (
        ModuleInfo(
            Module.NOTICES,
            "Notices and orders",
            "Notices",
            "none",
            "live",
            True,
            1,
            3,
            "PT24H",
            frozenset(),
            9,
            ApiFamily.NOTICES,
        ),
        ModuleInfo(
            Module.RETURN_REGISTER,
            "Return register",
            "Register",
            "fy",
            "current_year",
            False,
            1,
            1,
            "PT24H",
            frozenset(),
            1,
            ApiFamily.PUBLIC,
        ),
        ModuleInfo(
            Module.GSTR2B,
            "GSTR-2B",
            "2B",
            "month",
            "newest_published",
            True,
            1,
            2,
            "PT24H",
            frozenset(set(ClientKind) - {ClientKind.REGULAR, ClientKind.QRMP}),
            2,
            ApiFamily.RETURNS,
        ),
    )
}
"""In the order of the columns on screen, which does not depend on the order of dispatch."""


class Preset(Struct, frozen=True):
    """A named set of modules as the Sync Bucket window offers it."""

    preset: str
    name: str
    modules: tuple[Module, ...]


PRESETS: Final[dict[str, Preset]] = {
    preset.preset: preset
    for preset in (
        Preset("notice_return_register", "Notice + Return Register", (Module.NOTICES, Module.RETURN_REGISTER)),
        Preset("only_2b", "Only 2B", (Module.GSTR2B,)),
    )
}


LIVE: Final = "-"
"""Stands for the period of live data in ids."""
LONGEST_COOLDOWN_S: Final = 86_400


def cooldowns(given: Mapping[str, int]) -> dict[str, int]:
    """Seconds by module: the given ones, the catalogue's where none is given. ValueError names what cannot be."""
    for name, seconds in given.items():
        if name not in MODULES or not 0 <= seconds <= LONGEST_COOLDOWN_S:
            raise ValueError(f"{name}: {seconds}; a module of the catalogue and 0 to {LONGEST_COOLDOWN_S} s are needed")
    return {module.value: given.get(module.value, info.cooldown_s) for module, info in MODULES.items()}


def modules_of(presets: tuple[str, ...], modules: tuple[str, ...]) -> tuple[Module, ...]:
    """The union of presets and single modules, each once, in the catalogue's order. KeyError names an unknown one."""
    chosen = {module for preset in presets for module in PRESETS[preset].modules}
    for name in modules:
        if name not in MODULES:
            raise KeyError(name)
        chosen.add(Module(name))
    return tuple(module for module in MODULES if module in chosen)
