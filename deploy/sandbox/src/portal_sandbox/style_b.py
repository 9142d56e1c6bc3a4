"""Style B: the GSP keeps keys and tokens; plain JSON, one path per action, `txn` is the session handle.

All paths lie below /style-b. Bad client credentials are answered with HTML, as some gateways do.
"""

import secrets
from collections import OrderedDict
from collections.abc import Iterator

from portal_sandbox.action import Action
from portal_sandbox.actions import STYLE_B_ACTIONS
from portal_sandbox.calls import Call, Exchange, text_fields
from portal_sandbox.checks import (
    HEADER_MISSING,
    INVALID_API,
    INVALID_TXN,
    address_refusal,
    client_refusal,
    dead_session_code,
    gstin_refusal,
    missing_header,
    period_refusal,
    state_refusal,
)
from portal_sandbox.envelope import Payload, Refusal, Reply
from portal_sandbox.handshake import MISSING_FIELD, UNKNOWN_USER
from portal_sandbox.portal import Portal
from portal_sandbox.sessions import Account, Dead, OtpRefusal, Session
from portal_sandbox.spoiling import spoiled

PREFIX = "/style-b/"
_USER_HEADERS = ("gst_username", "state_cd", "ip_address")
_PENDING_KEPT = 50_000
_AUTH_PATHS = {"authentication/" + name for name in ("otprequest", "authtoken", "refreshtoken", "logout")}


class StyleB:
    """A second front on the same accounts and sessions."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._pending: OrderedDict[str, str] = OrderedDict()

    def read(self, exchange: Exchange) -> Call | None:
        """The call that a request stands for; None when the path is not of this style."""
        if not exchange.path.startswith(PREFIX):
            return None
        path = exchange.path.removeprefix(PREFIX)
        client_id = exchange.headers.get("client_id", "")
        if path in _AUTH_PATHS:
            account = self._portal.account_of_user(exchange.headers.get("gst_username", ""))
            gstin = "" if account is None else account.traits.gstin
            return Call("auth", path.partition("/")[2].upper(), gstin, client_id=client_id, path=path)
        action = STYLE_B_ACTIONS.get(path)
        if action is None:
            return Call("taxpayer", path, exchange.query.get("gstin", ""), client_id=client_id, path=path)
        return _data_call(exchange, action, client_id)

    def respond(self, exchange: Exchange, call: Call) -> Reply:
        refused = next(self._refusals(exchange, call), None)
        if refused is not None:
            return self._refuse(refused, exchange)
        outcome = self._authenticate(exchange, call) if call.surface == "auth" else self._data(exchange, call)
        if isinstance(outcome, Refusal):
            return self._refuse(outcome, exchange)
        payload, txn = outcome
        return self._portal.envelopes.style_b(payload, {"txn": txn})

    def refuse(self, refusal: Refusal) -> Reply:
        return self._portal.envelopes.style_b_refusal(refusal, {})

    def _refuse(self, refusal: Refusal, exchange: Exchange) -> Reply:
        if refusal.http in {401, 403}:
            body = f"<html><body><h1>{refusal.http} Unauthorized</h1></body></html>".encode()
            return Reply(body, refusal.http, refusal.code, "text/html")
        return self._portal.envelopes.style_b_refusal(refusal, {"txn": exchange.headers.get("txn", "")})

    def _refusals(self, exchange: Exchange, call: Call) -> Iterator[Refusal]:
        headers, accounts = exchange.headers, self._portal.settings.gsp_accounts
        found = [client_refusal(accounts, headers.get("client_id", ""), headers.get("client_secret", ""))]
        if not exchange.query.get("email"):
            found.append(MISSING_FIELD)
        if exchange.method != _method(call.path):
            found.append(INVALID_API)
        yield from filter(None, found)
        if call.surface != "public":
            yield from self._user_refusals(exchange, call)
        if call.surface != "auth":
            yield from filter(None, [gstin_refusal(call.gstin, headers.get("gstin", call.gstin))])

    def _user_refusals(self, exchange: Exchange, call: Call) -> Iterator[Refusal]:
        headers = exchange.headers
        yield from filter(None, [missing_header(headers, _USER_HEADERS)])
        yield from filter(
            None, [state_refusal(headers["state_cd"], call.gstin), address_refusal(headers["ip_address"])]
        )
        if call.action != "OTPREQUEST" and not headers.get("txn"):
            yield HEADER_MISSING
        yield from filter(None, [period_refusal(call.period, headers.get("ret_period", call.period))])

    def _authenticate(self, exchange: Exchange, call: Call) -> tuple[Payload, str] | Refusal:
        username, now_s = exchange.headers["gst_username"], self._portal.clock.seconds()
        account = self._portal.account_of_user(username)
        if account is None:
            return UNKNOWN_USER
        code = account.sign_in_refusal(username, now_s)
        if code is not None:
            return Refusal(code)
        if call.action == "OTPREQUEST":
            return self._ask_otp(account, now_s)
        txn = exchange.headers["txn"]
        if call.action == "AUTHTOKEN":
            return self._open(account, txn, call.client_id, exchange.query.get("otp", ""), now_s)
        return self._change(account, txn, call, now_s)

    def _ask_otp(self, account: Account, now_s: float) -> tuple[Payload, str]:
        self._portal.sessions.ask_otp(account, now_s)
        txn = secrets.token_hex(16)
        self._pending[txn] = account.traits.gstin
        if len(self._pending) > _PENDING_KEPT:
            self._pending.popitem(last=False)
        return _NOTHING, txn

    def _open(
        self, account: Account, txn: str, client_id: str, otp: str, now_s: float
    ) -> tuple[Payload, str] | Refusal:
        if self._pending.get(txn) != account.traits.gstin:
            return INVALID_TXN
        match self._portal.sessions.try_otp(account, otp, now_s):
            case OtpRefusal.NOT_ASKED:
                return Refusal("RETOTPREQUEST")
            case OtpRefusal.WRONG | OtpRefusal.EXPIRED:
                return Refusal(self._portal.assumptions.text("errors.otp_plain_json"))
            case None:
                del self._pending[txn]
                session = self._portal.sessions.open(account, client_id, None, now_s, handle=txn)
                return Refusal("AUTH403") if session is None else (_NOTHING, txn)

    def _change(self, account: Account, txn: str, call: Call, now_s: float) -> tuple[Payload, str] | Refusal:
        """Refresh or log out."""
        session = self._session(txn, call, now_s)
        if isinstance(session, Refusal):
            return session
        if call.action == "LOGOUT":
            self._portal.sessions.close(session)
        else:
            self._portal.sessions.refresh(account, session, now_s, keep_handle=True)
        return _NOTHING, txn

    def _data(self, exchange: Exchange, call: Call) -> tuple[Payload, str] | Refusal:
        if call.surface == "taxpayer":
            session = self._session(exchange.headers["txn"], call, self._portal.clock.seconds())
            if isinstance(session, Refusal):
                return session
            if session.username != exchange.headers["gst_username"]:
                return Refusal("RET11409")
        answer = spoiled(call, STYLE_B_ACTIONS[call.path].handler(self._portal.data, call))
        return answer if isinstance(answer, Refusal) else (answer, exchange.headers.get("txn", ""))

    def _session(self, txn: str, call: Call, now_s: float) -> Session | Refusal:
        session = self._portal.sessions.find(txn, now_s)
        if isinstance(session, Dead):
            return Refusal(dead_session_code(session, replaced="AUTH158"))
        if session.client_id != call.client_id:
            return Refusal("AUTH4033")
        if session.gstin != call.gstin:
            return Refusal("AUTH150")
        code = self._portal.sessions.account(call.gstin, now_s).access_refusal(now_s)
        return session if code is None else Refusal(code)


_NOTHING = Payload(b"{}")


def _method(path: str) -> str:
    """The one method of a path; "" where there is no such path."""
    action = STYLE_B_ACTIONS.get(path)
    return action.method if action else "GET" if path in _AUTH_PATHS else ""


def _data_call(exchange: Exchange, action: Action, client_id: str) -> Call:
    given = {**exchange.query, **(text_fields(exchange.body) or {})}
    parameters = {action.style_b_names.get(name, name): value for name, value in given.items()}
    in_header = exchange.headers.get("ret_period", "") if action.period_in_header else ""
    return Call(
        surface=action.surface,
        action=action.name,
        gstin=parameters.get("gstin", ""),
        period=parameters.get(action.period_parameter, "") if action.period_parameter else in_header,
        section=parameters.get(action.section_parameter, "") if action.section_parameter else "",
        client_id=client_id,
        path=action.style_b_path,
        family=action.family,
        parameters=parameters,
    )
