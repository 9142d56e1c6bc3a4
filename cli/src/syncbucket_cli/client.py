"""The service over HTTP: one method per request that the commands need. Answers are the decoded JSON of the API."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx

Json = dict[str, Any]
PAGE_SIZE = 500
MAX_PAGES = 10_000
SHOWN_UNKNOWN = 10
_UNSENDABLE = (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeEncodeError)


class Refused(Exception):
    """The service answered with a problem document. `retry_after_s`: when to ask again, None when it does not say."""

    def __init__(self, problem: Json, retry_after_s: float | None = None) -> None:
        super().__init__(f"{problem.get('code', 'error')}: {problem.get('detail') or problem.get('title', '')}")
        self.problem = problem
        self.retry_after_s = retry_after_s

    @property
    def rate_limited(self) -> bool:
        """Whether the service only asks to slow down."""
        return self.problem.get("code") == "rate_limited"


class Unreachable(Exception):
    """No answer: the service is not running, or the address is wrong."""


class Client:
    """One tenant's view of the service. `token` is a bearer token; None only for requests that need none."""

    def __init__(self, url: str, token: str | None, *, timeout_s: float = 65.0) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s, trust_env=False)
        except _UNSENDABLE as error:
            raise _unsendable() from error

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One request. Raises `Refused` for a problem and `Unreachable` when there is no answer."""
        try:
            answer = self._http.request(
                method, path, json=json, content=content, params=params, headers=dict(headers or {})
            )
        except _UNSENDABLE as error:
            raise _unsendable() from error
        except httpx.TransportError as error:
            message = f"no answer from {self._http.base_url}: {type(error).__name__}. Is the service up (make up)?"
            raise Unreachable(message) from error
        if answer.status_code >= 400:
            raise Refused(_problem(answer), _retry_after_s(answer))
        return answer

    def get(self, path: str, **params: Any) -> Json:
        """GET a JSON object."""
        answer: Json = self.request("GET", path, params=params).json()
        return answer

    def pages(self, path: str, **params: Any) -> Iterator[Json]:
        """Every item of a list, page by page."""
        token: str | None = None
        for _ in range(MAX_PAGES):
            page = self.get(path, page_size=PAGE_SIZE, **params, **({"page_token": token} if token else {}))
            yield from page["items"]
            token = page.get("next_page_token")
            if not token:
                return
        raise Refused({"code": "too_many", "detail": "the list did not end"})

    def import_clients(self, content: bytes, file_name: str, *, on_existing: str = "update") -> Json:
        """Check a CSV file of clients; nothing is saved."""
        answer: Json = self.request(
            "POST",
            "/v1/client-imports",
            content=content,
            params={"on_existing": on_existing, "file_name": file_name},
            headers={"Content-Type": "text/csv"},
        ).json()
        return answer

    def commit_import(self, import_id: str) -> Json:
        """Save the good rows of a checked import."""
        answer: Json = self.request(
            "POST", path_of("client-imports", import_id, "commit"), json={"rows": "valid"}
        ).json()
        return answer

    def start(self, plan: Json, key: str | None = None) -> tuple[Json, bool]:
        """Start a bucket. Returns it, and whether an active bucket of the same plan was opened instead."""
        answer = self.request("POST", "/v1/buckets", json=plan, headers={"Idempotency-Key": key or uuid4().hex})
        return answer.json(), answer.headers.get("Bucket-Reused") == "true"

    def client_ids(self, gstins: Sequence[str]) -> list[str]:
        """The clients of these GSTINs. Raises `Refused` with the GSTINs that are not in the Client Master."""
        found = self.request("POST", "/v1/client-lookups", json={"lines": list(gstins)}).json()
        if unknown := [line["text"] for line in found["unknown"]]:
            more = f" and {len(unknown) - SHOWN_UNKNOWN:,} more" if len(unknown) > SHOWN_UNKNOWN else ""
            named = ", ".join(unknown[:SHOWN_UNKNOWN])
            raise Refused({"code": "unknown_clients", "detail": f"not in the Client Master: {named}{more}"})
        return [match["client_id"] for match in found["matched"]]

    def act(self, bucket_id: str, body: Json, *, key: str | None = None, dry_run: bool = False) -> Json:
        """Retry, cancel, pause or resume; answers the action, of a dry run what it would do."""
        answer: Json = self.request(
            "POST",
            path_of("buckets", bucket_id, "actions"),
            json=body,
            params={"dry_run": "true"} if dry_run else None,
            headers={"Idempotency-Key": key or uuid4().hex},
        ).json()
        return answer

    def cancel(self, bucket_id: str, note: str | None) -> Json:
        """Cancel a bucket; answers the action."""
        return self.act(bucket_id, {"kind": "cancel", **({"note": note} if note else {})})

    def snapshot(self, bucket_id: str) -> Json:
        """All cells of a bucket with its columns and counters, of one version."""
        answer: Json = self.request(
            "GET", path_of("buckets", bucket_id, "snapshot"), headers={"Accept": "application/json"}
        ).json()
        return answer


def path_of(*parts: str) -> str:
    """The address of a thing. What a person typed stays one part of it, whatever characters it has."""
    return "/v1/" + "/".join(quote(part, safe="").replace(".", "%2E") for part in parts)


def _unsendable() -> Refused:
    detail = "the address, the token or the key cannot be sent in a request"
    return Refused({"code": "invalid_request", "detail": detail})


def _problem(answer: httpx.Response) -> Json:
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict) and "code" in problem:
        return problem
    return {"code": f"http_{answer.status_code}", "title": "The service answered without a problem document"}


def _retry_after_s(answer: httpx.Response) -> float | None:
    """The header in its form of seconds; a date counts as not said."""
    told = answer.headers.get("Retry-After", "")
    return float(told) if told.isascii() and told.isdigit() else None
