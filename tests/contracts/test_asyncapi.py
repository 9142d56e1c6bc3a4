"""The committed message catalogue is the one that the code makes."""

import json
from pathlib import Path

from sync_contracts.asyncapi import MESSAGES, document, text
from sync_contracts.topics import DEAD_LETTERS, TOPICS

COMMITTED = Path(__file__).parents[2] / "docs" / "asyncapi.json"


def test_the_committed_document_equals_the_generated_one() -> None:
    assert COMMITTED.read_text() == text(), "run: make docs"


def test_every_topic_has_a_channel_and_every_typed_one_its_messages() -> None:
    channels = document()["channels"]
    assert set(channels) == {topic.name for topic in TOPICS}
    assert {name for name, channel in channels.items() if not channel["messages"]} == {DEAD_LETTERS.name}


def test_every_reference_leads_somewhere() -> None:
    made = document()
    for reference in _references(json.loads(text())):
        found = made
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found


def test_every_message_names_its_schema_header() -> None:
    headers = {
        name: message["headers"]["properties"]["schema"]["const"]
        for name, message in document()["components"]["messages"].items()
    }
    assert headers == {kind.__name__: schema for schema, kinds in MESSAGES.values() for kind in kinds}


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [reference for part in value.values() for reference in _references(part)]
    return [reference for part in value for reference in _references(part)] if isinstance(value, list) else []
