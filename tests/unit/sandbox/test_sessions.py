import pytest
from portal_sandbox.assumptions import Assumptions, load_assumptions
from portal_sandbox.identifiers import with_check_character
from portal_sandbox.sessions import Account, Dead, OtpRefusal, Session, Sessions

GSTIN = "27AAPFU0939F1ZV"
NOW_S = 1_800_000_000.0
SIX_HOURS_S = 6 * 3600


def fresh(assumptions: Assumptions | None = None) -> Sessions:
    return Sessions(1, assumptions or load_assumptions())


def opened(sessions: Sessions, account: Account, client_id: str = "gsp") -> Session:
    session = sessions.open(account, client_id, b"k" * 32, NOW_S)
    assert session is not None
    return session


@pytest.fixture
def sessions() -> Sessions:
    return fresh()


@pytest.fixture
def account(sessions: Sessions) -> Account:
    return sessions.account(GSTIN, NOW_S)


def test_otp_fits_once(sessions: Sessions, account: Account) -> None:
    otp = sessions.ask_otp(account, NOW_S)
    assert len(otp.code) == 6
    assert sessions.try_otp(account, otp.code, NOW_S + 1) is None
    assert sessions.try_otp(account, otp.code, NOW_S + 2) is OtpRefusal.NOT_ASKED
    assert otp.state(NOW_S) == "used"


def test_otp_expires(sessions: Sessions, account: Account) -> None:
    otp = sessions.ask_otp(account, NOW_S)
    assert sessions.try_otp(account, otp.code, NOW_S + 300) is OtpRefusal.EXPIRED


def test_third_wrong_otp_closes_it(sessions: Sessions, account: Account) -> None:
    otp = sessions.ask_otp(account, NOW_S)
    wrong = "000000" if otp.code != "000000" else "111111"
    assert [sessions.try_otp(account, wrong, NOW_S) for _ in range(3)] == [OtpRefusal.WRONG] * 3
    assert sessions.try_otp(account, otp.code, NOW_S) is OtpRefusal.EXPIRED


def test_new_otp_replaces_the_old_one(sessions: Sessions, account: Account) -> None:
    old = sessions.ask_otp(account, NOW_S)
    new = sessions.ask_otp(account, NOW_S)
    assert old.code != new.code
    assert sessions.try_otp(account, old.code, NOW_S) is OtpRefusal.WRONG
    assert sessions.try_otp(account, new.code, NOW_S) is None


def test_session_lives_six_hours(sessions: Sessions, account: Account) -> None:
    session = opened(sessions, account)
    assert sessions.find(session.handle, NOW_S + SIX_HOURS_S - 1) is session
    assert sessions.find(session.handle, NOW_S + SIX_HOURS_S) is Dead.EXPIRED
    assert sessions.find("nothing", NOW_S) is Dead.UNKNOWN


def test_session_never_outlives_the_access(sessions: Sessions, account: Account) -> None:
    sessions.allow_access(account, "6h", NOW_S - 5 * 3600)
    assert opened(sessions, account).expires_s == NOW_S + 3600
    assert account.access_refusal(NOW_S + 3600) == "AUTH4037"


def test_new_login_and_refresh_kill_the_old_handle(sessions: Sessions, account: Account) -> None:
    first = opened(sessions, account)
    second = opened(sessions, account)
    third = sessions.refresh(account, second, NOW_S)
    assert sessions.find(first.handle, NOW_S) is Dead.REPLACED
    assert sessions.find(second.handle, NOW_S) is Dead.REPLACED
    assert sessions.find(third.handle, NOW_S) is third
    assert third.app_key == second.app_key
    assert third.session_key != second.session_key


def test_another_gsp_keeps_its_own_session(sessions: Sessions, account: Account) -> None:
    mine, theirs = opened(sessions, account, "gsp"), opened(sessions, account, "other")
    assert sessions.find(mine.handle, NOW_S) is mine
    assert sessions.find(theirs.handle, NOW_S) is theirs


def test_sessions_are_capped_where_a_new_login_kills_nothing() -> None:
    sessions = fresh(load_assumptions({"session.new_login_kills_old": False}))
    account = sessions.account(GSTIN, NOW_S)
    opened(sessions, account)
    opened(sessions, account)
    assert sessions.open(account, "gsp", b"k" * 32, NOW_S) is None
    assert sessions.open(account, "gsp", b"k" * 32, NOW_S + SIX_HOURS_S) is not None


def test_revoked_consent_looks_like_a_dead_session(sessions: Sessions, account: Account) -> None:
    session = opened(sessions, account)
    sessions.revoke(account)
    assert sessions.find(session.handle, NOW_S) is Dead.UNKNOWN
    assert account.access_refusal(NOW_S) is None


@pytest.mark.parametrize(
    ("letter", "code"), [("D", "AUTH4037"), ("V", "AUTH4032"), ("Z", "SWEB9033"), ("I", "SWEB9035"), ("R", None)]
)
def test_sign_in_is_refused_by_trait(sessions: Sessions, letter: str, code: str | None) -> None:
    account = sessions.account(with_check_character(f"27AAA{letter}A0000A1Z"), NOW_S)
    assert account.sign_in_refusal(account.username, NOW_S) == code


def test_renamed_user_is_found_by_the_new_name_only(sessions: Sessions, account: Account) -> None:
    old = account.username
    sessions.rename(account, "somebody")
    assert sessions.renamed_gstin("somebody") == GSTIN
    assert account.sign_in_refusal(old, NOW_S) == "AUTH4032"
    assert account.sign_in_refusal("somebody", NOW_S) is None
