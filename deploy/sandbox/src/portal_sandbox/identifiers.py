"""Registration numbers (GSTIN) with their check character."""

import re

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHAPE = re.compile(r"[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z][A-Z1-9][0-9A-Z]")
STATES = frozenset({f"{code:02}" for code in range(1, 39)} | {"96", "97"})


def check_character(first14: str) -> str:
    """The fifteenth character: base-36 digits times 1, 2, 1, 2 …, quotient and remainder added up."""
    total = 0
    for position, character in enumerate(first14):
        product = _DIGITS.index(character) * (1 + position % 2)
        total += product // 36 + product % 36
    return _DIGITS[-total % 36]


def with_check_character(first14: str) -> str:
    return first14 + check_character(first14)


def is_gstin(text: str) -> bool:
    """Shape, state code and check character."""
    return (
        len(text) == 15
        and _SHAPE.fullmatch(text) is not None
        and text[:2] in STATES
        and check_character(text[:14]) == text[14]
    )
