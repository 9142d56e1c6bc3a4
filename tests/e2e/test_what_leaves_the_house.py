"""F20 A2 and F10 A5, after everything else in this folder: no secret and no GSTIN or PAN is where it must not be.

Looked through: every log, every exported span, every topic with keys and headers, every collection but those whose
purpose is to hold clients. Numbers of one-time passwords are looked for as whole words only.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pytest
from sync_contracts.topics import TOPICS
from sync_worker.portal.gsp.keys import TOKEN_FIELD, KeyRing

from tests.support.raw_topics import RawTopics
from tests.support.registrations import registrations
from tests.support.running_stack import RunningStack

IDENTIFIERS = re.compile(
    rb"(?<![0-9A-Za-z])(\d{2}[A-Z]{5}\d{4}[A-Z][0-9A-Z]Z[0-9A-Z]|[A-Z]{5}\d{4}[A-Z])(?![0-9A-Za-z])"
)
"""A GSTIN or a PAN."""
RUN = re.compile(rb"[A-Za-z0-9+/_-]{8,}")
"""What a secret is a part of, wherever it is written."""
WORD = re.compile(rb"(?<![\w.:-])\d{6}(?![\w.:-])")
"""A one-time password that stands alone."""
CLIENT_COLLECTIONS = {"clients", "client_imports"}
OWN_SECRETS = {"sandbox-gsp-secret", "sandbox-asp-secret"}
OWN_PROCESSES = ("api", "dispatcher", "scheduler", "worker", "aggregator")
SECRET_FIELDS = ("token", "app_key", "ek", "handle")
LEAST_SECRETS = 20


@pytest.fixture(scope="module")
def something_happened(running: RunningStack) -> None:
    """Enough to look at when this file runs alone."""
    practice = running.practice("searched")
    practice.take_on(registrations(24, notices=1))
    practice.ended(practice.start("notices", "return_register", "gstr2b"))


@pytest.fixture(scope="module")
def secrets(running: RunningStack, something_happened: None) -> set[str]:
    """Everything secret that this run has seen: passwords, session tokens and keys, user names."""
    names = {f"tp{gstin[13::-1].lower()}" for gstin in _gstins(running)}
    keys = {text for ring in _key_rings(running) for text in _texts_of(ring)}
    assert len(keys) >= LEAST_SECRETS, "nobody had a session"
    return OWN_SECRETS | names | keys


@pytest.fixture(scope="module")
def otps(running: RunningStack, something_happened: None) -> set[bytes]:
    """Every one-time password that a taxpayer has read out."""
    assert len(running.sandbox.otps_read) >= LEAST_SECRETS
    assert all(WORD.fullmatch(otp.encode()) for otp in running.sandbox.otps_read)
    return {otp.encode() for otp in running.sandbox.otps_read}


def test_f20_a2_logs_hold_no_secret_and_no_identifier(
    running: RunningStack, secrets: set[str], otps: set[bytes]
) -> None:
    logs = [(name, text) for name, text in running.logs() if name.startswith(OWN_PROCESSES)]

    assert [name for name, text in logs if not text] == [], "these have logged nothing"
    assert len(logs) >= len(OWN_PROCESSES)
    assert list(_leaks(logs, secrets, otps)) == []


def test_f20_a2_spans_hold_no_secret_and_no_identifier(
    running: RunningStack, secrets: set[str], otps: set[bytes]
) -> None:
    exports = [(f"export {number}", body) for number, body in enumerate(running.traces.raw)]

    assert exports
    assert list(_leaks(exports, secrets, otps)) == []


async def test_f20_a2_and_f10_a5_topics_hold_no_secret_and_no_identifier(
    running: RunningStack, secrets: set[str], otps: set[bytes]
) -> None:
    topics = RawTopics(running.settings.kafka_bootstrap)
    texts = []
    for topic in TOPICS:
        for record in await topics.records(topic.name):
            headers = b" ".join(name.encode() + b"=" + value for name, value in record.headers)
            place = f"{topic.name} {record.partition}:{record.offset}"
            texts.append((place, b" ".join((record.key or b"", record.value or b"", headers))))

    assert len(texts) > 200
    assert list(_leaks(texts, secrets, otps)) == []


def test_f20_a2_documents_that_are_not_about_clients_hold_no_secret_and_no_identifier(
    running: RunningStack, secrets: set[str], otps: set[bytes]
) -> None:
    names = set(running.database.list_collection_names()) - CLIENT_COLLECTIONS
    texts = [
        (f"{name} {document['_id']}", repr(document).encode())
        for name in sorted(names)
        for document in running.database[name].find()
    ]

    assert {"buckets", "bucket_pages", "datasets", "portal_sessions", "credentials", "otp_requests"} <= names
    assert list(_leaks(texts, secrets, otps)) == []


def _leaks(texts: Iterable[tuple[str, bytes]], secrets: set[str], otps: set[bytes]) -> Iterator[str]:
    """Places that hold what they must not; what it is, is not repeated."""
    wanted = {secret.rstrip("=").encode() for secret in secrets}
    assert all(RUN.fullmatch(secret) for secret in wanted)
    lengths = sorted({len(secret) for secret in wanted})
    clean = set[bytes]()
    for place, text in texts:
        if IDENTIFIERS.search(text):
            yield f"an identifier in {place}"
        for run in set(RUN.findall(text)) - clean:
            if any(run[at : at + n] in wanted for n in lengths for at in range(len(run) - n + 1)):
                yield f"a secret in {place}"
            clean.add(run)
        if not otps.isdisjoint(WORD.findall(text)):
            yield f"a one-time password in {place}"


def _gstins(running: RunningStack) -> list[str]:
    return [client["gstin"] for client in running.database["clients"].find({}, {"gstin": 1})]


def _key_rings(running: RunningStack) -> Iterator[KeyRing]:
    """The opened session keys of every client."""
    decryptors: dict[str, Any] = {}
    for session in running.database["portal_sessions"].find({"token_enc": {"$type": "binData"}}):
        tenant, client = session["_id"].split(":")
        decryptor = decryptors.setdefault(tenant, running.decryptor(tenant))
        yield msgspec.json.decode(decryptor.decrypt(session["token_enc"], client, TOKEN_FIELD), type=KeyRing)


def _texts_of(ring: KeyRing) -> Iterator[str]:
    """Token and keys as they would be written."""
    for keys in filter(None, (ring.current, ring.pending)):
        written = msgspec.to_builtins(keys)
        yield from (written[name] for name in SECRET_FIELDS if written.get(name))
