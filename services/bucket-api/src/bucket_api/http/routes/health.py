"""Alive and ready, for load balancers and supervisors."""

from fastapi import APIRouter, Response

from bucket_api.http.schemas.kinds import Answer
from bucket_api.http.services import App

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
