"""Seeded draws: the same seed and purpose give the same numbers in every process and on every day."""

import random
from hashlib import blake2b


def seeded(seed: int, *purpose: str) -> random.Random:
    """A generator for one purpose, for example one taxpayer's 2B of one period."""
    key = blake2b("\x1f".join((str(seed), *purpose)).encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(key, "big"))  # noqa: S311 - repeatable on purpose, guards nothing
