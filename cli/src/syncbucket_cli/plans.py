"""From the options of `start` to the plan that the API takes. Pure."""

import re
from collections.abc import Sequence
from typing import Any

Plan = dict[str, Any]
MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")


class BadPlan(Exception):
    """The options do not make a plan; the message says what is missing."""


def plan(
    *,
    presets: Sequence[str],
    modules: Sequence[str],
    everyone: bool,
    client_ids: Sequence[str],
    tags: Sequence[str],
    months: Sequence[str],
    name: str | None,
    force: bool,
) -> Plan:
    """The body of `POST /v1/buckets`. Raises `BadPlan` when no module or no client is chosen."""
    if not presets and not modules:
        raise BadPlan("choose what to sync: --preset or --module")
    if wrong := [month for month in months if not MONTH.fullmatch(month)]:
        raise BadPlan(f"{wrong[0]} is no month; write it like 2026-10")
    body: Plan = {
        "selection": selection(everyone=everyone, client_ids=client_ids, tags=tags),
        "presets": list(presets),
        "modules": list(modules),
        "period": {"rule": "months", "months": list(months)} if months else {"rule": "default"},
    }
    if force:
        body["options"] = {"force": True}
    return body | ({"name": name} if name else {})


def selection(*, everyone: bool, client_ids: Sequence[str], tags: Sequence[str]) -> dict[str, Any]:
    """Which clients: all active ones, those with a tag, or a list. Exactly one of them."""
    if [everyone, bool(client_ids), bool(tags)].count(True) != 1:
        raise BadPlan("choose clients by exactly one of --all, --clients FILE and --tag")
    if everyone:
        return {"all": True}
    return {"filter": {"tag": list(tags)}} if tags else {"add": list(client_ids)}


def gstins_in(text: str) -> list[str]:
    """The first field of every line that is not empty and no header: GSTINs, one a line, or a CSV with GSTIN first."""
    fields = (line.split(",")[0].strip().upper() for line in text.splitlines())
    return [field for field in fields if field and field != "GSTIN"]
