"""The documentation as one plain page, made from the OpenAPI document. Loads nothing from elsewhere."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

router = APIRouter(include_in_schema=False)

_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h2{margin-top:2.5rem;text-transform:capitalize}details{border:1px solid #d5dae1;border-radius:6px;margin:.4rem 0}
summary{padding:.5rem .8rem;cursor:pointer}details>div{padding:0 1rem 1rem}code,pre{font:13px ui-monospace,monospace}
.m{display:inline-block;min-width:4.2rem;font-weight:600}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.2rem .6rem .2rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{background:#14171a;color:#e4e8ec}details{border-color:#3a4149}a{color:#8ab4f8}}
"""


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """The page."""
    return HTMLResponse(page(request.app.openapi()))


@router.get("/docs/openapi.json")
async def document(request: Request) -> JSONResponse:
    """The document that the page is made from, without a token."""
    return JSONResponse(request.app.openapi())


def page(document: Mapping[str, Any]) -> str:
    """The document as HTML. Pure."""
    info = document["info"]
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            groups.setdefault(operation["tags"][0], []).append("".join(_operation(method, path, operation)))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(parts)}" for tag, parts in groups.items())
    schemas = "".join(_schema(name, schema) for name, schema in document["components"]["schemas"].items())
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])} API</title>"
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1><p>{escape(info['summary'])}</p>"
        f"<p><a href=/docs/openapi.json>OpenAPI document</a></p>{body}<h2>Schemas</h2>{schemas}</html>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<details><summary><span class=m>{method.upper()}</span><code>{escape(path)}</code></summary><div>"
    yield f"<p>{escape(operation.get('description', ''))}</p>"
    scopes = [scope for entry in operation.get("security", ()) for named in entry.values() for scope in named]
    yield f"<p>Scope: <code>{escape(', '.join(scopes) or '–')}</code></p>"
    if parameters := operation.get("parameters"):
        rows = (
            f"<tr><td><code>{escape(p['name'])}</code><td>{escape(p['in'])}<td>{_type(p['schema'])}" for p in parameters
        )
        yield f"<table><tr><th>Parameter<th>In<th>Type{''.join(rows)}</table>"
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{escape(media)}</code> {_type(body.get('schema', {}))}</p>"
    for status, response in operation["responses"].items():
        kinds = ", ".join(_type(content.get("schema", {})) for content in response.get("content", {}).values())
        yield f"<p>{escape(status)}: {escape(response['description'])} {kinds}</p>"
    yield "</div></details>"


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code><td>{_type(kind)}" for field, kind in schema.get("properties", {}).items()
    )
    told = escape(schema.get("description", ""))
    return (
        f"<details id='{escape(name)}'><summary><code>{escape(name)}</code></summary>"
        f"<div><p>{told}</p><table>{rows}</table></div></details>"
    )


def _type(schema: Mapping[str, Any]) -> str:
    """A short name of a type, linked where it is a schema."""
    if reference := schema.get("$ref"):
        name = escape(reference.rsplit("/", 1)[-1])
        return f"<a href='#{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return escape(", ".join(map(str, schema["enum"])))
    return escape(str(schema.get("type", "any")))
