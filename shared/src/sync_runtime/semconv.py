"""Names of span attributes, in one place: OpenTelemetry's conventions (messaging is still "development") and our own.

A span attribute that is not in `ALLOWED` is dropped at export.
"""

from typing import Final

MESSAGING_SYSTEM: Final = "messaging.system"
MESSAGING_OPERATION_NAME: Final = "messaging.operation.name"
MESSAGING_OPERATION_TYPE: Final = "messaging.operation.type"
MESSAGING_DESTINATION: Final = "messaging.destination.name"
MESSAGING_PARTITION: Final = "messaging.destination.partition.id"
MESSAGING_GROUP: Final = "messaging.consumer.group.name"
MESSAGING_BATCH_COUNT: Final = "messaging.batch.message_count"
MESSAGING_KAFKA_OFFSET: Final = "messaging.kafka.offset"
HTTP_METHOD: Final = "http.request.method"
HTTP_STATUS: Final = "http.response.status_code"
HTTP_ROUTE: Final = "http.route"
DB_SYSTEM: Final = "db.system.name"
DB_OPERATION: Final = "db.operation.name"
DB_COLLECTION: Final = "db.collection.name"
ERROR_TYPE: Final = "error.type"
EXCEPTION_TYPE: Final = "exception.type"

TENANT: Final = "sync.tenant"
BUCKET: Final = "sync.bucket"
CLIENT: Final = "sync.client"
PAGE: Final = "sync.page"
PAGES: Final = "sync.pages"
UNITS: Final = "sync.units"
MODULE: Final = "sync.module"
ATTEMPT: Final = "sync.attempt"
CODE: Final = "sync.code"
ROWS: Final = "sync.rows"
QUEUE_MS: Final = "sync.queue_ms"
CALL_MS: Final = "sync.call_ms"
CALLS: Final = "sync.calls"
PORTAL_ACTION: Final = "sync.portal_action"
KEPT_BECAUSE: Final = "sync.kept_because"

ALLOWED: Final = frozenset(
    value for name, value in dict(globals()).items() if name.isupper() and isinstance(value, str)
)
"""Internal ids and technical values only; never a GSTIN, PAN, name, token or text of the portal."""
