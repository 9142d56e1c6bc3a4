"""The log-in guard as the worker keeps it: refused log-ins stop a client, so that its account is not locked. Pure."""

from collections.abc import Mapping
from typing import Any


def is_guarded(guard: Mapping[str, Any] | None, credential_version: int | None) -> bool:
    """Whether refused log-ins have stopped a client; a change of its credential releases it."""
    if guard is None or credential_version is None:
        return False
    return bool(guard.get("blocked")) and guard.get("cred_ver") == credential_version
