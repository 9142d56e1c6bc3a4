"""What a refusal means for a unit that asked for data: an observation about the portal, or the refusal itself."""

from collections.abc import Mapping
from typing import Final

from sync_contracts.outcomes import Code, OutcomeClass

from sync_worker.modules.port import Observed, Refusal

_OBSERVED: Final = {
    OutcomeClass.EMPTY: Code.EMPTY,
    OutcomeClass.NOT_YET: Code.NOT_YET,
    OutcomeClass.PRECONDITION: Code.PRECONDITION,
    OutcomeClass.NOT_APPLICABLE: Code.NOT_APPLICABLE,
}
_OF_THIS_PART: Final = frozenset({*_OBSERVED, OutcomeClass.UNCHANGED, OutcomeClass.CLIENT_BUG})
_WORTH_GOING_ON: Final = frozenset({OutcomeClass.UNKNOWN, OutcomeClass.INTEGRITY})


def concluded(refusal: Refusal, details: Mapping[Code, Mapping[str, str]] | None = None) -> Observed | Refusal:
    """EMPTY, NOT_YET, PRECONDITION and NOT_APPLICABLE are observations, with what is known beside the code."""
    code = _OBSERVED.get(refusal.outcome)
    if code is None:
        return refusal
    return Observed(code, refusal.code, (details or {}).get(code, {}))


def is_missing(refusal: Refusal) -> bool:
    """Whether the portal says that a part which it announced does not exist."""
    return refusal.outcome in _OF_THIS_PART


def leaves_others_alone(refusal: Refusal) -> bool:
    """Whether other parts may still be asked for: the refusal speaks of this part only."""
    return refusal.outcome in _WORTH_GOING_ON
