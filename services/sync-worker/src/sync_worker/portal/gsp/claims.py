"""Whose turn a session command is, pure: a step is claimed on its request before the portal is called, and only once.

What matches is always tenant, client, state and, for a code, which of the entered codes it is: a command that is
delivered again finds its own step over, never a later one that waits.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.documents import OtpRequestDocument, OtpState
from sync_contracts.sessions import SessionCommand, Step

_STATES: Final[Mapping[Step, tuple[OtpState, OtpState]]] = {
    "OTP_REQUEST": ("requested", "sending"),
    "OTP_SUBMIT": ("submitted", "verifying"),
    "CHECK": ("requested", "verifying"),
    "LOGOUT": ("requested", "sending"),
}
"""By step: the state in which its request waits for it, and the one in which it is claimed."""


class Claimed(Struct, frozen=True):
    """The step is ours to carry out; the request after the claim."""

    request: OtpRequestDocument


class Lost(Struct, frozen=True):
    """The step was claimed before and did not come to an end."""


class Over(Struct, frozen=True):
    """The request has gone on: nothing is to be done."""


class Foreign(Struct, frozen=True):
    """The command belongs to no request of this tenant and client."""

    reason: DeadLetterReason


Claim = Claimed | Lost | Over | Foreign


def waiting(command: SessionCommand) -> dict[str, Any]:
    """Matches the command's request while it waits for this step."""
    return _request(command, _STATES[command.step][0])


def under_way(command: SessionCommand) -> dict[str, Any]:
    """Matches the command's request while this step is claimed."""
    return _request(command, claimed_state(command))


def claimed_state(command: SessionCommand) -> OtpState:
    """The state of a request whose step is claimed."""
    return _STATES[command.step][1]


def unclaimed(command: SessionCommand, found: Mapping[str, Any] | None) -> Lost | Over | Foreign:
    """Why a step could not be claimed; `found` is the document of the request's id, whoever it belongs to."""
    if found is None:
        return Foreign(DeadLetterReason.UNKNOWN_UNIT)
    if found["tenant_id"] != command.tenant:
        return Foreign(DeadLetterReason.WRONG_TENANT)
    if found["client"] != command.client:
        return Foreign(DeadLetterReason.UNKNOWN_UNIT)
    is_claimed = all(found.get(name) == value for name, value in under_way(command).items())
    return Lost() if is_claimed else Over()


def _request(command: SessionCommand, state: OtpState) -> dict[str, Any]:
    which = {"submission": command.submission} if command.step == "OTP_SUBMIT" else {}
    return {"_id": command.request, "tenant_id": command.tenant, "client": command.client, "state": state, **which}
