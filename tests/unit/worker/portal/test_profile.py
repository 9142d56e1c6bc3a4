"""Profiles as data: requests are filled from templates."""

import pytest
from sync_worker.portal.gsp.profile import MissingValue, Profile, load_profile, question

VALUES = {
    "client_id": "id", "client_secret": "s", "ip": "127.0.0.1", "email": "a@example.invalid", "txn": "t" * 32,
    "gstin": "27AAPFU0939F1ZV", "state_code": "27", "username": "user", "token": "tok", "asp_username": "asp",
    "asp_password_rsa": "p", "app_key_rsa": "k", "app_key_ek": "k", "otp_sealed": "o", "otp": "575757",
    "period": "2026-04", "fy": "2026-27", "since": "2026-09-25", "ref": "r", "id": "d", "section": "B2B",
    "from": "2026-04-01", "to": "2026-11-24", "goods": "ALL_OTH", "file": "f", "url": "u", "ek": "e",
}  # fmt: skip


@pytest.fixture(params=["passthrough", "managed"])
def profile(request: pytest.FixtureRequest) -> Profile:
    return load_profile(request.param)


def test_every_action_can_be_asked(profile: Profile) -> None:
    for action in profile.action:
        asked = question(profile, action, VALUES)
        assert asked.headers
        assert "{" not in repr((asked.query, asked.headers, asked.body)).replace("{'", "").replace("{}", "")


def test_both_styles_offer_the_same_data() -> None:
    def data(name: str) -> set[str]:
        return {key for key, action in load_profile(name).action.items() if action.surface != "taxpayer_auth"}

    assert data("managed") == data("passthrough") - {"public.token"}


def test_ledgers_name_their_days_as_each_gsp_does() -> None:
    passthrough = question(load_profile("passthrough"), "ledgers.cash", VALUES)
    assert passthrough.query["fr_dt"] == "01/04/2026"
    assert passthrough.query["to_dt"] == "24/11/2026"
    managed = question(load_profile("managed"), "ledgers.cash", VALUES)
    assert (managed.path, managed.query["frdt"], managed.query["todt"]) == (
        "ledgers/cashdtl",
        "01/04/2026",
        "24/11/2026",
    )
    assert question(load_profile("managed"), "ledgers.payable", VALUES).query["rettype"] == "R3B"


def test_a_section_is_a_parameter_or_a_path() -> None:
    assert question(load_profile("passthrough"), "gstr1.section", VALUES).query["action"] == "B2B"
    assert question(load_profile("managed"), "gstr1.section", VALUES).path == "gstr1/b2b"


def test_the_period_of_a_closing_balance_is_in_the_header_only() -> None:
    asked = question(load_profile("passthrough"), "gstr3b.closing_balance", VALUES)
    assert asked.headers["ret_period"] == "042026"
    assert "ret_period" not in asked.query


def test_what_a_gsp_does_not_offer_is_known() -> None:
    managed, passthrough = load_profile("managed").action, load_profile("passthrough").action
    assert managed["gstr1a.section"].has("B2B")
    assert not managed["gstr1a.section"].has("EXP")
    assert [name for name in ("ISDA", "TDSA", "TCSA", "ISD") if managed["gstr2a.section"].has(name)] == ["ISD"]
    assert passthrough["gstr2a.section"].has("TCSA")


def test_periods_and_days_take_the_portals_forms() -> None:
    asked = question(load_profile("passthrough"), "twob.get", VALUES)
    assert asked.query["rtnprd"] == asked.headers["ret_period"] == "042026"
    assert question(load_profile("managed"), "notices.list", VALUES).query["date"] == "25/09/2026"


def test_an_optional_value_is_left_out_and_sent_when_known() -> None:
    profile = load_profile("managed")
    assert "filenum" not in question(profile, "twob.get", VALUES).query
    assert question(profile, "twob.get", {**VALUES, "part": "2"}).query["filenum"] == "2"


def test_a_forgotten_value_is_our_mistake_and_names_no_secret() -> None:
    without = {name: value for name, value in VALUES.items() if name != "gstin"}
    with pytest.raises(MissingValue, match="gstin") as raised:
        question(load_profile("managed"), "twob.get", without)
    assert "575757" not in str(raised.value)


def test_styles_name_their_headers_as_documented() -> None:
    passthrough = question(load_profile("passthrough"), "twob.get", VALUES).headers
    assert passthrough.keys() >= {
        "clientid",
        "client-secret",
        "state-cd",
        "ip-usr",
        "txn",
        "gstin",
        "username",
        "auth-token",
    }
    public = question(load_profile("passthrough"), "register.track", VALUES).headers
    assert "auth_token" in public
    assert not {"state-cd", "ip-usr", "username"} & public.keys()
    managed = question(load_profile("managed"), "twob.get", VALUES)
    assert managed.headers["txn"] == "tok"
    assert managed.query["email"] == "a@example.invalid"


def test_tracing_headers_are_never_sent(profile: Profile) -> None:
    names = {name.lower() for headers in profile.headers.values() for name in headers}
    assert not names & {"traceparent", "tracestate", "baggage"}
