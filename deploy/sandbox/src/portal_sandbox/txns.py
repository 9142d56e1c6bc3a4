"""Transaction numbers of style A: 32 letters or digits, never twice from one GSP."""

import re
from collections import OrderedDict

_SHAPE = re.compile(r"[0-9A-Za-z]{32}")
_KEPT = 200_000


class Transactions:
    """The numbers seen last, up to 200,000."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()

    def is_fresh(self, client_id: str, txn: str) -> bool:
        """True once per well-formed number."""
        if _SHAPE.fullmatch(txn) is None or (client_id, txn) in self._seen:
            return False
        self._seen[client_id, txn] = None
        if len(self._seen) > _KEPT:
            self._seen.popitem(last=False)
        return True
