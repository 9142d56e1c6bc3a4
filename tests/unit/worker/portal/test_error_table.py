"""Every code of the portal's published tables against the outcome that a reader of those tables expects."""

from itertools import chain

import pytest
from sync_contracts.outcomes import OutcomeClass as O
from sync_worker.portal.gsp.error_table import Surface, error_table, quotable

FAMILIES = ("twob", "notices", "gstr1", "gstr1a", "gstr2a", "gstr3b", "ledgers", "ims")
ANY: tuple[tuple[Surface, str], ...] = tuple(("taxpayer", family) for family in FAMILIES)

EVERYWHERE: dict[O, str] = {
    O.OTP_REQUIRED: "RETOTPREQUEST EVCREQUEST AUTH4033",
    O.OTP_INVALID: "AUTH4034",
    O.REFRESH: "AUTH4038 AUTH158 RET11402 RET2B1010 RT-R1R3BAV-1007 RET11401 RET11407",
    O.ACCESS_DISABLED: "AUTH4037",
    O.CREDENTIAL_INVALID: "AUTH4032 RET11409 SWEB9002 AUTH150 AUTH151",
    O.PASSWORD_EXPIRED: "SWEB9033",
    O.ACCOUNT_LOCKED: "SWEB9035 AUTH4035",
    O.REHANDSHAKE: "AUTH4036 TEC4003",
    O.REFETCH_CERT: "TEC4002",
    O.CLIENT_BUG: (
        "AUTH4039 AUTH4040 AUTH4041 RET11400 RET11403 RET11404 RET11408 RET11410 RET11420 RET191113 "
        "AUTH113 AUTH141 AUTH143 GEN5001 GEN5007"
    ),
    O.SESSION_CAP: "AUTH403",
    O.SERVICE_CONFIG: "AUT4031 AUT4032 AUT4033 AUT4034",
    O.MAINTENANCE: "GEN5008",
    O.LINE_DOWN: "GEN4004 GSPERR300 GSPGSTDOWN",
    O.EMPTY: (
        "RET13508 RET13509 RET13510 RET11416 RET11417 RET2B1016 RT-3BAS1009 RETWEB_04 RTNECO-01 NOTC_010 SPIKE004 "
        "FO8000 IMS0004 RT-9AG-1019 RT-ANX1AG-1020 EINV30107 EINV30108 EINV30118 EINV30130 EINV30131 "
        "RET2B1006 RET2B1013 RET2B1015 RET2B1017"
    ),
    O.NOT_YET: "RET2B1018 RET2B1023 IMS2B009",
    O.NOT_APPLICABLE: "GTR2B-001",
    O.PRECONDITION: "GTR2B-002 IMS2B007",
    O.WAITING_PORTAL: "IMS_FILEGEN_03 RTN_24 RTN_32 RETINPROGRESS EINV30109",
    O.UNCHANGED: "IMS0005 IMS2005",
    O.TRANSIENT: "IMSSAV0015 RET13504 RET13505 RET12501 RTN_15 RTN_25 TEC4001",
    O.UNKNOWN: "IMS0027",
}
ROWS = [(code, outcome) for outcome, codes in EVERYWHERE.items() for code in codes.split()]


@pytest.mark.parametrize(("code", "expected"), ROWS)
def test_a_data_call_with_this_code(code: str, expected: O) -> None:
    for surface, family in ANY:
        assert error_table().outcome(surface=surface, family=family, code=code, http=200) is expected


def test_no_row_of_the_table_is_without_an_expectation() -> None:
    named = {code for code, _ in ROWS} | {"SWEB_9035", "GSP019", "GSP102"}
    assert set(chain.from_iterable(row.codes for row in error_table().rows)) == named


@pytest.mark.parametrize(
    ("surface", "family", "code", "expected"),
    [
        ("taxpayer_auth", "otp", "AUTH4033", O.OTP_INVALID),
        ("taxpayer_auth", "refresh", "AUTH4033", O.OTP_REQUIRED),
        ("taxpayer_auth", "otp", "RET13509", O.OTP_INVALID),
        ("taxpayer", "returns", "RET13509", O.EMPTY),
        ("public", "register", "SWEB9035", O.CLIENT_BUG),
        ("public", "register", "SWEB_9035", O.CLIENT_BUG),
        ("public", "register", "AUTH4033", O.REFRESH),
        ("public", "auth", "AUTH4032", O.SERVICE_CONFIG),
        ("public", "register", "RET13510", O.EMPTY),
        ("taxpayer", "files", "RTN_24", O.WAITING_PORTAL),
        ("taxpayer", "files", "RTN_25", O.INTEGRITY),
        ("taxpayer", "files", "RTN_15", O.TRANSIENT),
    ],
)
def test_a_code_means_what_its_step_says(surface: Surface, family: str, code: str, expected: O) -> None:
    assert error_table().outcome(surface=surface, family=family, code=code, http=200) is expected


def test_codes_of_a_vendor_count_for_that_vendor_only() -> None:
    table = error_table()
    assert table.outcome(surface="taxpayer", family="twob", code="GSP019", http=200) is O.UNKNOWN
    assert (
        table.outcome(surface="taxpayer", family="twob", code="GSP019", http=200, vendor="taxpro") is O.SERVICE_CONFIG
    )


@pytest.mark.parametrize(
    ("http", "expected"),
    [
        (200, O.UNKNOWN),
        (429, O.RATE_LIMITED),
        (500, O.TRANSIENT),
        (502, O.TRANSIENT),
        (503, O.TRANSIENT),
        (504, O.TRANSIENT),
        (401, O.SERVICE_CONFIG),
        (403, O.SERVICE_CONFIG),
        (404, O.CLIENT_BUG),
        (418, O.UNKNOWN),
    ],
)
def test_without_a_known_code_the_http_status_decides(http: int, expected: O) -> None:
    for code in (None, "NEVER_SEEN"):
        assert error_table().outcome(surface="taxpayer", family="twob", code=code, http=http) is expected


@pytest.mark.parametrize("http", [400, 401, 403, 404, 410])
def test_a_link_that_leads_nowhere_is_no_refusal_of_the_portal(http: int) -> None:
    assert error_table().outcome(surface="file", family="file", code=None, http=http) is O.INTEGRITY
    assert error_table().outcome(surface="file", family="file", code=None, http=503) is O.TRANSIENT


@pytest.mark.parametrize("text", ["GSPGSTDOWN", "error GSPERR300 now", "Connection reset by peer", "No route to host"])
def test_words_of_a_dead_gsp_are_known(text: str) -> None:
    assert error_table().outcome_of_text(text) is O.LINE_DOWN


def test_the_table_has_a_version_and_every_row_a_mark() -> None:
    assert error_table().version >= 1
    assert {row.mark for row in error_table().rows} <= {"S", "S-", "I", "U"}


@pytest.mark.parametrize(
    ("code", "quoted"),
    [
        ("RET13509", "RET13509"),
        ("RT-R1R3BAV-1007", "RT-R1R3BAV-1007"),
        (1009, "1009"),
        ("a sentence of the portal", None),
        ("x" * 25, None),
        ("", None),
        (None, None),
        (True, None),
        ({"code": 1}, None),
    ],
)
def test_only_short_plain_codes_are_quoted(code: object, quoted: str | None) -> None:
    assert quotable(code) == quoted
