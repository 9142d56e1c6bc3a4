"""Collections that the worker writes, and topics that it reads or writes."""

from sync_contracts import collections
from sync_contracts.topics import COMMANDS, DEAD_LETTERS, EVENTS, SESSIONS

WRITES = (
    collections.PORTAL_SESSIONS,
    collections.OTP_REQUESTS,
    collections.UPSTREAMS,
    collections.UPSTREAM_OUTAGES,
    collections.WORKER_REPORTS,
    collections.DATASETS,
    collections.DATASET_CHUNKS,
)
TOPICS = (COMMANDS, EVENTS, SESSIONS, DEAD_LETTERS)
