"""The line of a running stack as users see it and its operator steers it, and what attempts a bucket has spent."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from syncbucket_cli.client import Client

from tests.support.eventually import PATIENCE_S, eventually_blocking
from tests.support.practices import token_for
from tests.support.running_stack import RunningStack

Json = dict[str, Any]
LINE = "up_gst_1"


class OperatedLine:
    """The line with an operator's rights."""

    def __init__(self, running: RunningStack, api: Client) -> None:
        self._running = running
        self.api = api

    def now(self) -> Json:
        """How the line stands."""
        return self.api.get(f"/v1/upstreams/{LINE}")

    def family(self, name: str) -> Json:
        """How one API family stands; an open one before its first call."""
        found = [family for family in self.now()["families"] if family["family"] == name]
        return found[0] if found else {"family": name, "breaker": "closed", "since": None}

    def when(self, holds: Callable[[Json], bool], deadline_s: float = PATIENCE_S, *, what: str = "the line") -> Json:
        """The line as soon as the condition holds."""

        def seen() -> Json | None:
            line = self.now()
            return line if holds(line) else None

        found = eventually_blocking(seen, deadline_s, what=what)
        assert found is not None
        return found

    def set_limit(self, limit_per_s: float) -> Json:
        """The operator's change; the line as it is answered."""
        answer: Json = self.api.request("PATCH", f"/v1/upstreams/{LINE}", json={"limit_per_s": limit_per_s}).json()
        return answer

    def outages(self) -> list[Json]:
        """When gates were closed, newest first."""
        found: list[Json] = self.api.get(f"/v1/upstreams/{LINE}/history")["items"]
        return found

    def codes(self, bucket_id: str) -> tuple[Counter[str], Counter[str]]:
        """Codes of a bucket's attempts that were tried again: counted against their units, and not counted."""
        counted, free = Counter[str](), Counter[str]()
        seen = set()
        for document in self._running.database["attempts"].find({"b": bucket_id}):
            for ci, mi, attempt, code, is_counted, *_ in document["u"]:
                if (document["p"], ci, mi, attempt, code) not in seen:
                    seen.add((document["p"], ci, mi, attempt, code))
                    (counted if is_counted else free)[code] += 1
        return counted, free


@contextmanager
def operated_line(running: RunningStack) -> Iterator[OperatedLine]:
    """Signed in as the operator."""
    token = token_for(running.settings.api_url, "t_operator", "operator")
    with Client(running.settings.api_url, token) as api:
        yield OperatedLine(running, api)
