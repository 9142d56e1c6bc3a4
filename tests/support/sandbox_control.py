"""The simulated portal as tests command it: scripted faults, taxpayers, clock, journal, one-time passwords."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx

Json = dict[str, Any]
DATA_ACTIONS = frozenset({"GET2B", "RETTRACK", "NOTICELIST", "NOTICEDTL", "NOTICEDOC"})
_PAGE = 10_000
_PAGES_MAX = 100


@dataclass(frozen=True)
class Call:
    """One request that the portal saw. `section` is the part of a 2B, empty for the whole; `http` 0: no answer yet.

    `gstin_in_flight`: calls of this registration at its start, with itself.
    """

    seq: int
    at_s: float
    gstin: str
    surface: str
    action: str
    period: str
    section: str
    http: int
    code: str
    ms: float
    gstin_in_flight: int


class SandboxControl:
    """The control port."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/control/v1", timeout=30, trust_env=False)
        self.otps_read: set[str] = set()

    def close(self) -> None:
        self._http.close()

    @contextmanager
    def fault(
        self, kind: str, *, times: int | None = None, code: str = "", http: int | None = None,
        delay_ms: int | None = None, **match: str,
    ) -> Iterator[None]:  # fmt: skip
        """A scripted fault, gone at the end of the block."""
        name = self.script(kind, times=times, code=code, http=http, delay_ms=delay_ms, **match)
        try:
            yield
        finally:
            self._request("DELETE", f"/scenarios/{name}")

    def script(
        self, kind: str, *, times: int | None = None, code: str = "", http: int | None = None,
        delay_ms: int | None = None, **match: str,
    ) -> str:  # fmt: skip
        """A scripted fault; returns its name. `match`: gstin, surface, action, section, period."""
        effect = {"kind": kind, "code": code, "http": http, "delay_ms": delay_ms}
        name = uuid4().hex
        self._request("PUT", f"/scenarios/{name}", {"match": match, "times": times, "effect": effect})
        return name

    @contextmanager
    def latency(self, *, p50_ms: float, p95_ms: float | None = None, p99_ms: float | None = None) -> Iterator[None]:
        """Other waiting times than the profile's, gone at the end of the block."""
        p95_ms = p95_ms or p50_ms * 1.5
        profile = {"p50_ms": p50_ms, "p95_ms": p95_ms, "p99_ms": p99_ms or p95_ms * 1.5, "timeout_ratio": 0.0}
        self._request("PUT", "/faults", {"latency": profile})
        try:
            yield
        finally:
            self._request("PUT", "/faults", {})

    @contextmanager
    def outage(self, error_ratio: float, *, code: str = "RET13505", http: int = 500, **match: str) -> Iterator[None]:
        """A part of all calls fails at random until the end of the block; `match`: surface, action …"""
        faults = {"error_ratio": error_ratio, "code": code, "http": http, "match": match}
        self._request("PUT", "/faults", faults)
        try:
            yield
        finally:
            self._request("PUT", "/faults", {})

    def limit(self, **limits: Any) -> None:
        """What the portal tolerates from now on: gsp_per_s, gsp_burst, gstin_concurrency, refuse_with, retry_after."""
        self._request("PUT", "/rates", limits)

    def otp(self, gstin: str) -> str | None:
        """The one-time password that the taxpayer reads out; None when none was asked, or it is not passed on."""
        answer = self._http.get(f"/otp/{gstin}")
        if answer.status_code == 404:
            return None
        otp = str(answer.raise_for_status().json()["otp"])
        self.otps_read.add(otp)
        return otp

    def change(self, gstin: str, **change: Any) -> None:
        """What the taxpayer or the portal changes: access, revoke, username, login, twob, notices, regenerate."""
        self._request("POST", f"/taxpayers/{gstin}", change)

    def now(self) -> float:
        """The portal's clock, epoch seconds."""
        return _seconds(self._request("GET", "/clock").json()["now"])

    def calls(self, *, since_s: float = 0.0, **chosen: str) -> list[Call]:
        """Requests that began at the portal's time `since_s` or later; `chosen`: gstin, surface, action, code."""
        found: list[Call] = []
        params = {"limit": _PAGE, "from": datetime.fromtimestamp(since_s, UTC).isoformat(), **chosen}
        seq = 0
        for _ in range(_PAGES_MAX):
            page = self._request("GET", "/journal", params={**params, "since_seq": seq}).json()
            found += [_call(item) for item in page["items"]]
            if len(page["items"]) < _PAGE:
                return found
            seq = page["next_seq"]
        raise AssertionError("the journal did not end")

    def data_calls(self, *, since_s: float = 0.0, **chosen: str) -> list[Call]:
        """Requests for a taxpayer's data only, no log-in and no token."""
        return [call for call in self.calls(since_s=since_s, **chosen) if call.action in DATA_ACTIONS]

    def _request(self, method: str, path: str, body: Any = None, params: Json | None = None) -> httpx.Response:
        return self._http.request(method, path, json=body, params=params).raise_for_status()


def _call(item: Json) -> Call:
    names = ("seq", "gstin", "surface", "action", "period", "section", "http", "code", "ms", "gstin_in_flight")
    return Call(at_s=_seconds(item["at"]), **{name: item[name] for name in names})


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
