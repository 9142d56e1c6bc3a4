"""What must hold between tenants, and of identifiers in documents that anybody may read. Pure, as `audit_checks`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.support.audit_checks import IDENTIFIERS, Evidence


def tenants_keep_to_themselves(evidence: Evidence, owners: Mapping[str, str]) -> Iterator[str]:
    """Pages, datasets and events name clients and buckets of their own tenant. `owners`: tenant by client."""
    for page in evidence.pages:
        bucket = evidence.buckets.get(page.bucket)
        if bucket is not None and bucket["tenant_id"] != page.tenant:
            yield f"tenant {page.id}: the page is of {page.tenant}, its bucket of {bucket['tenant_id']}"
        strangers = [client for client in page.clients if owners.get(client, page.tenant) != page.tenant]
        if strangers:
            yield f"tenant {page.id}: {len(strangers)} clients of another tenant"
    for identity, dataset in evidence.datasets.items():
        tenant, client, *_ = identity.split(":")
        if dataset["tenant_id"] != tenant or owners.get(client, tenant) != tenant:
            yield f"tenant {identity}: of {dataset['tenant_id']}, its client of {owners.get(client)}"
    for entry in evidence.logged:
        bucket = evidence.buckets.get(entry.event.bucket)
        if bucket is not None and bucket["tenant_id"] != entry.event.tenant:
            yield f"tenant events {entry.partition}:{entry.offset}: names {entry.event.tenant} for another's bucket"


def documents_hold_no_identifier(documents: Mapping[str, Iterable[Mapping[str, Any]]]) -> Iterator[str]:
    """No GSTIN or PAN in a document of these collections, neither in keys nor in values."""
    for collection, found in documents.items():
        for document in found:
            if any(IDENTIFIERS.search(text.encode()) for text in _texts(document)):
                yield f"PII {collection} {document['_id']}: a GSTIN or PAN in plain text"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield str(key)
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value
