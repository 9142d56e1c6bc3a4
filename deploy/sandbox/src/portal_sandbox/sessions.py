"""OTPs, sessions and API access of the taxpayers, as the portal keeps them.

A session is (GSTIN, user name, GSP); it is opened with an OTP, lives six hours, never outlives the API access, and is
found by its handle: `auth-token` in style A, `txn` in style B. Times are virtual seconds.
"""

import os
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from portal_sandbox.assumptions import Assumptions
from portal_sandbox.crypto import KEY_BYTES
from portal_sandbox.draws import seeded
from portal_sandbox.taxpayers import Access, Login, Taxpayer, Twob, taxpayer

Duration = Literal["6h", "30d"]
OtpState = Literal["open", "used", "expired"]

_LOGIN_CODES: dict[Login, str] = {
    "wrong_username": "AUTH4032",
    "password_expired": "SWEB9033",
    "account_locked": "SWEB9035",
}
_REPLACED_KEPT = 50_000
_ACCOUNTS_KEPT = 200_000


@dataclass(slots=True)
class Otp:
    """The newest OTP of a taxpayer."""

    code: str
    username: str
    issued_s: float
    expires_s: float
    tries_left: int
    used: bool = False

    def state(self, now_s: float) -> OtpState:
        if self.used:
            return "used"
        return "expired" if now_s >= self.expires_s or self.tries_left <= 0 else "open"


@dataclass(frozen=True, slots=True)
class Session:
    """An open session; `app_key` is None in style B, where the GSP keeps the keys."""

    handle: str
    gstin: str
    username: str
    client_id: str
    app_key: bytes | None
    session_key: bytes
    expires_s: float


class Dead(Enum):
    """Why a handle opens nothing."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REPLACED = "replaced"


class OtpRefusal(Enum):
    """Why an OTP opens nothing."""

    NOT_ASKED = "not asked"
    WRONG = "wrong"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Generation:
    """A 2B (period MMYYYY) that was asked for on demand, by transaction number in `Account.generations`."""

    period: str
    ready_s: float


@dataclass(slots=True)
class Account:
    """What changes about a taxpayer while the portal runs; the traits stay what the number says."""

    traits: Taxpayer
    username: str
    access: Access
    login: Login
    access_until_s: float
    twob: Twob
    notices: int
    revisions: dict[str, int] = field(default_factory=dict)
    generations: dict[str, Generation] = field(default_factory=dict)
    otp: Otp | None = None
    otps_issued: int = 0
    sessions: dict[str, Session] = field(default_factory=dict)

    def revision(self, period: str, now_s: float) -> int:
        """How often the 2B of a period was made anew."""
        return self.revisions.get(period, 0) + self.generated(period, now_s)

    def generated(self, period: str, now_s: float) -> int:
        """How often it was made on demand."""
        return sum(made.period == period and made.ready_s <= now_s for made in self.generations.values())

    def sign_in_refusal(self, username: str, now_s: float) -> str | None:
        """The code with which the portal refuses an OTP, a login or a refresh; None when it does not."""
        if username != self.username:
            return "AUTH4032"
        if self.login in _LOGIN_CODES:
            return _LOGIN_CODES[self.login]
        return self.access_refusal(now_s)

    def access_refusal(self, now_s: float) -> str | None:
        return None if self.access == "enabled" and now_s < self.access_until_s else "AUTH4037"


class Sessions:
    """All accounts and sessions of the portal, in memory; accounts appear when they are first asked for."""

    def __init__(self, seed: int, assumptions: Assumptions) -> None:
        self._seed = seed
        self._otp_life_s = assumptions.integer("session.otp_life_s")
        self._otp_attempts = assumptions.integer("session.otp_attempts")
        self._life_s = assumptions.integer("session.life_min") * 60
        self._cap = assumptions.integer("session.cap_per_user")
        self._one_login_only = assumptions.flag("session.new_login_kills_old")
        self._access_s: dict[Duration, int] = {
            "6h": assumptions.integer("session.access_hours_short") * 3600,
            "30d": assumptions.integer("session.access_hours_long") * 3600,
        }
        self._accounts: OrderedDict[str, Account] = OrderedDict()
        self._by_handle: dict[str, Session] = {}
        self._by_username: dict[str, str] = {}
        self._replaced: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._accounts)

    def account(self, gstin: str, now_s: float) -> Account:
        """The account of a well-formed GSTIN; the least lately opened one is forgotten at the limit."""
        found = self._accounts.get(gstin)
        if found is None:
            traits = taxpayer(gstin, self._seed)
            until_s = now_s + self._access_s["30d"]
            found = Account(
                traits, traits.portal_username, traits.access, traits.login, until_s, traits.twob, traits.notices
            )
            self._accounts[gstin] = found
            if len(self._accounts) > _ACCOUNTS_KEPT:
                self._drop(self._accounts.popitem(last=False)[1])
        return found

    def accounts(self) -> list[Account]:
        """All accounts, the oldest first."""
        return list(self._accounts.values())

    def usernames(self) -> dict[str, str]:
        """GSTIN by each name given by `rename`."""
        return dict(self._by_username)

    def adopt(self, accounts: list[Account], usernames: dict[str, str]) -> None:
        """Go on with the accounts of before, and with their sessions."""
        self._by_username = dict(usernames)
        self._accounts = OrderedDict((account.traits.gstin, account) for account in accounts)
        self._by_handle = {handle: session for account in accounts for handle, session in account.sessions.items()}

    def rename(self, account: Account, username: str) -> None:
        """Another portal user name; the old one is unknown from now on."""
        self._by_username[username] = account.traits.gstin
        account.username = username

    def renamed_gstin(self, username: str) -> str | None:
        """The GSTIN behind a name given by `rename`."""
        return self._by_username.get(username)

    def allow_access(self, account: Account, duration: Duration, now_s: float) -> None:
        account.access = "enabled"
        account.access_until_s = now_s + self._access_s[duration]

    def ask_otp(self, account: Account, now_s: float) -> Otp:
        """A new OTP; an older one stops working."""
        account.otps_issued += 1
        number = seeded(self._seed, "otp", account.traits.gstin, str(account.otps_issued)).randrange(10**6)
        account.otp = Otp(f"{number:06}", account.username, now_s, now_s + self._otp_life_s, self._otp_attempts)
        return account.otp

    def try_otp(self, account: Account, code: str, now_s: float) -> OtpRefusal | None:
        """None when the OTP fits; a wrong one costs an attempt."""
        otp = account.otp
        if otp is None or otp.used:
            return OtpRefusal.NOT_ASKED
        if otp.state(now_s) == "expired":
            return OtpRefusal.EXPIRED
        if not secrets.compare_digest(code.encode(), otp.code.encode()):
            otp.tries_left -= 1
            return OtpRefusal.WRONG
        otp.used = True
        return None

    def open(
        self, account: Account, client_id: str, app_key: bytes | None, now_s: float, *, handle: str | None = None
    ) -> Session | None:
        """A new session; None when the user has as many as this GSP may hold."""
        mine = [session for session in account.sessions.values() if session.client_id == client_id]
        for session in mine:
            if self._one_login_only or session.expires_s <= now_s:
                self._replace(account, session)
        if sum(session.client_id == client_id for session in account.sessions.values()) >= self._cap:
            return None
        return self._add(account, client_id, app_key, now_s, handle or secrets.token_hex(16))

    def refresh(self, account: Account, session: Session, now_s: float, *, keep_handle: bool = False) -> Session:
        """A new handle, session key and expiry under the same app key; the old handle is dead at once."""
        self._replace(account, session)
        handle = session.handle if keep_handle else secrets.token_hex(16)
        return self._add(account, session.client_id, session.app_key, now_s, handle)

    def find(self, handle: str, now_s: float) -> Session | Dead:
        session = self._by_handle.get(handle)
        if session is None:
            return Dead.REPLACED if handle in self._replaced else Dead.UNKNOWN
        return session if now_s < session.expires_s else Dead.EXPIRED

    def close(self, session: Session) -> None:
        """Log out; the handle is unknown from now on."""
        self._by_handle.pop(session.handle, None)
        self._accounts[session.gstin].sessions.pop(session.handle, None)

    def revoke(self, account: Account) -> None:
        """The taxpayer takes the consent back: every session of the account is dead."""
        self._drop(account)
        account.sessions.clear()

    def _add(self, account: Account, client_id: str, app_key: bytes | None, now_s: float, handle: str) -> Session:
        expires_s = min(now_s + self._life_s, account.access_until_s)
        gstin = account.traits.gstin
        session = Session(handle, gstin, account.username, client_id, app_key, os.urandom(KEY_BYTES), expires_s)
        self._replaced.pop(handle, None)
        self._by_handle[handle] = account.sessions[handle] = session
        return session

    def _replace(self, account: Account, session: Session) -> None:
        self._by_handle.pop(session.handle, None)
        account.sessions.pop(session.handle, None)
        self._replaced[session.handle] = None
        if len(self._replaced) > _REPLACED_KEPT:
            self._replaced.popitem(last=False)

    def _drop(self, account: Account) -> None:
        for handle in account.sessions:
            self._by_handle.pop(handle, None)
