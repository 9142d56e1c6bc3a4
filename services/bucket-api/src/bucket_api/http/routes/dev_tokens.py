"""Tokens of the development issuer. This router exists in development only and is no part of the published API."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import StringConstraints

from bucket_api.http.dev_issuer import SCOPES_OF, DevIssuer, Role
from bucket_api.http.schemas.kinds import Answer, Body

PATH = "/dev/tokens"
router = APIRouter(include_in_schema=False)


class TokenBody(Body):
    """For whom."""

    tenant: Annotated[str, StringConstraints(pattern=r"^t_[A-Za-z0-9_-]{1,60}$")] = "t_demo"
    role: Role = "administrator"


class TokenAnswer(Answer):
    """A bearer token and what it allows."""

    token: str
    scopes: list[str]


@router.post(PATH)
async def sign(request: Request, body: TokenBody) -> TokenAnswer:
    """Sign a token for a tenant and role."""
    issuer = request.app.state.dev_issuer
    assert isinstance(issuer, DevIssuer)  # noqa: S101 - set where this router is added
    scopes = SCOPES_OF[body.role]
    return TokenAnswer(
        token=issuer.token(body.tenant, f"us_{body.role}", scopes, name=body.role.capitalize()), scopes=list(scopes)
    )
