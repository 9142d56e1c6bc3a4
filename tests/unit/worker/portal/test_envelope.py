"""What an answer over HTTP is: a success with fields, or a refusal by class and code; never a text of the portal."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sync_contracts.outcomes import OutcomeClass as O
from sync_worker.modules.port import Refusal
from sync_worker.portal.gsp.envelope import Reply, Unreadable, exact_json, opened, retry_after_ms, text_of
from sync_worker.portal.gsp.profile import load_profile

PROFILE = load_profile("passthrough")
TWOB = PROFILE.action["twob.get"]


def refusal(body: bytes, http: int = 200, retry_after: str | None = None) -> Refusal:
    answer = opened(Reply(http, body, 5, retry_after), PROFILE, TWOB)
    assert isinstance(answer, Refusal)
    return answer


@pytest.mark.parametrize("status", ['"1"', "1", '"3"', "3", '"ok"'])
def test_every_status_but_zero_is_a_success(status: str) -> None:
    fields = opened(Reply(200, b'{"status_cd":%s,"data":"x"}' % status.encode(), 5), PROFILE, TWOB)
    assert not isinstance(fields, Refusal)
    assert text_of(fields, "data") == "x"


@pytest.mark.parametrize("status", ['"0"', "0"])
@pytest.mark.parametrize("field", ["error_cd", "errorCode", "error_code", "code"])
def test_a_failure_is_known_in_every_spelling(status: str, field: str) -> None:
    body = f'{{"status_cd":{status},"error":{{"{field}":"RET2B1016","message":"no data"}}}}'.encode()
    assert refusal(body) == Refusal(O.EMPTY, "RET2B1016", 200)


def test_an_error_without_a_status_is_a_failure() -> None:
    assert refusal(b'{"error":{"error_cd":"AUTH4037"}}').outcome is O.ACCESS_DISABLED


def test_a_code_at_top_level_is_found() -> None:
    assert refusal(b'{"status_cd":"0","errorCode":"GEN5001"}').outcome is O.CLIENT_BUG


def test_the_status_of_http_counts_even_with_a_success_inside() -> None:
    assert refusal(b'{"status_cd":"1"}', 500).outcome is O.TRANSIENT


def test_maintenance_is_told_from_an_error() -> None:
    assert refusal(b'{"status_cd":"0","error":{"error_cd":"GEN5008"}}', 500).outcome is O.MAINTENANCE


def test_throttling_is_told_by_status_and_by_the_codes_of_the_profile() -> None:
    assert refusal(b"slow down", 429, "3") == Refusal(O.RATE_LIMITED, None, 429, 3000)
    assert refusal(b'{"status_cd":"0","error":{"error_cd":"RET13504"}}').outcome is O.RATE_LIMITED


def test_words_of_a_dead_gsp_win_where_no_code_is() -> None:
    assert refusal(b"<html>GSPGSTDOWN</html>", 502).outcome is O.LINE_DOWN
    assert refusal(b"<html>Bad gateway</html>", 502).outcome is O.TRANSIENT


def test_gateway_credentials_refused_in_html_are_our_configuration() -> None:
    assert refusal(b"<html>401 Unauthorized</html>", 401) == Refusal(O.SERVICE_CONFIG, None, 401)


@pytest.mark.parametrize("body", [b"", b'{"status_cd":"1","da', b"[1, 2]", b"{"])
def test_a_cut_off_success_is_an_integrity_problem(body: bytes) -> None:
    assert refusal(body).outcome is O.INTEGRITY


def test_other_text_with_http_200_is_unknown() -> None:
    assert refusal(b"please come back later").outcome is O.UNKNOWN


def test_no_text_of_the_portal_is_passed_on() -> None:
    said = refusal(
        b'{"status_cd":"0","error":{"error_cd":"27AAPFU0939F1ZV is not a code, sorry","message":"27AAPFU0939F1ZV"}}'
    )
    assert "27AAPFU0939F1ZV" not in repr(said)


@pytest.mark.parametrize(
    ("header", "ms"),
    [("2", 2000), ("0", 0), (None, None), ("soon", None), ("-1", None), ("99999999999", 86_400_000), ("٣", None)],
)
def test_retry_after_is_read_in_seconds_only(header: str | None, ms: int | None) -> None:
    assert retry_after_ms(header) == ms


def test_amounts_keep_their_exact_text() -> None:
    assert exact_json(b'{"txval":1234567.10,"n":3}') == {"txval": Decimal("1234567.10"), "n": 3}
    assert str(exact_json(b"0.10")) == "0.10"


@given(st.binary(max_size=300))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    opened(Reply(200, body, 1), PROFILE, TWOB)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"1e999999999999", b"\xff\xfe", b'{"a":NaN}'])
def test_hostile_json_is_refused_or_read_but_never_raises_anything_else(body: bytes) -> None:
    with suppress(Unreadable):
        exact_json(body)
    envelope = opened(Reply(200, b'{"status_cd":' + body + b"}", 1), PROFILE, TWOB)
    assert isinstance(envelope, Refusal | dict)
