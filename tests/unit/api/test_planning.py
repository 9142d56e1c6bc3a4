"""Planning: columns, births, limits; and the pages made from templates are the pages of the contracts."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from itertools import product

import pytest
from bucket_api.buckets import paging, planning
from bucket_api.buckets.planning import Column, Period, Plan, PlanClient, applies, plan
from bucket_api.refusal import Refusal
from hypothesis import given
from hypothesis import strategies as st
from sync_contracts.catalogue import MODULES, ClientKind, Module
from sync_contracts.pages import Page, clients_per_page, page_document, page_from, page_id, tally
from sync_contracts.units import Unit

TODAY = date(2026, 11, 23)
NOW_MS = 1_795_000_000_000
EVERY = tuple(MODULES)
FIRST_THREE = (Module.NOTICES, Module.RETURN_REGISTER, Module.GSTR2B)


def client(number: int = 1, kind: ClientKind = ClientKind.REGULAR, **changes: object) -> PlanClient:
    values: dict[str, object] = {
        "active": True,
        "cancelled_on": None,
        "has_access": True,
        "guarded": False,
        **changes,
    }
    return PlanClient(f"c_{number}", f"Client {number:05d}", kind, **values)  # type: ignore[arg-type]


def planned(clients: Sequence[PlanClient], modules: Sequence[Module] = EVERY, period: Period | None = None) -> Plan:
    return plan(clients, modules, period or Period(), today=TODAY, now_ms=NOW_MS)


CLIENTS = st.builds(
    PlanClient,
    id=st.uuids().map(lambda u: f"c_{u.hex}"),
    name=st.text("abcdef", max_size=4),
    kind=st.sampled_from(ClientKind),
    active=st.booleans(),
    cancelled_on=st.sampled_from([None, "2026-08", "2026-09", "2026-10"]),
    has_access=st.booleans(),
    guarded=st.booleans(),
)
PERIODS = st.sampled_from(
    [Period(), Period("months", ("2026-08", "2026-09", "2026-10")), Period("financial_year", financial_year="2026-27")]
)
MODULE_SETS = st.lists(st.sampled_from(EVERY), min_size=1, unique=True)


@given(st.lists(CLIENTS, min_size=1, max_size=130, unique_by=lambda c: c.id), MODULE_SETS, PERIODS)
def test_pages_from_templates_equal_pages_from_units(
    clients: list[PlanClient], modules: list[Module], period: Period
) -> None:
    made = planned(clients, modules, period)
    documents = list(paging.page_documents(made, "b_x", "t_x", 7))
    size = clients_per_page(len(made.columns))
    for number, document in enumerate(documents):
        rows = made.clients[number * size : (number + 1) * size]
        page = Page(
            id=page_id("b_x", number),
            bucket="b_x",
            number=number,
            tenant="t_x",
            shard=7,
            v=1,
            r=0,
            clients=tuple(row.id for row in rows),
            rows=tuple(made.births[row.trait] for row in rows),
        )
        assert document == page_document(page)
        assert page_from(document) == page
    assert len(documents) == paging.page_count(made)
    everything = tally([made.births[row.trait] for row in made.clients])
    total = paging.totals(made)
    assert list(total.counters) == [everything.counters[name] for name in ("cp", "cw", "cd", "cr", "cs", "cf", "cc")]
    assert ",".join(map(str, total.shown)) == everything.h


@given(st.lists(CLIENTS, min_size=1, max_size=30, unique_by=lambda c: c.id), MODULE_SETS, PERIODS)
def test_every_client_has_a_unit_in_every_column_in_the_order_of_names(
    clients: list[PlanClient], modules: list[Module], period: Period
) -> None:
    made = planned(clients, modules, period)
    assert [(c.name, c.id) for c in made.clients] == sorted((c.name, c.id) for c in clients)
    assert all(len(made.births[c.trait]) == len(made.columns) for c in made.clients)
    assert len(set(made.columns)) == len(made.columns)


@given(st.lists(CLIENTS, min_size=2, max_size=20, unique_by=lambda c: c.id), st.randoms())
def test_the_order_in_which_clients_were_found_does_not_matter(clients: list[PlanClient], random: object) -> None:
    shuffled = sorted(clients, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert paging.evaluated_sha(planned(shuffled)) == paging.evaluated_sha(planned(clients))


def test_columns_stand_in_the_order_of_the_catalogue() -> None:
    made = planned([client(1), client(2, ClientKind.QRMP)], (Module.GSTR2B, Module.RETURN_REGISTER, Module.NOTICES))
    assert [(c.module.value, c.period) for c in made.columns] == [
        ("notices", None),
        ("return_register", "2026-27"),
        ("gstr2b", "2026-09"),
        ("gstr2b", "2026-10"),
    ]


def test_f06_a4_modules_that_are_not_by_month_have_one_column_whatever_the_months() -> None:
    months = Period("months", ("2026-06", "2026-07", "2026-08", "2026-07"))
    made = planned([client()], period=months)
    by_month = (Module.GSTR2B, Module.GSTR3B, Module.GSTR1, Module.GSTR1A, Module.GSTR2A)
    assert Counter(c.module for c in made.columns) == {module: 3 if module in by_month else 1 for module in EVERY}


MONTHS = ("2026-08", "2026-09")
ALWAYS, QUARTER, NEVER = (True, True), (False, True), (False, False)
OTHERS = (ClientKind.COMPOSITION, ClientKind.NRI_OIDAR, ClientKind.TDS_DEDUCTOR, ClientKind.TCS_OPERATOR)
BY_KIND = {
    "return_register": (ALWAYS, ALWAYS, ALWAYS, ALWAYS),
    "notices": (ALWAYS, ALWAYS, ALWAYS, ALWAYS),
    "gstr2b": (ALWAYS, QUARTER, NEVER, NEVER),
    "gstr3b": (ALWAYS, QUARTER, NEVER, NEVER),
    "ledgers": (ALWAYS, ALWAYS, ALWAYS, NEVER),
    "gstr1": (ALWAYS, QUARTER, NEVER, NEVER),
    "gstr1a": (ALWAYS, QUARTER, NEVER, NEVER),
    "ims": (ALWAYS, ALWAYS, NEVER, NEVER),
    "gstr2a": (ALWAYS, ALWAYS, NEVER, NEVER),
}
"""Monthly filers, quarterly filers, other kinds, offices: at a month and at the end of its quarter."""


@pytest.mark.parametrize("module", EVERY)
def test_which_modules_apply_to_which_registration(module: Module) -> None:
    def found(kind: ClientKind) -> tuple[bool, ...]:
        return tuple(applies(kind, None, Column(module, month), is_chosen=False) for month in MONTHS)

    monthly, quarterly, others, offices = BY_KIND[module]
    assert found(ClientKind.REGULAR) == monthly
    assert found(ClientKind.QRMP) == quarterly
    assert {found(kind) for kind in OTHERS} == {others}
    assert found(ClientKind.UIN) == offices


@pytest.mark.parametrize("module", EVERY)
def test_what_a_cancelled_registration_keeps(module: Module) -> None:
    found = applies(ClientKind.REGULAR, "2026-08", Column(module, "2026-09"))
    assert found == (module.value in {"notices", "return_register", "ledgers"})


def test_f06_a2_first_months_of_a_quarter_only_when_chosen() -> None:
    quarterly = client(kind=ClientKind.QRMP)
    chosen = planned([quarterly], (Module.GSTR1, Module.GSTR3B), Period("months", ("2026-08",)))
    assert [unit.e for unit in chosen.births[quarterly.trait]] == ["NOT_APPLICABLE", None]
    whole = planned([quarterly], (Module.GSTR1,), Period("financial_year", financial_year="2026-27"))
    waiting = [c.period for c, unit in zip(whole.columns, whole.births[quarterly.trait], strict=True) if unit.e is None]
    assert waiting == ["2026-06", "2026-09"]


def test_f06_a3_a_quarterly_filer_has_no_3b_in_the_first_months_of_a_quarter() -> None:
    quarterly = client(kind=ClientKind.QRMP)
    made = planned([quarterly], (Module.GSTR3B,), Period("months", ("2026-08", "2026-09")))
    units = made.births[quarterly.trait]
    assert [(unit.s, unit.e) for unit in units] == [("S", "NOT_APPLICABLE"), ("W", None)]


def test_a_1a_before_its_first_month_is_skipped_and_its_gstr1_is_not() -> None:
    one = client()
    made = planned([one], (Module.GSTR1, Module.GSTR1A), Period("months", ("2024-06", "2024-07")))
    assert [unit.e for unit in made.births[one.trait]] == [None, None, "NOT_APPLICABLE", None]


@pytest.mark.parametrize(("month", "kind"), [*product(("2026-08", "2026-09", "2026-10"), ("regular", "qrmp"))])
def test_a_cancelled_registration_has_months_up_to_its_cancellation(month: str, kind: str) -> None:
    found = applies(ClientKind(kind), "2026-09", Column(Module.GSTR2B, month))
    assert found == (month <= "2026-09" and (kind == "regular" or month == "2026-09"))


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, [None, None, None]),
        ({"has_access": False}, ["NO_ACCESS", None, "NO_ACCESS"]),
        ({"guarded": True}, ["LOGIN_GUARD", None, "LOGIN_GUARD"]),
        ({"active": False, "has_access": False}, ["CLIENT_INACTIVE"] * 3),
        ({"kind": ClientKind.UIN, "has_access": False}, ["NO_ACCESS", None, "NOT_APPLICABLE"]),
    ],
)
def test_who_cannot_run_is_told_at_once(changes: dict[str, object], codes: list[str | None]) -> None:
    one = client(**changes)  # type: ignore[arg-type]
    made = planned([one], FIRST_THREE)
    units = made.births[one.trait]
    assert [unit.e for unit in units] == codes
    assert all(unit.t == NOW_MS and unit.a == 0 for unit in units)
    assert [unit.s for unit in units] == [{None: "W", "NOT_APPLICABLE": "S"}.get(code, "F") for code in codes]


@pytest.mark.parametrize(
    ("period", "code"),
    [
        (Period("months", ("2026-12",)), "period_invalid"),
        (Period("months", ("2020-07",)), "period_invalid"),
        (Period("months", ()), "period_invalid"),
        (Period("months", tuple(f"20{y}-{m:02d}" for y in (21, 22, 23) for m in range(1, 10))), "validation_failed"),
        (Period("financial_year", financial_year="2027-28"), "period_invalid"),
        (Period("financial_year", financial_year="2016-17"), "period_invalid"),
        (Period("financial_year", financial_year="2026-28"), "period_invalid"),
        (Period("financial_year"), "period_invalid"),
        (Period("financial_year", financial_year="2018-19"), "period_invalid"),
    ],
)
def test_a_period_that_cannot_be_asked_for_is_refused(period: Period, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        planned([client()], (Module.GSTR2B, Module.RETURN_REGISTER), period)
    assert refused.value.code == code


def test_the_running_month_may_be_asked_for() -> None:
    made = planned([client()], (Module.GSTR2B,), Period("months", ("2026-11",)))
    assert made.columns == (Column(Module.GSTR2B, "2026-11"),)


def test_limits_hold_at_n_and_not_beyond() -> None:
    assert len(planned([client(n) for n in range(10_000)], (Module.NOTICES,)).clients) == 10_000
    with pytest.raises(Refusal):
        planned([client(n) for n in range(10_001)], (Module.NOTICES,))
    year = Period("months", tuple(f"2025-{m:02d}" for m in range(1, 13)))
    fits = [client(n) for n in range(8_333)]
    assert sum(len(r) for r in (planned(fits, (Module.GSTR2B,), year).clients,)) == 8_333
    with pytest.raises(Refusal):
        planned([*fits, client(9_000)], (Module.GSTR2B,), year)
    not_counted = [client(9_000 + n, ClientKind.COMPOSITION) for n in range(500)]
    planned([*fits, *not_counted], (Module.GSTR2B,), year)


def test_no_client_and_no_module_are_refused() -> None:
    for clients, modules, code in (([], EVERY, "selection_empty"), ([client()], (), "modules_empty")):
        with pytest.raises(Refusal) as refused:
            planned(clients, modules)
        assert refused.value.code == code


def test_a_default_name_tells_modules_and_periods() -> None:
    columns = planned([client()], FIRST_THREE).columns
    assert planning.default_name(columns) == "Notices · Register 2026-27 · 2B 2026-10"
    assert len(planning.default_name(columns * 20)) == 120


def test_a_unit_waits_from_the_time_of_planning() -> None:
    one = client()
    assert planned([one], (Module.NOTICES,)).births[one.trait] == (Unit(t=NOW_MS),)
