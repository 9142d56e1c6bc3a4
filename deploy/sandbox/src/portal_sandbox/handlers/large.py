"""Answers that may be too large to send at once."""

from collections.abc import Callable

from portal_sandbox.calls import Call
from portal_sandbox.data import PortalData
from portal_sandbox.envelope import Answer, Payload, Refusal


def listing(data: PortalData, call: Call, count: int, make: Callable[[], bytes]) -> Answer:
    """Nothing: the no-data code. Up to the threshold: the JSON. Beyond it: the token of a file."""
    if count == 0:
        return Refusal(data.no_data(call.family, call.action))
    if count > data.files.rules.threshold:
        return data.files.request(call, count, data.today, data.now_s)
    return Payload(make())
