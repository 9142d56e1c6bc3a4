"""Style A: the application does the cryptography. Paths below /taxpayerapi and /commonapi, names in `action`."""

from collections.abc import Iterator

import msgspec

from portal_sandbox.action import Action
from portal_sandbox.actions import STYLE_A_ACTIONS
from portal_sandbox.calls import Call, Exchange, text_fields
from portal_sandbox.checks import (
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
from portal_sandbox.crypto import open_request
from portal_sandbox.envelope import Answer, Refusal, Reply
from portal_sandbox.handlers.files import download
from portal_sandbox.handshake import BAD_DATA, Handshake
from portal_sandbox.portal import Portal
from portal_sandbox.sessions import Dead, Session
from portal_sandbox.spoiling import spoiled

_AUTH_HEADERS = ("clientid", "client-secret", "state-cd", "ip-usr", "txn")
_DATA_HEADERS = (*_AUTH_HEADERS, "gstin", "username", "auth-token")
_AUTH_VERSIONS = {"taxpayerapi": {"v1.0", "v0.2"}, "commonapi": {"v0.2"}}
FILES_ROOT = "files"
WRONG_USER = Refusal("RET11409")
NOT_THIS_USER = Refusal("AUTH150")


class StyleA:
    """Reads, checks, answers and encrypts."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._handshake = Handshake(portal)

    def read(self, exchange: Exchange) -> Call | None:
        """The call that a request stands for; None when the path is not of this style."""
        root, _, rest = exchange.path.removeprefix("/").partition("/")
        if root == FILES_ROOT:
            return _read_file(exchange, rest)
        version, _, family = rest.partition("/")
        if root not in _AUTH_VERSIONS or not family:
            return None
        client_id = exchange.headers.get("clientid", "")
        if family == "authenticate":
            return self._read_auth(exchange, f"{root}/{family}", version, client_id)
        return _read_data(exchange, f"{root}/{family}", version, client_id)

    def _read_auth(self, exchange: Exchange, path: str, version: str, client_id: str) -> Call:
        fields = text_fields(exchange.body) or {}
        account = self._portal.account_of_user(fields.get("username", "")) if path.startswith("taxpayer") else None
        return Call(
            surface="auth",
            action=fields.get("action", ""),
            gstin="" if account is None else account.traits.gstin,
            client_id=client_id,
            path=path,
            version=version,
            parameters=fields,
        )

    def respond(self, exchange: Exchange, call: Call) -> Reply:
        match call.surface:
            case "auth":
                return self._authenticate(exchange, call)
            case "public":
                return self._public(exchange, call)
            case "taxpayer":
                return self._taxpayer(exchange, call)
            case "file":
                return self._file(exchange, call)

    def refuse(self, refusal: Refusal) -> Reply:
        return self._portal.envelopes.refusal(refusal)

    def _authenticate(self, exchange: Exchange, call: Call) -> Reply:
        refused = next(self._auth_refusals(exchange, call), None)
        outcome = refused or self._handshake.answer(call)
        return self.refuse(outcome) if isinstance(outcome, Refusal) else self._portal.envelopes.plain(outcome)

    def _auth_refusals(self, exchange: Exchange, call: Call) -> Iterator[Refusal]:
        root = call.path.partition("/")[0]
        if exchange.method != "POST" or call.version not in _AUTH_VERSIONS[root]:
            yield INVALID_API
        if text_fields(exchange.body) is None:
            yield Refusal("GEN5007")
        yield from self._client_refusals(exchange)
        if root == "taxpayerapi":
            yield from self._caller_refusals(exchange, _AUTH_HEADERS, call.gstin)

    def _public(self, exchange: Exchange, call: Call) -> Reply:
        refused = next(self._public_refusals(exchange, call), None)
        answer = refused or self._handle(call)
        return self.refuse(answer) if isinstance(answer, Refusal) else self._portal.envelopes.public(answer)

    def _public_refusals(self, exchange: Exchange, call: Call) -> Iterator[Refusal]:
        yield from self._client_refusals(exchange)
        yield from _present(_action_refusal(exchange, call))
        yield from _present(missing_header(exchange.headers, ("auth_token",)))
        yield from self._txn_refusals(exchange)
        yield from _present(gstin_refusal(call.gstin, None))
        code = self._portal.public_tokens.refusal_code(exchange.headers["auth_token"], self._portal.clock.seconds())
        if code is not None:
            yield Refusal(code)

    def _taxpayer(self, exchange: Exchange, call: Call) -> Reply:
        refused = next(self._data_refusals(exchange, call), None)
        if refused is not None:
            return self.refuse(refused)
        session = self._session(exchange, call)
        if isinstance(session, Refusal):
            return self.refuse(session)
        asked = _opened(exchange, call, session.session_key) if exchange.method == "PUT" else call
        answer = BAD_DATA if asked is None else self._handle(asked)
        if isinstance(answer, Refusal):
            return self.refuse(answer)
        if STYLE_A_ACTIONS[call.path, call.action].plain:
            return self._portal.envelopes.unsealed(answer)
        damaged = call.spoil == "bad_hash"
        return self._portal.envelopes.encrypted(answer, session.session_key, damaged=damaged)

    def _file(self, exchange: Exchange, call: Call) -> Reply:
        """An archive as it is, or a JSON refusal in its place."""
        refused = next(self._file_refusals(exchange, call), None)
        if refused is not None:
            return self.refuse(refused)
        session = self._session(exchange, call)
        answer = session if isinstance(session, Refusal) else download(self._portal.data, call)
        return self.refuse(answer) if isinstance(answer, Refusal) else Reply(answer, content_type="application/gzip")

    def _file_refusals(self, exchange: Exchange, call: Call) -> Iterator[Refusal]:
        yield from self._client_refusals(exchange)
        if exchange.method != "GET":
            yield INVALID_API
        yield from self._caller_refusals(exchange, _DATA_HEADERS, call.gstin)

    def _data_refusals(self, exchange: Exchange, call: Call) -> Iterator[Refusal]:
        yield from self._client_refusals(exchange)
        yield from _present(_action_refusal(exchange, call))
        yield from self._caller_refusals(exchange, _DATA_HEADERS, call.gstin)
        yield from _present(gstin_refusal(call.gstin, exchange.headers["gstin"]))
        action = STYLE_A_ACTIONS[call.path, call.action]
        if action.period_parameter or action.period_in_header:
            yield from _present(missing_header(exchange.headers, ("ret_period",)))
            yield from _present(period_refusal(call.period, exchange.headers["ret_period"]))

    def _client_refusals(self, exchange: Exchange) -> Iterator[Refusal]:
        headers = exchange.headers
        accounts = self._portal.settings.gsp_accounts
        yield from _present(client_refusal(accounts, headers.get("clientid", ""), headers.get("client-secret", "")))

    def _caller_refusals(self, exchange: Exchange, required: tuple[str, ...], gstin: str) -> Iterator[Refusal]:
        headers = exchange.headers
        yield from _present(missing_header(headers, required))
        yield from _present(state_refusal(headers["state-cd"], gstin))
        yield from _present(address_refusal(headers["ip-usr"]))
        yield from self._txn_refusals(exchange)

    def _txn_refusals(self, exchange: Exchange) -> Iterator[Refusal]:
        """The public API works without a number; a number that is sent must be fresh."""
        txn = exchange.headers.get("txn")
        if txn is not None and not self._portal.transactions.is_fresh(exchange.headers["clientid"], txn):
            yield INVALID_TXN

    def _session(self, exchange: Exchange, call: Call) -> Session | Refusal:
        now_s = self._portal.clock.seconds()
        session = self._portal.sessions.find(exchange.headers["auth-token"], now_s)
        if isinstance(session, Dead):
            return Refusal(dead_session_code(session, replaced=self._replaced_code(call)))
        if session.client_id != call.client_id:
            return Refusal("AUTH4033")
        if session.gstin != call.gstin:
            return NOT_THIS_USER
        if session.username != exchange.headers["username"]:
            return WRONG_USER
        code = self._portal.sessions.account(call.gstin, now_s).access_refusal(now_s)
        return session if code is None else Refusal(code)

    def _replaced_code(self, call: Call) -> str:
        own = "preference" if call.action == "GETPREF" else call.family
        key = f"errors.token_replaced_{own}"
        return self._portal.assumptions.text(key if key in self._portal.assumptions else "errors.token_replaced")

    def _handle(self, call: Call) -> Answer:
        return spoiled(call, STYLE_A_ACTIONS[call.path, call.action].handler(self._portal.data, call))


def _read_data(exchange: Exchange, path: str, version: str, client_id: str) -> Call:
    """A write has its action in the body and its registration and period in the headers."""
    query, headers = exchange.query, exchange.headers
    writes = exchange.method != "GET"
    name = (text_fields(exchange.body) or {}).get("action", "") if writes else query.get("action", "")
    action = STYLE_A_ACTIONS.get((path, name))
    in_header = action is not None and action.period_in_header
    return Call(
        surface="public" if path.startswith("commonapi") else "taxpayer",
        action=name,
        gstin=headers.get("gstin", "") if writes else query.get("gstin", ""),
        period=headers.get("ret_period", "") if in_header else query.get(action.period_parameter, "") if action else "",
        section=query.get(action.section_parameter, "") if action else "",
        client_id=client_id,
        path=path,
        version=version,
        family=path.rpartition("/")[2],
        parameters=query,
    )


def _read_file(exchange: Exchange, rest: str) -> Call:
    headers = exchange.headers
    number = rest.rpartition("/")[2].partition(".")[0]
    return Call(
        surface="file",
        action="FILE",
        gstin=headers.get("gstin", ""),
        section=number,
        client_id=headers.get("clientid", ""),
        path=rest,
        family=FILES_ROOT,
        parameters=exchange.query,
    )


def _opened(exchange: Exchange, call: Call, session_key: bytes) -> Call | None:
    """The call with the parameters of its encrypted body; None when they do not fit the session key."""
    fields = text_fields(exchange.body) or {}
    plain = open_request(fields.get("data", ""), fields.get("hmac", ""), session_key)
    asked = None if plain is None else text_fields(plain)
    return None if asked is None else msgspec.structs.replace(call, parameters=asked)


def _action_refusal(exchange: Exchange, call: Call) -> Refusal | None:
    action: Action | None = STYLE_A_ACTIONS.get((call.path, call.action))
    offered = action is not None and call.version in action.versions and exchange.method == action.method
    return None if offered else INVALID_API


def _present(refusal: Refusal | None) -> Iterator[Refusal]:
    if refusal is not None:
        yield refusal
