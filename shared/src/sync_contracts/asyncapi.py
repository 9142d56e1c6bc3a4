"""The message catalogue as an AsyncAPI 3.0 document, made from the topics and the message types. Pure.

`python -m sync_contracts.asyncapi` prints it; `docs/asyncapi.json` is that text, and a test compares them.
"""

import sys
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from sync_contracts import commands, events, notifications, sessions
from sync_contracts.topics import BUCKETS, COMMANDS, EVENTS, SESSIONS, TOPICS, Topic

VERSION: Final = "1.0.0"
MESSAGES: Final[Mapping[str, tuple[str, tuple[type[Struct], ...]]]] = {
    COMMANDS.name: (commands.SCHEMA, (commands.Command,)),
    EVENTS.name: (
        events.SCHEMA,
        (events.Dispatched, events.Started, events.Retry, events.Succeeded, events.Failed, events.Cancelled),
    ),
    BUCKETS.name: (notifications.SCHEMA, (notifications.BucketEnded,)),
    SESSIONS.name: (sessions.SCHEMA, (sessions.SessionCommand,)),
}
"""Value of the `schema` header and the types of a topic. Dead letters keep the refused record's own shape."""

_REFERENCE: Final = "#/components/schemas/{name}"


def document() -> dict[str, Any]:
    """The whole document: one channel a topic, a send and a receive operation for each process."""
    types = [kind for _, kinds in MESSAGES.values() for kind in kinds]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Sync Bucket messages", "version": VERSION, "description": __doc__.splitlines()[0]},
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": dict(operation for topic in TOPICS for operation in _operations(topic)),
        "components": {"messages": {kind.__name__: _message(kind) for kind in types}, "schemas": schemas},
    }


def text() -> str:
    """The document as it is committed."""
    return msgspec.json.format(msgspec.json.encode(document(), order="sorted"), indent=2).decode() + "\n"


def _channel(topic: Topic) -> dict[str, Any]:
    kinds = MESSAGES[topic.name][1] if topic.name in MESSAGES else ()
    return {
        "address": topic.name,
        "description": f"Key {topic.key}; partition by {topic.partitioned_by}; a record has at most "
        f"{topic.max_record_bytes} bytes.",
        "messages": {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in kinds},
        "bindings": {
            "kafka": {
                "partitions": topic.partitions,
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": topic.retention_ms},
            }
        },
    }


def _operations(topic: Topic) -> list[tuple[str, dict[str, Any]]]:
    sides = [("send", name) for name in topic.producers] + [("receive", name) for name in topic.consumers]
    channel = {"$ref": f"#/channels/{topic.name}"}
    return [(f"{name} {action} {topic.name}", {"action": action, "channel": channel}) for action, name in sides]


def _message(kind: type[Struct]) -> dict[str, Any]:
    schema = next(schema for schema, kinds in MESSAGES.values() if kind in kinds)
    return {
        "name": kind.__name__,
        "summary": (kind.__doc__ or "").splitlines()[0],
        "headers": {
            "type": "object",
            "properties": {
                "schema": {"const": schema},
                "content-type": {"const": "application/json"},
                "traceparent": {"type": "string"},
            },
        },
        "payload": {"$ref": _REFERENCE.format(name=kind.__name__)},
    }


if __name__ == "__main__":
    sys.stdout.write(text())
