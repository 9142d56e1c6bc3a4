"""From options to the plan that the API takes."""

from typing import Any

import pytest
from syncbucket_cli.plans import BadPlan, gstins_in, plan

NOTHING: dict[str, Any] = {
    "presets": (),
    "modules": (),
    "everyone": False,
    "client_ids": (),
    "tags": (),
    "months": (),
    "name": None,
    "force": False,
}


def test_a_preset_for_everyone() -> None:
    assert plan(**NOTHING | {"presets": ["only_2b"], "everyone": True}) == {
        "selection": {"all": True},
        "presets": ["only_2b"],
        "modules": [],
        "period": {"rule": "default"},
    }


def test_months_tags_name_and_force_are_taken_over() -> None:
    wish = {
        "modules": ["gstr2b"],
        "tags": ["south"],
        "months": ["2026-09", "2026-10"],
        "name": "October",
        "force": True,
    }
    body = plan(**NOTHING | wish)
    assert body["selection"] == {"filter": {"tag": ["south"]}}
    assert body["period"] == {"rule": "months", "months": ["2026-09", "2026-10"]}
    assert (body["name"], body["options"]) == ("October", {"force": True})


@pytest.mark.parametrize(
    "wish",
    [
        {"everyone": True},
        {"presets": ["only_2b"]},
        {"presets": ["only_2b"], "everyone": True, "tags": ["south"]},
        {"presets": ["only_2b"], "client_ids": ["c_1"], "tags": ["south"]},
        {"presets": ["only_2b"], "everyone": True, "months": ["foo"]},
    ],
)
def test_no_module_no_month_or_not_exactly_one_way_to_choose_clients_is_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(BadPlan):
        plan(**NOTHING | wish)


def test_gstins_are_the_first_field_of_each_line_without_header_and_blanks() -> None:
    text = "gstin,name\n29AABCX0000K1ZL,Blue Lotus\n\n 27aapfu0939f1zv \n"
    assert gstins_in(text) == ["29AABCX0000K1ZL", "27AAPFU0939F1ZV"]
