"""Refusals of parameters."""

from portal_sandbox.envelope import Refusal

INVALID_PERIOD = Refusal("AUTH113")
MISSING_PARAMETER = Refusal("AUTH141")
INVALID_PARAMETER = Refusal("AUTH143")
