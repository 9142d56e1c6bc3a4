"""From a selection to the units of a bucket: columns, rows, and units that are final before they begin. Pure.

Rows stand in the order of names, then ids. A column is a module at a period. Every client has a unit in every column:
where a module does not apply, or the client is not ready, the unit is born final, so pages stay rectangular.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final, Literal

from msgspec import Struct
from sync_contracts.catalogue import FIRST_1A, MODULES, ClientKind, Module, ModuleInfo
from sync_contracts.outcomes import Code
from sync_contracts.units import FAILED, SUCCEEDED, Unit

from bucket_api.buckets import periods
from bucket_api.refusal import FieldError, Refusal

MAX_CLIENTS: Final = 10_000
MAX_MODULES: Final = 10
MAX_MONTHS: Final = 24
MAX_COLUMNS: Final = 60
MAX_UNITS: Final = 100_000

PeriodRule = Literal["default", "months", "financial_year"]


class PlanClient(Struct, frozen=True):
    """A client. `cancelled_on`: month of the cancellation; `guarded`: stopped by the log-in guard.

    `suspended`: modules that a schedule leaves out for it, sorted.
    """

    id: str
    name: str
    kind: ClientKind
    active: bool
    cancelled_on: str | None
    has_access: bool
    guarded: bool
    suspended: tuple[str, ...] = ()

    @property
    def trait(self) -> "Trait":
        """What decides how the client's units are born; clients of one trait have equal rows."""
        return (self.kind, self.active, self.cancelled_on, self.has_access, self.guarded, self.suspended)


Trait = tuple[ClientKind, bool, str | None, bool, bool, tuple[str, ...]]


class Period(Struct, frozen=True):
    """Which periods are asked for."""

    rule: PeriodRule = "default"
    months: tuple[str, ...] = ()
    financial_year: str | None = None


class Column(Struct, frozen=True):
    """One module at one period."""

    module: Module
    period: str | None


class Plan(Struct, frozen=True):
    """The evaluated plan. `births`: for each trait among the clients the units of its row, in column order."""

    columns: tuple[Column, ...]
    clients: tuple[PlanClient, ...]
    births: Mapping[Trait, tuple[Unit, ...]]


def plan(clients: Iterable[PlanClient], modules: Sequence[Module], period: Period, *, today: date, now_ms: int) -> Plan:
    """The plan of a bucket. Raises `Refusal` beyond the limits or for a period that cannot be asked for."""
    rows = tuple(sorted(clients, key=lambda client: (client.name, client.id)))
    if not rows:
        raise Refusal("selection_empty")
    if len(rows) > MAX_CLIENTS:
        raise _too_many("/selection", f"{len(rows)} clients are selected; at most {MAX_CLIENTS}.")
    asked = columns(modules, period, frozenset(row.kind for row in rows), today)
    births = {trait: _births(trait, asked, period.rule, today, now_ms) for trait in {row.trait for row in rows}}
    _check_units(rows, births)
    return Plan(asked, rows, births)


def columns(modules: Sequence[Module], period: Period, kinds: frozenset[ClientKind], today: date) -> tuple[Column, ...]:
    """The columns in the catalogue's order, periods oldest first."""
    if not modules:
        raise Refusal("modules_empty")
    asked = tuple(
        Column(module, at) for module in MODULES if module in modules for at in _periods(module, period, kinds, today)
    )
    if len(asked) > MAX_COLUMNS:
        raise _too_many("/period", f"{len(asked)} columns; at most {MAX_COLUMNS}.")
    return asked


def _periods(module: Module, period: Period, kinds: frozenset[ClientKind], today: date) -> list[str | None]:
    """A module that is not by month has one column, whatever the number of months."""
    info = MODULES[module]
    applicable = sorted(kinds - info.not_applicable_for)
    match (period.rule, info.period_kind):
        case ("months", "month"):
            return [_checked_month(module, month, place, today) for place, month in enumerate(_months(period))]
        case ("financial_year", "fy"):
            return [_checked_year(period, today)]
        case ("financial_year", "month"):
            months = periods.months_of_year(_checked_year(period, today), periods.newest_month(module, today))
            return [month for month in months if month >= periods.first_month(module)] or _no_month(period)
        case _:
            return periods.default_periods(module, applicable, today)


def _months(period: Period) -> list[str]:
    months = sorted(set(period.months))
    if not months:
        raise _period_invalid("/period/months", "At least one month is needed.")
    if len(months) > MAX_MONTHS:
        raise _too_many("/period/months", f"{len(months)} months; at most {MAX_MONTHS}.")
    return months


def _checked_month(module: Module, month: str, place: int, today: date) -> str:
    first = periods.first_month(module)
    if not first <= month <= f"{today:%Y-%m}":
        raise _period_invalid(f"/period/months/{place}", f"{month} is in the future, or before {first}.")
    return month


def _checked_year(period: Period, today: date) -> str:
    year = period.financial_year
    if year is None or not periods.is_financial_year(year):
        raise _period_invalid("/period/financial_year", "A year as 2026-27 is needed.")
    if not "2017-18" <= year <= periods.financial_year(today):
        raise _period_invalid("/period/financial_year", f"{year} is in the future, or before 2017-18.")
    return year


def _no_month(period: Period) -> list[str | None]:
    raise _period_invalid("/period/financial_year", f"No month of {period.financial_year} is published.")


def _births(trait: Trait, asked: Sequence[Column], rule: PeriodRule, today: date, now_ms: int) -> tuple[Unit, ...]:
    return tuple(_birth(trait, column, rule, today, now_ms) for column in asked)


def _birth(trait: Trait, column: Column, rule: PeriodRule, today: date, now_ms: int) -> Unit:
    """The unit of a client at a column: waiting, or final when nothing can come of it."""
    kind, active, cancelled_on, has_access, guarded, suspended = trait
    if not applies(kind, cancelled_on, column, is_chosen=rule == "months") or (
        rule == "default" and column.period != periods.default_period(column.module, kind, today)
    ):
        return Unit(SUCCEEDED, t=now_ms, e=Code.NOT_APPLICABLE.value)
    needs_session = MODULES[column.module].needs_session
    if not active:
        return Unit(FAILED, t=now_ms, e=Code.CLIENT_INACTIVE.value)
    if needs_session and not has_access:
        return Unit(FAILED, t=now_ms, e=Code.NO_ACCESS.value)
    if needs_session and guarded:
        return Unit(FAILED, t=now_ms, e=Code.LOGIN_GUARD.value)
    if column.module in suspended:
        return Unit(FAILED, t=now_ms, e=Code.SUSPENDED.value)
    return Unit(t=now_ms)


def applies(kind: ClientKind, cancelled_on: str | None, column: Column, *, is_chosen: bool = True) -> bool:
    """Whether a module exists for a kind of registration at a period. `is_chosen`: the month was chosen by name.

    Quarterly filers have most returns for the last month of a quarter only; a cancelled registration has periods up to
    the month of its cancellation, and no live invoices. Registers, ledgers and notices stay for everybody.
    """
    info = MODULES[column.module]
    if kind in info.not_applicable_for or (cancelled_on is not None and info.ends_with_registration):
        return False
    if column.period is None or info.period_kind != "month":
        return True
    if kind is ClientKind.QRMP and not periods.is_quarter_end(column.period) and _only_quarters(info, is_chosen):
        return False
    if column.module is Module.GSTR1A and column.period < FIRST_1A:
        return False
    return cancelled_on is None or column.period <= cancelled_on


def _only_quarters(info: ModuleInfo, is_chosen: bool) -> bool:
    return info.quarterly == "yes" or (info.quarterly == "unless_chosen" and not is_chosen)


def _check_units(rows: Sequence[PlanClient], births: Mapping[Trait, Sequence[Unit]]) -> None:
    applying = {trait: sum(unit.e != Code.NOT_APPLICABLE.value for unit in units) for trait, units in births.items()}
    units = sum(applying[row.trait] for row in rows)
    if units > MAX_UNITS:
        raise _too_many("/selection", f"{units} units; at most {MAX_UNITS}.")


def _too_many(pointer: str, detail: str) -> Refusal:
    return Refusal("validation_failed", detail, errors=[FieldError(pointer, "too_many", detail)])


def _period_invalid(pointer: str, detail: str) -> Refusal:
    return Refusal("period_invalid", detail, errors=[FieldError(pointer, "period_invalid", detail)])


def default_name(asked: Sequence[Column]) -> str:
    """`Notices · Register 2026-27 · 2B 2026-10`, cut to the length of a name."""
    parts = [f"{MODULES[c.module].short_name}{f' {c.period}' if c.period else ''}" for c in asked]
    name = " · ".join(parts)
    return name if len(name) <= 120 else f"{name[:119]}…"


def column_documents(asked: Sequence[Column]) -> list[dict[str, Any]]:
    """The columns as they are stored."""
    return [{"module": column.module.value, "period": column.period} for column in asked]
