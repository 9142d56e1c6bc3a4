"""The control port: scenarios, clock, journal, OTPs, accounts, faults and limits. JSON below /control/v1.

It belongs to tests and the demo; the product never calls it.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal_sandbox.control_bodies import Advance, LimitsChange, TaxpayerChange
from portal_sandbox.envelope import JSON, encode
from portal_sandbox.faults import FaultState, Scenario, TooManyScenarios
from portal_sandbox.identifiers import is_gstin
from portal_sandbox.journal import Entry, Filter, max_in_flight
from portal_sandbox.portal import Portal
from portal_sandbox.script import BadScript, clear, parse_script, play
from portal_sandbox.sessions import Account
from portal_sandbox.shapes import shape_rows

T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]
_JOURNAL_LIMIT = 10_000


def control_app(portal: Portal) -> Starlette:
    """An app over the portal's state."""
    control = Control(portal)
    base = "/control/v1"
    routes = [
        Route(f"{base}/scenarios", control.scenarios, methods=["GET"]),
        Route(f"{base}/scenarios/{{identity}}", control.put_scenario, methods=["PUT"]),
        Route(f"{base}/scenarios/{{identity}}", control.scenario, methods=["GET"]),
        Route(f"{base}/scenarios/{{identity}}", control.drop_scenario, methods=["DELETE"]),
        Route(f"{base}/script", control.script, methods=["GET"]),
        Route(f"{base}/script", control.put_script, methods=["PUT"]),
        Route(f"{base}/script", control.drop_script, methods=["DELETE"]),
        Route(f"{base}/shapes", control.shapes, methods=["GET"]),
        Route(f"{base}/clock", control.clock, methods=["GET"]),
        Route(f"{base}/clock/advance", control.advance, methods=["POST"]),
        Route(f"{base}/journal", control.journal, methods=["GET"]),
        Route(f"{base}/journal", control.clear_journal, methods=["DELETE"]),
        Route(f"{base}/otp/{{gstin}}", control.otp, methods=["GET"]),
        Route(f"{base}/taxpayers/{{gstin}}", control.taxpayer, methods=["GET"]),
        Route(f"{base}/taxpayers/{{gstin}}", control.change_taxpayer, methods=["POST"]),
        Route(f"{base}/faults", control.faults, methods=["GET"]),
        Route(f"{base}/faults", control.change_faults, methods=["PUT"]),
        Route(f"{base}/rates", control.rates, methods=["GET"]),
        Route(f"{base}/rates", control.change_rates, methods=["PUT"]),
        Route(f"{base}/certificate/rotate", control.rotate, methods=["POST"]),
        Route(f"{base}/assumptions", control.assumptions, methods=["GET"]),
        Route(f"{base}/bench", control.bench, methods=["GET"]),
        Route(f"{base}/bench", control.clear_bench, methods=["DELETE"]),
        Route(f"{base}/health", control.health, methods=["GET"]),
        Route("/health", control.health, methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _problem})


class Control:
    """One method per route."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    async def scenarios(self, _: Request) -> Response:
        return _json({"items": self._portal.scenarios.all()})

    async def scenario(self, request: Request) -> Response:
        found = self._portal.scenarios.get(request.path_params["identity"])
        return _json(_found(found))

    async def put_scenario(self, request: Request) -> Response:
        scenario = await _body(request, Scenario)
        scenario.id = request.path_params["identity"]
        try:
            return _json(self._portal.scenarios.put(scenario))
        except TooManyScenarios as refused:
            raise HTTPException(409, "too many scenarios; delete some") from refused

    async def drop_scenario(self, request: Request) -> Response:
        _found(self._portal.scenarios.drop(request.path_params["identity"]) or None)
        return Response(status_code=204)

    async def script(self, _: Request) -> Response:
        return _json({"name": self._portal.script})

    async def put_script(self, request: Request) -> Response:
        try:
            play(parse_script(await request.body()), self._portal)
        except BadScript as refused:
            raise HTTPException(422, str(refused)) from refused
        return await self.script(request)

    async def drop_script(self, _: Request) -> Response:
        clear(self._portal)
        return Response(status_code=204)

    async def shapes(self, _: Request) -> Response:
        return _json({"items": list(shape_rows(self._portal.settings.seed))})

    async def clock(self, _: Request) -> Response:
        clock = self._portal.clock
        return _json({"now": clock.now(), "offset_s": clock.offset_s})

    async def advance(self, request: Request) -> Response:
        asked = await _body(request, Advance)
        try:
            self._portal.clock.advance(asked.step_s(self._portal.clock.seconds()))
        except ValueError as refused:
            raise HTTPException(422, str(refused)) from refused
        return await self.clock(request)

    async def journal(self, request: Request) -> Response:
        chosen, limit = _filter(request)
        entries = self._portal.journal.select(chosen)
        shown = entries[:limit]
        page = {
            "items": [_entry(entry) for entry in shown],
            "next_seq": shown[-1].seq + 1 if shown else max(chosen.since_seq, self._portal.journal.next_seq),
            "max_in_flight": max_in_flight(entries, of_gstin=chosen.gstin is not None),
        }
        return _json(page)

    async def clear_journal(self, _: Request) -> Response:
        self._portal.journal.clear()
        return Response(status_code=204)

    async def otp(self, request: Request) -> Response:
        account = self._account(request)
        otp = _found(account.otp)
        if not account.traits.answers_otp and request.query_params.get("silent") != "true":
            raise HTTPException(404, "this taxpayer does not pass the OTP on")
        state = {
            "gstin": account.traits.gstin,
            "username": otp.username,
            "otp": otp.code,
            "issued_at": _time(otp.issued_s),
            "expires_at": _time(otp.expires_s),
            "tries_left": otp.tries_left,
            "state": otp.state(self._portal.clock.seconds()),
        }
        return _json(state)

    async def taxpayer(self, request: Request) -> Response:
        return _json(self._state(self._account(request)))

    async def change_taxpayer(self, request: Request) -> Response:
        change = await _body(request, TaxpayerChange)
        account = self._account(request)
        change.apply(self._portal.sessions, account, self._portal.clock.seconds())
        return _json(self._state(account))

    async def faults(self, _: Request) -> Response:
        return _json(self._portal.faults.state)

    async def change_faults(self, request: Request) -> Response:
        self._portal.faults.change(await _body(request, FaultState))
        return await self.faults(request)

    async def rates(self, _: Request) -> Response:
        return _json(self._portal.throttle.limits)

    async def change_rates(self, request: Request) -> Response:
        change = await _body(request, LimitsChange)
        self._portal.throttle.change(change.over(self._portal.throttle.limits))
        return await self.rates(request)

    async def rotate(self, _: Request) -> Response:
        self._portal.keys.rotate(self._portal.clock.now())
        return Response(status_code=204)

    async def assumptions(self, _: Request) -> Response:
        return _json({"profile": self._portal.settings.profile, "items": dict(self._portal.assumptions.items())})

    async def bench(self, _: Request) -> Response:
        return _json(self._portal.null_calls.summary())

    async def clear_bench(self, _: Request) -> Response:
        self._portal.null_calls.clear()
        return Response(status_code=204)

    async def health(self, _: Request) -> Response:
        state = {
            "status": "ok",
            "seed": self._portal.settings.seed,
            "now": self._portal.clock.now(),
            "taxpayers": len(self._portal.sessions),
        }
        return _json(state)

    def _account(self, request: Request) -> Account:
        gstin = request.path_params["gstin"]
        if not is_gstin(gstin):
            raise HTTPException(404, "not a well-formed GSTIN")
        return self._portal.data.account(gstin)

    def _state(self, account: Account) -> dict[str, Any]:
        now_s = self._portal.clock.seconds()
        return {
            "gstin": account.traits.gstin,
            "username": account.username,
            "kind": account.traits.kind,
            "access": account.access,
            "consent_until": _time(account.access_until_s) if account.access == "enabled" else None,
            "sessions": sum(session.expires_s > now_s for session in account.sessions.values()),
            "login": account.login,
            "answers_otp": account.traits.answers_otp,
            "twob": account.twob,
            "notices": account.notices,
            "revisions": account.revisions,
        }


def _filter(request: Request) -> tuple[Filter, int]:
    query = request.query_params
    try:
        chosen = Filter(
            gstin=query.get("gstin"),
            surface=query.get("surface"),
            family=query.get("family"),
            action=query.get("action"),
            code=query.get("code"),
            since_seq=int(query.get("since_seq", "0")),
            from_s=_seconds(query.get("from")),
            to_s=_seconds(query.get("to")),
        )
        limit = int(query.get("limit", str(_JOURNAL_LIMIT)))
    except ValueError as refused:
        raise HTTPException(422, f"bad filter: {refused}") from refused
    return chosen, max(1, min(limit, _JOURNAL_LIMIT))


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": _time(entry.at_s),
        "gstin": entry.gstin,
        "surface": entry.surface,
        "family": entry.family,
        "action": entry.action,
        "period": entry.period,
        "section": entry.section,
        "http": entry.http,
        "code": entry.code,
        "ms": round(entry.ms, 3),
        "in_flight": entry.in_flight,
        "gstin_in_flight": entry.gstin_in_flight,
    }


def _seconds(text: str | None) -> float | None:
    """Epoch seconds of an RFC 3339 time; one without a zone is a ValueError."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("times need a zone")
    return moment.timestamp()


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _found(found: T | None) -> T:
    if found is None:
        raise HTTPException(404, "nothing here")
    return found


async def _body(request: Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError) as refused:
        raise HTTPException(422, str(refused)) from refused


def _json(content: Any) -> Response:
    return Response(encode(content), media_type=JSON)


async def _problem(_: Request, refused: Exception) -> Response:
    status, detail = (refused.status_code, refused.detail) if isinstance(refused, HTTPException) else (500, "error")
    return Response(encode({"error": detail}), status_code=status, media_type=JSON)
