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
    GSTR3B = "gstr3b"
    LEDGERS = "ledgers"
    GSTR1 = "gstr1"
    GSTR1A = "gstr1a"
    IMS = "ims"
    GSTR2A = "gstr2a"


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


FIRST_1A: Final = "2024-07"
"""The first month that a GSTR-1A can belong to."""
PeriodKind = Literal["none", "fy", "month"]
DefaultPeriod = Literal["live", "current_year", "newest_published", "last_ended", "month_before"]
"""`last_ended`: the month before, for quarterly filers the last month of the last ended quarter; `month_before`: the
month before for everybody."""


class ModuleInfo(Struct, frozen=True):
    """What is known of a module before it is fetched.

    `order`: place among a client's units (cheap first). `least_calls`, `usual_calls`: portal calls per client
    and period, working values. `family`: where its calls go, beside those of its session (AUTH).
    `cooldown_s`: a result younger than this is not fetched again unless forced. `quarterly`: whether quarterly filers
    have it for the last month of a quarter only, or for others too where these are chosen by name;
    `ends_with_registration`: nothing of it is left once that is cancelled.
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
    quarterly: Literal["no", "unless_chosen", "yes"] = "no"
    ends_with_registration: bool = False


_NON_FILERS: Final = frozenset(set(ClientKind) - {ClientKind.REGULAR, ClientKind.QRMP})
"""Kinds of registration that file no GSTR-1 and GSTR-3B, so that nothing that belongs to these exists for them."""


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
            _NON_FILERS,
            2,
            ApiFamily.RETURNS,
            quarterly="yes",
        ),
        ModuleInfo(
            Module.GSTR3B,
            "GSTR-3B",
            "3B",
            "month",
            "last_ended",
            True,
            2,
            2,
            "P7D",
            _NON_FILERS,
            6,
            ApiFamily.RETURNS,
            quarterly="yes",
        ),
        ModuleInfo(
            Module.LEDGERS,
            "Cash, credit and liability ledgers",
            "Ledgers",
            "fy",
            "current_year",
            True,
            4,
            4,
            "PT24H",
            frozenset({ClientKind.UIN}),
            7,
            ApiFamily.RETURNS,
        ),
        ModuleInfo(
            Module.GSTR1,
            "GSTR-1",
            "R1",
            "month",
            "last_ended",
            True,
            1,
            7,
            "P7D",
            _NON_FILERS,
            4,
            ApiFamily.RETURNS,
            quarterly="unless_chosen",
        ),
        ModuleInfo(
            Module.GSTR1A,
            "GSTR-1A",
            "R1A",
            "month",
            "last_ended",
            True,
            1,
            1,
            "P7D",
            _NON_FILERS,
            5,
            ApiFamily.RETURNS,
            quarterly="yes",
        ),
        ModuleInfo(
            Module.IMS,
            "Invoice Management System",
            "IMS",
            "none",
            "live",
            True,
            1,
            5,
            "PT24H",
            _NON_FILERS,
            3,
            ApiFamily.RETURNS,
            ends_with_registration=True,
        ),
        ModuleInfo(
            Module.GSTR2A,
            "GSTR-2A",
            "2A",
            "month",
            "month_before",
            True,
            7,
            14,
            "P7D",
            _NON_FILERS,
            8,
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
        Preset("gstr3b_ledgers", "3B + ledgers", (Module.GSTR3B, Module.LEDGERS)),
        Preset("r1_r1a", "R1 + R1A", (Module.GSTR1, Module.GSTR1A)),
        Preset("ims_2a", "IMS + 2A", (Module.IMS, Module.GSTR2A)),
        Preset("all", "ALL", tuple(Module)),
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
