"""The log-in guard: what counts, what blocks, what releases."""

from datetime import date

from msgspec.structs import asdict
from sync_contracts.credentials import is_guarded
from sync_worker.portal.gsp.guard import (
    REFUSED_KEPT,
    after_success,
    after_wrong_otp,
    after_wrong_username,
    guard_of,
    unchanged_username,
)

TODAY, TOMORROW = date(2026, 11, 24), date(2026, 11, 25)


def test_a_client_without_a_guard_is_free() -> None:
    assert not is_guarded(None, 1)
    assert guard_of(None, 1, TODAY).failures == 0


def test_two_wrong_otps_of_a_day_block() -> None:
    once = after_wrong_otp(guard_of(None, 1, TODAY))
    assert not once.blocked
    twice = after_wrong_otp(guard_of(asdict(once), 1, TODAY))
    assert is_guarded(asdict(twice), 1)


def test_a_single_wrong_otp_is_forgotten_the_next_day() -> None:
    once = after_wrong_otp(guard_of(None, 1, TODAY))
    assert guard_of(asdict(once), 1, TOMORROW).failures == 0


def test_a_block_outlives_the_day_and_ends_with_the_credential() -> None:
    blocked = asdict(after_wrong_username(guard_of(None, 1, TODAY), b"closed"))
    assert guard_of(blocked, 1, TOMORROW).blocked
    assert is_guarded(blocked, 1)
    assert not is_guarded(blocked, 2)
    assert not guard_of(blocked, 2, TODAY).blocked


def test_an_accepted_login_clears_the_count() -> None:
    once = after_wrong_otp(guard_of(None, 1, TODAY))
    assert after_success(once).failures == 0


def test_the_number_of_refused_log_ins_is_a_setting() -> None:
    guard = guard_of(None, 1, TODAY)
    assert after_wrong_otp(guard, 1).blocked
    for expected in (False, False, True):
        guard = after_wrong_otp(guard, 3)
        assert guard.blocked is expected


def test_refused_names_are_remembered_beyond_a_changed_credential_and_a_log_in() -> None:
    blocked = after_wrong_username(guard_of(None, 1, TODAY), b"one")
    changed = guard_of(asdict(blocked), 2, TOMORROW)
    assert (changed.blocked, changed.failures, changed.refused) == (False, 0, (b"one",))
    assert after_success(changed).refused == (b"one",)
    assert unchanged_username(changed).blocked
    for n in range(REFUSED_KEPT + 3):
        changed = after_wrong_username(changed, str(n).encode())
    assert len(changed.refused) == REFUSED_KEPT
