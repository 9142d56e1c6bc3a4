"""How session steps end: states, tries left, reasons."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from msgspec.structs import replace
from sync_contracts.documents import OtpRequestDocument
from sync_contracts.outcomes import OutcomeClass
from sync_contracts.reasons import REASONS
from sync_worker.modules.port import Refusal
from sync_worker.portal.gsp.guard import Guard
from sync_worker.portal.gsp.identity import Identity
from sync_worker.portal.gsp.keys import Keys
from sync_worker.portal.gsp.profile import load_profile
from sync_worker.portal.gsp.session import Stored
from sync_worker.portal.gsp.step_endings import failed, opened_fields, reason_of, refused_code, refused_otp, sent
from sync_worker.portal.gsp.styles import Opened

PROFILE = load_profile("passthrough")
NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
WRONG = Refusal(OutcomeClass.OTP_INVALID, "AUTH4033", 200)


def request(**fields: Any) -> OtpRequestDocument:
    return cast("OtpRequestDocument", {"tries": 0, "tries_left": None, "consent": None, **fields})


@pytest.mark.parametrize("outcome", list(OutcomeClass))
def test_every_class_has_a_reason_that_a_person_can_read(outcome: OutcomeClass) -> None:
    assert reason_of(Refusal(outcome)) in REASONS


def test_our_own_codes_have_their_own_reasons() -> None:
    assert reason_of(Refusal(OutcomeClass.RATE_LIMITED, "SESSION_BUSY")) == "client_serial"
    assert reason_of(Refusal(OutcomeClass.CREDENTIAL_INVALID, "LOGIN_GUARD")) == "login_guard"


@pytest.mark.parametrize("reason", ["interrupted", "deadline_passed", "no_access", "login_guard", "client_serial"])
def test_a_failed_step_names_a_known_reason(reason: str) -> None:
    assert failed(reason).fields["reason"] in REASONS


def test_tries_left_go_down_to_a_closed_request() -> None:
    assert refused_code(WRONG, PROFILE, request(), None, 2).fields == {"tries": 1, "tries_left": 2}
    last = refused_code(WRONG, PROFILE, request(tries=2), None, 2)
    assert (last.state, last.fields["tries_left"]) == ("closed", 0)


def test_the_guard_limits_the_tries_further() -> None:
    guard = Guard(1, "2026-11-24", 1)
    assert refused_code(WRONG, PROFILE, request(), guard, 2).fields["tries_left"] == 1
    assert refused_code(WRONG, PROFILE, request(), guard, 3).fields["tries_left"] == 2
    assert refused_code(WRONG, PROFILE, request(), replace(guard, blocked=True), 9).state == "closed"


def test_only_refused_codes_count() -> None:
    guard = Guard(1, "2026-11-24", 0)
    assert refused_otp(guard, WRONG, PROFILE, 2) == Guard(1, "2026-11-24", 1)
    for harmless in (Refusal(OutcomeClass.TRANSIENT), Refusal(OutcomeClass.OTP_INVALID, "AUTH4034")):
        assert refused_otp(guard, harmless, PROFILE, 2) is None


def test_an_otp_lives_as_long_as_the_profile_says() -> None:
    assert sent(NOW, PROFILE, request()).fields["expires_at"] == NOW + timedelta(seconds=300)


@pytest.mark.parametrize(
    ("consent", "stored_until", "expected"),
    [
        ("6h", None, NOW + timedelta(hours=6)),
        ("30d", NOW + timedelta(days=1), NOW + timedelta(days=30)),
        (None, None, None),
        (None, NOW - timedelta(days=1), None),
    ],
)
def test_the_declared_consent_is_noted(
    consent: str | None, stored_until: datetime | None, expected: datetime | None
) -> None:
    opened = Opened(Keys("passthrough", "u", "t"), 360)
    identity = Identity("t", "c", "27AAPFU0939F1ZV", 4)
    stored = Stored(consent_until=stored_until)
    fields = opened_fields(opened, NOW, profile=PROFILE, identity=identity, stored=stored, consent=consent)
    assert fields["consent_until"] == expected
    assert fields["cred_ref"] == "gst_portal_user:4"
    assert fields["token_exp"] == NOW + timedelta(hours=6)


def test_a_consent_that_still_lasts_is_kept_when_nothing_was_declared() -> None:
    stored = Stored(consent_until=NOW + timedelta(days=9))
    opened = Opened(Keys("managed", "u", "t"), None)
    identity = Identity("t", "c", "27AAPFU0939F1ZV", 4)
    assert "consent_until" not in opened_fields(
        opened, NOW, profile=PROFILE, identity=identity, stored=stored, consent=None
    )
