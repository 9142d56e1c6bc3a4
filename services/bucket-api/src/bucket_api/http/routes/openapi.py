"""The OpenAPI document of this API."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from bucket_api.http.auth import SignedIn

router = APIRouter(prefix="/v1", tags=["catalogue"])


@router.get("/openapi.json", response_class=JSONResponse)
async def openapi(_: SignedIn, request: Request) -> JSONResponse:
    """This document."""
    return JSONResponse(request.app.openapi())
