"""The OpenAPI document as text: what `docs/openapi.json` holds and what is served."""

import json

from opentelemetry.trace import NoOpTracer

from bucket_api.http.application import http_application
from bucket_api.http.auth import Gate
from bucket_api.http.keys import KeySet
from bucket_api.http.tokens import Issuer


async def _no_keys() -> bytes:
    return b'{"keys": []}'


def openapi_document() -> str:
    """The document, made without opening anything."""
    app = http_application(Gate(KeySet(_no_keys), Issuer("", "")), NoOpTracer())
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"
