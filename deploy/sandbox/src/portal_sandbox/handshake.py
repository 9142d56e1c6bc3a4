"""The authentication calls of style A: OTP, token, refresh, logout, and the token of the public API."""

import secrets
from typing import Any

from portal_sandbox.calls import Call
from portal_sandbox.checks import INVALID_API
from portal_sandbox.crypto import decrypt_text, encrypt_text
from portal_sandbox.envelope import Refusal
from portal_sandbox.keys import KeyFault
from portal_sandbox.portal import Portal
from portal_sandbox.sessions import Account, Dead, OtpRefusal, Session

BAD_APP_KEY = Refusal("AUTH4036")
UNREADABLE_KEY = Refusal("TEC4002")
BAD_DATA = Refusal("AUTH4039")
MISSING_FIELD = Refusal("GEN5001")
UNKNOWN_USER = Refusal("AUTH4032")
WRONG_ASP = Refusal("AUT4034", http=403)

Fields = dict[str, Any]


class Handshake:
    """Each answer is the top-level fields of a success, or a refusal."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def answer(self, call: Call) -> Fields | Refusal:
        match call.path, call.action:
            case "taxpayerapi/authenticate", "OTPREQUEST":
                return self._ask_otp(call)
            case "taxpayerapi/authenticate", "AUTHTOKEN":
                return self._open(call)
            case "taxpayerapi/authenticate", "REFRESHTOKEN":
                return self._refresh(call)
            case "taxpayerapi/authenticate", "LOGOUT":
                return self._log_out(call)
            case "commonapi/authenticate", "ACCESSTOKEN":
                return self._public_token(call)
            case _:
                return INVALID_API

    def _ask_otp(self, call: Call) -> Fields | Refusal:
        opened = self._signing_in(call)
        if isinstance(opened, Refusal):
            return opened
        self._portal.sessions.ask_otp(opened[0], self._now_s())
        return {}

    def _open(self, call: Call) -> Fields | Refusal:
        opened = self._signing_in(call)
        if isinstance(opened, Refusal):
            return opened
        account, app_key = opened
        code = decrypt_text(call.parameters.get("otp", ""), app_key)
        if code is None:
            return BAD_DATA
        refused = self._portal.sessions.try_otp(account, code.decode("latin-1"), self._now_s())
        if refused is not None:
            return Refusal(self._otp_code(refused))
        session = self._portal.sessions.open(account, call.client_id, app_key, self._now_s())
        return Refusal("AUTH403") if session is None else self._token_fields(session, app_key)

    def _refresh(self, call: Call) -> Fields | Refusal:
        session = self._open_session(call)
        if isinstance(session, Refusal):
            return session
        account = self._portal.sessions.account(session.gstin, self._now_s())
        code = account.sign_in_refusal(call.parameters.get("username", ""), self._now_s())
        if code is not None:
            return Refusal(code)
        app_key = decrypt_text(call.parameters.get("app_key", ""), session.session_key)
        if session.app_key is None or app_key is None or not secrets.compare_digest(app_key, session.app_key):
            return BAD_APP_KEY
        return self._token_fields(self._portal.sessions.refresh(account, session, self._now_s()), app_key)

    def _log_out(self, call: Call) -> Fields | Refusal:
        session = self._open_session(call)
        if isinstance(session, Refusal):
            return session
        self._portal.sessions.close(session)
        return {}

    def _public_token(self, call: Call) -> Fields | Refusal:
        if not {"username", "password", "app_key"} <= call.parameters.keys():
            return MISSING_FIELD
        app_key = self._app_key(call.parameters["app_key"])
        if isinstance(app_key, Refusal):
            return app_key
        password = self._portal.keys.open_text(call.parameters["password"])
        if password is None:
            return UNREADABLE_KEY
        known = self._portal.settings.asp_accounts.get(self._asp_name(call.parameters["username"]))
        if known is None or not secrets.compare_digest(known.encode(), password):
            return WRONG_ASP
        tokens = self._portal.public_tokens
        session_key = encrypt_text(secrets.token_bytes(32), app_key)
        return {"auth_token": tokens.issue(self._now_s()), "sek": session_key, "expiry": tokens.life_min}

    def _asp_name(self, text: str) -> str:
        """Plain or under RSA: clients disagree."""
        if text in self._portal.settings.asp_accounts:
            return text
        return (self._portal.keys.open_text(text) or b"").decode("latin-1")

    def _signing_in(self, call: Call) -> tuple[Account, bytes] | Refusal:
        """The account that may sign in, with the app key that came under the certificate."""
        if not {"username", "app_key"} <= call.parameters.keys():
            return MISSING_FIELD
        app_key = self._app_key(call.parameters["app_key"])
        if isinstance(app_key, Refusal):
            return app_key
        username = call.parameters["username"]
        account = self._portal.account_of_user(username)
        if account is None:
            return UNKNOWN_USER
        code = account.sign_in_refusal(username, self._now_s())
        return (account, app_key) if code is None else Refusal(code)

    def _app_key(self, text: str) -> bytes | Refusal:
        match self._portal.keys.open_key(text):
            case KeyFault.UNREADABLE:
                return UNREADABLE_KEY
            case KeyFault.NOT_A_KEY:
                return BAD_APP_KEY
            case app_key:
                return app_key

    def _open_session(self, call: Call) -> Session | Refusal:
        session = self._portal.sessions.find(call.parameters.get("auth_token", ""), self._now_s())
        match session:
            case Dead.EXPIRED:
                return Refusal("AUTH4038")
            case Dead.UNKNOWN | Dead.REPLACED:
                return Refusal("AUTH4033")
            case _:
                return session if session.client_id == call.client_id else Refusal("AUTH4033")

    def _token_fields(self, session: Session, app_key: bytes) -> Fields:
        minutes = round((session.expires_s - self._now_s()) / 60)
        return {
            "auth_token": session.handle,
            "sek": encrypt_text(session.session_key, app_key),
            "expiry": minutes,
        }

    def _otp_code(self, refused: OtpRefusal) -> str:
        match refused:
            case OtpRefusal.NOT_ASKED:
                return "RETOTPREQUEST"
            case OtpRefusal.WRONG:
                return self._portal.assumptions.text("errors.otp_wrong")
            case OtpRefusal.EXPIRED:
                return self._portal.assumptions.text("errors.otp_expired")

    def _now_s(self) -> float:
        return self._portal.clock.seconds()
