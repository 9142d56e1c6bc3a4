"""The documentation page: every operation, nothing loaded from elsewhere, nothing unescaped."""

import json
import re

from bucket_api.http.docs_page import page
from bucket_api.http.document import openapi_document

DOCUMENT = json.loads(openapi_document())


def test_every_operation_and_schema_is_on_the_page() -> None:
    text = page(DOCUMENT)
    for path, operations in DOCUMENT["paths"].items():
        for method in operations:
            assert f"<span class=m>{method.upper()}</span><code>{path}</code>" in text
    for name in DOCUMENT["components"]["schemas"]:
        assert f"id='{name}'" in text


def test_every_link_leads_somewhere_on_this_server() -> None:
    text = page(DOCUMENT)
    anchors = set(re.findall(r"id='([^']+)'", text))
    links = set(re.findall(r"href='?([^'>\s]+)", text))
    assert {link[1:] for link in links if link.startswith("#")} <= anchors
    assert {link for link in links if not link.startswith("#")} == {"/docs/openapi.json"}
    assert "<script" not in text
    assert "src=" not in text


def test_texts_are_escaped() -> None:
    operation = {"tags": ["<b>"], "description": "<script>", "responses": {}, "parameters": []}
    text = page({**DOCUMENT, "paths": {"/<x>": {"get": operation}}})
    assert "<script>" not in text
    assert "<b>" not in text
