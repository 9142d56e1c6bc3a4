"""The portal user on file: how its document is named, and when refused log-ins keep it from being used. Pure."""

from collections.abc import Mapping
from typing import Any, Final

GST_PORTAL_USER: Final = "gst_portal_user"
"""The only kind of credential so far: a user name at the GST portal."""

LOGINS_PER_DAY: Final = 2
"""Refused log-ins of a client in a day until nothing more is tried, where the setting says nothing else."""


def credential_id(tenant: str, client: str, kind: str = GST_PORTAL_USER) -> str:
    """`_id` in `credentials`."""
    return f"{tenant}:{client}:{kind}"


def is_guarded(guard: Mapping[str, Any] | None, cred_ver: int | None) -> bool:
    """Whether the log-in guard of `portal_sessions` stops a client; a change of its credential releases it.

    `cred_ver`: version of the credential on file, None when there is none.
    """
    return guard is not None and guard.get("cred_ver") == cred_ver and bool(guard.get("blocked"))
