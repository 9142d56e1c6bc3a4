"""Who may call a route. Every route names its scope; a route without one is refused when the application is made."""

import logging
from collections.abc import Iterable
from typing import Annotated, Final

from fastapi import FastAPI, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.security import HTTPBearer, SecurityScopes

from bucket_api.http.keys import KeySet
from bucket_api.http.metering import Meter
from bucket_api.http.rates import Rates, policy_of
from bucket_api.http.tokens import Caller, Forged, Issuer, key_id, verified
from bucket_api.refusal import Refusal

log = logging.getLogger(__name__)

PUBLIC_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_bearer: Final = HTTPBearer(auto_error=False, bearerFormat="JWT", description="Token of the gateway")


class Gate:
    """Turns a bearer token into a caller."""

    def __init__(self, keys: KeySet, issuer: Issuer) -> None:
        self.keys = keys
        self._issuer = issuer

    async def admit(self, authorization: str | None) -> Caller:
        """The caller; raises `Refusal` `unauthenticated`, without saying what was wrong."""
        scheme, _, token = (authorization or "").partition(" ")
        try:
            if scheme.lower() != "bearer" or not token:
                raise Forged("no token in the header")  # noqa: TRY301 - one place answers for every cause
            return verified(token, await self.keys.key(key_id(token)), self._issuer)
        except Forged as cause:
            log.info("caller refused: %s", str(cause), extra={"action": "refuse_caller"})
            raise Refusal("unauthenticated") from None


async def _admitted(
    request: Request,
    scopes: SecurityScopes,
    _credentials: Annotated[object, Security(_bearer)],  # declares the scheme in the OpenAPI document
) -> Caller:
    gate: Gate = request.app.state.gate
    caller = await gate.admit(request.headers.get("authorization"))
    _within_rate(request, caller)
    for scope in scopes.scopes:
        if scope not in caller.scopes:
            raise Refusal("forbidden", f"The scope {scope} is needed.", required_scope=scope)
    return caller


def _within_rate(request: Request, caller: Caller) -> None:
    """Counts the request; every answer tells how it stands. Raises `rate_limited`."""
    rates: Rates = request.app.state.rates
    route = getattr(request.scope.get("route"), "path", "")
    taken = rates.take(caller.tenant.tenant_id, policy_of(request.method, route))
    request.scope["rate"] = taken
    if taken.retry_after_s:
        meter: Meter = request.app.state.meter
        meter.refused(taken.policy)
        detail = f"At most {taken.quota} requests a minute."
        raise Refusal("rate_limited", detail, policy=taken.policy, retry_after_s=taken.retry_after_s)


SignedIn = Annotated[Caller, Security(_admitted)]
ClientsRead = Annotated[Caller, Security(_admitted, scopes=["clients:read"])]
ClientsWrite = Annotated[Caller, Security(_admitted, scopes=["clients:write"])]
AccessRead = Annotated[Caller, Security(_admitted, scopes=["access:read"])]
AccessWrite = Annotated[Caller, Security(_admitted, scopes=["access:write"])]
OtpWrite = Annotated[Caller, Security(_admitted, scopes=["otp:write"])]
BucketsRead = Annotated[Caller, Security(_admitted, scopes=["buckets:read"])]
BucketsWrite = Annotated[Caller, Security(_admitted, scopes=["buckets:write"])]
UpstreamsRead = Annotated[Caller, Security(_admitted, scopes=["upstreams:read"])]
UpstreamsAdmin = Annotated[Caller, Security(_admitted, scopes=["upstreams:admin"])]


class RouteUnguarded(Exception):
    """A route names nobody who may call it."""

    log_safe = True


def scopes_of(route: RouteContext) -> frozenset[str] | None:
    """Scopes that a route asks for; empty for any signed-in caller, None for a route that lets everybody in."""
    dependant = getattr(route, "dependant", None)
    guards = [d for d in _all(dependant) if d.call is _admitted] if isinstance(dependant, Dependant) else []
    return frozenset(scope for d in guards for scope in d.own_oauth_scopes or ()) if guards else None


def refuse_unguarded(app: FastAPI) -> None:
    """Default deny: raises `RouteUnguarded` for a route that is neither guarded nor on the list of public ones."""
    for route in iter_route_contexts(app.routes):
        if route.path not in PUBLIC_PATHS and scopes_of(route) is None:
            raise RouteUnguarded(f"{route.path} names no scope; add a caller argument to its handler")


def _all(dependant: Dependant) -> Iterable[Dependant]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _all(inner)
