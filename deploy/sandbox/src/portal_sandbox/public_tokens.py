"""Tokens of the public API: they belong to the GSP or ASP, not to a taxpayer."""

import secrets
from collections import OrderedDict

_KEPT = 10_000


class PublicTokens:
    """Token -> expiry in virtual seconds; the oldest are forgotten at 10,000."""

    def __init__(self, life_s: float) -> None:
        self._life_s = life_s
        self._expires_s: OrderedDict[str, float] = OrderedDict()

    def issue(self, now_s: float) -> str:
        token = secrets.token_hex(16)
        self._expires_s[token] = now_s + self._life_s
        if len(self._expires_s) > _KEPT:
            self._expires_s.popitem(last=False)
        return token

    def refusal_code(self, token: str, now_s: float) -> str | None:
        expires_s = self._expires_s.get(token)
        if expires_s is None:
            return "RET11407"
        return None if now_s < expires_s else "AUTH4038"

    @property
    def life_min(self) -> int:
        return int(self._life_s // 60)
