"""The HTTP application over given services: routers, limits, guards, problems, documentation."""

import time
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from opentelemetry.trace import Tracer
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Lifespan

from bucket_api.http import docs_page, etags, problems
from bucket_api.http.auth import Gate, refuse_unguarded
from bucket_api.http.bodies import Bodies
from bucket_api.http.dev_issuer import DevIssuer
from bucket_api.http.edge import REQUEST_TIME_S, Edge
from bucket_api.http.metering import Meter, Unmetered
from bucket_api.http.rates import UNLIMITED, Policy, Rates
from bucket_api.http.routes import (
    access,
    actions,
    buckets,
    calendar,
    catalogue,
    clients,
    dev_tokens,
    health,
    imports,
    openapi,
    runs,
    schedules,
    units,
    upstreams,
)
from bucket_api.http.schemas.problem import Problem

VERSION: Final = "1.0.0"
COMPRESSED_FROM: Final = 1_024
COMPRESSION: Final = 4
"""Level of gzip: half the time of the default for a tenth more bytes."""
ROUTERS: Final = (
    health.router,
    catalogue.router,
    clients.router,
    imports.router,
    access.router,
    buckets.router,
    units.router,
    actions.router,
    runs.router,
    schedules.router,
    calendar.router,
    upstreams.router,
    openapi.router,
)
_PROBLEM: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "model": Problem,
        "description": "A problem (RFC 9457)",
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}


def http_application(
    gate: Gate,
    tracer: Tracer,
    *,
    lifespan: Lifespan[FastAPI] | None = None,
    dev_issuer: DevIssuer | None = None,
    per_minute: Mapping[Policy, int] = UNLIMITED,
    meter: Meter | None = None,
    request_time_s: float = REQUEST_TIME_S,
) -> FastAPI:
    """The application; the lifespan sets `app.state.services`. Raises `RouteUnguarded` for a route without a scope.

    `per_minute`: requests that a tenant may make, by policy.
    With a development issuer there is `POST /dev/tokens`, and the documentation needs no token.
    """
    app = FastAPI(
        title="Sync Bucket",
        version=VERSION,
        summary="Start Sync: fetch many clients' data from the GST portal, with a verified end.",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        responses=_PROBLEM,
        separate_input_output_schemas=False,
    )
    for router in ROUTERS:
        app.include_router(router)
    refuse_unguarded(app)
    if dev_issuer is not None:
        app.state.dev_issuer = dev_issuer
        app.include_router(dev_tokens.router)
        app.include_router(docs_page.router)
    app.state.gate = gate
    app.state.rates = Rates(per_minute, time.monotonic)
    app.state.meter = meter or Unmetered()
    problems.install(app)
    etags.install(app)
    app.add_middleware(Bodies)
    app.add_middleware(GZipMiddleware, minimum_size=COMPRESSED_FROM, compresslevel=COMPRESSION)
    app.add_middleware(Edge, tracer=tracer, meter=app.state.meter, request_time_s=request_time_s)
    return app
