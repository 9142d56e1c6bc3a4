"""Preset ALL through the whole product: every module of every kind of client, then nothing that has not changed."""

from collections import Counter
from typing import Any

from tests.support.practices import Practice
from tests.support.registrations import Registration, registration
from tests.support.running_stack import RunningStack

Json = dict[str, Any]
STORED = ("return_register", "gstr2b", "ims", "gstr1", "gstr3b", "ledgers", "gstr2a")
CHEAP = {"RETTRACK": 1, "NOTICELIST": 1, "GET2B": 1, "GETCNT": 1}


def _states(practice: Practice, bucket_id: str, client: Registration) -> dict[str, str]:
    units = practice.units(bucket_id, client_id=practice.ids[client.gstin])
    return {unit["module"]: unit["state"] for unit in units}


def test_f06_all_brings_every_module_of_a_client_once_and_says_what_does_not_apply(running: RunningStack) -> None:
    monthly, composition = registration(size=3), registration(kind="M", frequency="composition")
    practice = running.practice("all")
    practice.take_on([monthly, composition])
    began_s = running.sandbox.now()

    ended = practice.ended(practice.start(presets=["all"]))

    assert ended["verdict"] == "complete", ended
    units = practice.units(ended["id"], client_id=practice.ids[monthly.gstin])
    assert {unit["module"] for unit in units if unit["state"] == "done"} >= {*STORED}
    assert len(units) == 9
    skipped = {name for name, state in _states(practice, ended["id"], composition).items() if state == "skipped"}
    assert skipped == {"gstr2b", "gstr3b", "gstr1", "gstr1a", "ims", "gstr2a"}
    asked = Counter((call.action, call.section) for call in running.sandbox.calls(since_s=began_s, gstin=monthly.gstin))
    assert {action for action, _ in asked} >= {"RETTRACK", "GET2B", "GETCNT", "AUTOLIAB", "CASH", "ITC", "TAX", "BAL"}
    twice = {action for (action, section), count in asked.items() if count > 1 and not section}
    assert twice <= {"RETSUM", "B2B", "B2BA", "ECOM", "ECOMA", "NOTICEDTL", "NOTICEDOC"}  # actions of several modules

    for module in STORED:
        period = next(unit["period"] for unit in units if unit["module"] == module)
        assert running.dataset(practice.tenant, practice.ids[monthly.gstin], module, period or "-") is not None, module


def test_what_has_not_changed_is_told_by_markers_and_not_fetched_again(running: RunningStack) -> None:
    client = registration(size=3)
    practice = running.practice("again")
    practice.take_on([client])
    modules = ("gstr2b", "ims", "gstr1", "gstr1a")
    assert practice.ended(practice.start(*modules))["verdict"] == "complete"
    began_s = running.sandbox.now()

    again = practice.ended(practice.start(*modules, options={"force": True}))

    outcomes = {unit["module"]: unit["outcome"] for unit in practice.units(again["id"])}
    assert outcomes == {"gstr2b": "unchanged", "ims": "unchanged", "gstr1": "unchanged", "gstr1a": "empty"}
    asked = Counter(call.action for call in running.sandbox.calls(since_s=began_s, gstin=client.gstin))
    assert asked == {"GET2B": 1, "GETCNT": 1, "RETSUM": 2}
