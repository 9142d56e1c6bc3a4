"""What is measured of requests: how many, how long, how answered; by route, never by tenant."""

from typing import Final, Protocol

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Meter(Protocol):
    """The metrics of this process."""

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""

    def refused(self, policy: str) -> None:
        """A request was beyond its tenant's rate."""

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        ...


class Unmetered:
    """Measures nothing."""

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Not counted."""

    def refused(self, policy: str) -> None:
        """Not counted."""

    def exposition(self) -> bytes:
        """Nothing."""
        return b""


def known_method(method: str) -> str:
    """The method as a label with few values, whatever callers invent."""
    return method if method in _METHODS else "other"
