"""What can be asked for, and the words in which answers are told; and who asks."""

from fastapi import APIRouter
from sync_contracts.catalogue import MODULES, PRESETS, ClientKind
from sync_contracts.reasons import REASONS

from bucket_api.buckets.creation import today_in_india
from bucket_api.buckets.periods import default_period
from bucket_api.http.auth import SignedIn
from bucket_api.http.problems import PROBLEMS
from bucket_api.http.schemas.catalogue import (
    Modules,
    Presets,
    Reasons,
    module_answer,
    preset_answer,
    reason_answer,
)
from bucket_api.http.schemas.kinds import Answer
from bucket_api.http.schemas.problem import Problems, problem_kind
from bucket_api.http.services import App

router = APIRouter(prefix="/v1", tags=["catalogue"])


class Named(Answer):
    """A user or a tenant."""

    id: str
    name: str


class Me(Answer):
    """Who the token speaks for, and what it allows."""

    user: Named
    tenant: Named
    scopes: list[str]
    client_filter: str | None
    features: list[str]
    locale: str


@router.get("/me")
async def me(caller: SignedIn) -> Me:
    """Who asks."""
    tenant = caller.tenant.tenant_id
    return Me(
        user=Named(id=caller.subject, name=caller.name or caller.subject),
        tenant=Named(id=tenant, name=tenant),
        scopes=sorted(caller.scopes),
        client_filter=None,
        features=["r1"],
        locale="en-IN",
    )


@router.get("/presets")
async def presets(_: SignedIn) -> Presets:
    """Named sets of modules."""
    return Presets(items=[preset_answer(preset) for preset in PRESETS.values()])


@router.get("/modules")
async def modules(_: SignedIn, app: App) -> Modules:
    """What can be asked for of a client, with today's default period."""
    today = today_in_india(app.now())
    items = [
        module_answer(info, default_period(module, ClientKind.REGULAR, today), app.cooldowns_s[module])
        for module, info in MODULES.items()
    ]
    return Modules(items=items)


@router.get("/reasons")
async def reasons(_: SignedIn) -> Reasons:
    """Why a unit can be as it is, who makes the next step, and which."""
    return Reasons(items=[reason_answer(reason) for reason in REASONS.values()])


@router.get("/problems")
async def problems(_: SignedIn) -> Problems:
    """Every problem that this service answers with."""
    return Problems(items=[problem_kind(code, kind) for code, kind in PROBLEMS.items()])
