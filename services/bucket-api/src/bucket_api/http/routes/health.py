"""Alive and ready, for load balancers and supervisors; measures, for those who watch."""

from typing import Final

from fastapi import APIRouter, Request, Response

from bucket_api.http.metering import Meter
from bucket_api.http.schemas.kinds import Answer
from bucket_api.http.services import App

METRICS_TYPE: Final = "text/plain; version=0.0.4"
router = APIRouter(tags=["health"])


class Alive(Answer):
    """The process answers."""

    alive: bool = True


class Ready(Answer):
    """Whether requests can be served; what is missing otherwise."""

    ready: bool
    missing: dict[str, str]


@router.get("/healthz")
async def alive() -> Alive:
    """Whether the process answers."""
    return Alive()


@router.get("/readyz")
async def ready(app: App, response: Response) -> Ready:
    """Whether storage, bus and key set can be used."""
    missing = dict(await app.missing())
    response.status_code = 503 if missing else 200
    return Ready(ready=not missing, missing=missing)


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Measures of this process in Prometheus' text format."""
    meter: Meter = request.app.state.meter
    return Response(meter.exposition(), media_type=METRICS_TYPE)
