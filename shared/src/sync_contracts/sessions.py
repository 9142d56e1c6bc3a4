"""Session command: carry out one step of a client's portal session. Topic `gst.sync.sessions.v1`, at most 4 KiB.

The document in `otp_requests` is written first and is the truth; a lost or expired step ends there as failed.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from sync_contracts.commands import Id

SCHEMA: Final = "sync.session.v1"
MAX_BYTES: Final = 4096

Step = Literal["OTP_REQUEST", "OTP_SUBMIT", "CHECK", "LOGOUT"]


class SessionCommand(Struct, frozen=True, kw_only=True):
    """One step. `secret` (OTP_SUBMIT only): base64 of the code, encrypted for tenant, client and request.

    `submission` (OTP_SUBMIT only): which of the codes entered for this request; it must equal the number in the
    document, so that a code that is delivered again is never taken for a later one.
    """

    v: Literal[1] = 1
    tenant: Id
    client: Id
    request: Id
    step: Step
    secret: Annotated[str, Meta(max_length=684)] | None = None
    submission: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    expires_at: int


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(SessionCommand).decode
