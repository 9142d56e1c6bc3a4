"""The auditor tells of commands without an effect, of retries that were lost, and of tenants that meet."""

from typing import Any

from msgspec.structs import replace
from sync_contracts.commands import Command, Params
from sync_contracts.events import Succeeded
from sync_contracts.outcomes import Code
from sync_contracts.pages import Page, page_document, with_units
from sync_contracts.units import Unit

from tests.support.audit_checks import Evidence, Logged
from tests.support.audit_rounds import (
    committed_commands_had_their_effect,
    retried_units_end_by_their_own_command,
    selected_units_are_reopened,
)
from tests.support.audit_tenants import documents_hold_no_identifier, tenants_keep_to_themselves
from tests.support.planted import Plan

PLAN = Plan(clients=2, columns=1)
PAGE = PLAN.pages()[0]
COMMAND = Command(
    tenant=PAGE.tenant,
    bucket=PAGE.bucket,
    client=PAGE.clients[0],
    page=PAGE.number,
    ci=0,
    mi=0,
    attempt=1,
    module="gstr2b",
    params=Params("2026-10"),
    shard=0,
    issued_at=0,
)


def _evidence(page: Page, *, bucket: dict[str, Any] | None = None, **more: Any) -> Evidence:
    documents = {
        "logged": [],
        "commands": [],
        "datasets": {},
        "committed": {},
        "page_documents": [page_document(page)],
        "buckets": {PLAN.bucket: {**PLAN.document(), **(bucket or {})}},
    }
    return Evidence(**(documents | more))


def _ended_in(attempt: int) -> Page:
    return with_units(PAGE, {(0, 0): Unit("S", attempt, 0, 1)})


def test_a_committed_command_without_an_effect_is_told() -> None:
    waiting = _evidence(PAGE, committed_commands=[COMMAND])
    assert [told.split()[0] for told in committed_commands_had_their_effect(waiting)] == ["I7"]

    assert not list(committed_commands_had_their_effect(_evidence(_ended_in(1), committed_commands=[COMMAND])))
    event = Succeeded(
        tenant=PAGE.tenant, bucket=PAGE.bucket, page=PAGE.number, ci=0, mi=0, attempt=1, code=Code.OK, rows=1
    )
    said = _evidence(PAGE, committed_commands=[COMMAND], logged=[Logged(event, 0, 0)])
    assert not list(committed_commands_had_their_effect(said))


def test_a_retried_unit_that_nobody_commanded_is_told() -> None:
    old, own = [COMMAND], [replace(COMMAND, attempt=1001)]
    assert [
        told.split()[0] for told in retried_units_end_by_their_own_command(_evidence(_ended_in(1001), commands=old))
    ] == ["I12"]
    assert not list(retried_units_end_by_their_own_command(_evidence(_ended_in(1001), commands=own)))


def test_a_selected_unit_that_was_not_reopened_is_told() -> None:
    ended = {"status": "COMPLETED", "round": 1, "retries": [{"round": 1, "n": 1}]}
    assert [told.split()[0] for told in selected_units_are_reopened(_evidence(_ended_in(1), bucket=ended))] == ["I13"]
    assert not list(selected_units_are_reopened(_evidence(_ended_in(1001), bucket=ended)))


def test_a_client_of_another_tenant_is_told() -> None:
    mine = dict.fromkeys(PAGE.clients, PAGE.tenant)
    assert not list(tenants_keep_to_themselves(_evidence(PAGE), mine))
    assert list(tenants_keep_to_themselves(_evidence(PAGE), {**mine, PAGE.clients[0]: "t_other"}))
    stolen = {f"{PAGE.tenant}:{PAGE.clients[0]}:gstr2b:2026-10": {"tenant_id": "t_other"}}
    assert list(tenants_keep_to_themselves(_evidence(PAGE, datasets=stolen), mine))


def test_an_identifier_in_a_document_is_told_by_its_place_only() -> None:
    gstin = "29ABCRA0011A1Z5"
    told = list(documents_hold_no_identifier({"buckets": [{"_id": "b_1", "note": ["of", {"client": gstin}]}]}))

    assert told == ["PII buckets b_1: a GSTIN or PAN in plain text"]
    assert not list(documents_hold_no_identifier({"buckets": [{"_id": "b_1", "note": "of a client"}]}))
