"""A tax practice as a user of the service: it speaks HTTP with the terminal client, its taxpayers read out OTPs."""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from syncbucket_cli.cells import FINAL
from syncbucket_cli.client import Client, Refused, Unreachable

from tests.support.command_line import CommandLine
from tests.support.eventually import PATIENCE_S, eventually_blocking
from tests.support.registrations import Registration, client_file
from tests.support.sandbox_control import SandboxControl

Json = dict[str, Any]
ASKED_AT_ONCE = 16


def token_for(api_url: str, tenant: str, role: str = "administrator") -> str:
    """A token of the development issuer."""
    with Client(api_url, None) as anybody:
        return str(anybody.request("POST", "/dev/tokens", json={"tenant": tenant, "role": role}).json()["token"])


@dataclass
class Practice:
    """One tenant with its clients; ids of clients by GSTIN are known after `take_on`."""

    url: str
    api: Client
    sandbox: SandboxControl
    tenant: str
    ids: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, api_url: str, sandbox: SandboxControl, name: str) -> "Practice":
        """A new tenant; `name` only helps whoever reads the database."""
        tenant = f"t_{name}_{uuid4().hex[:8]}"
        return cls(api_url, Client(api_url, token_for(api_url, tenant)), sandbox, tenant)

    def close(self) -> None:
        self.api.close()

    def colleague(self, role: str) -> Client:
        """The service as another person of the practice sees it; to be closed."""
        return Client(self.url, token_for(self.url, self.tenant, role))

    def command_line(self) -> CommandLine:
        """The terminal client with this practice's token."""
        return CommandLine(self.url, token_for(self.url, self.tenant))

    def take_on(self, clients: list[Registration], *, sessions: bool = True) -> None:
        """Import clients, and open a portal session for each that answers."""
        self.import_clients(clients)
        if sessions:
            self.log_in([client.gstin for client in clients])

    def import_clients(self, clients: list[Registration]) -> Json:
        """Check and save a client file; returns the import."""
        return self.import_file(client_file(clients))

    def import_file(self, file: bytes) -> Json:
        """As `import_clients`, of a file as it is."""
        checked = self.api.import_clients(file, "clients.csv")
        saved = self.api.commit_import(checked["id"])
        self.ids |= {known["gstin"]: known["id"] for known in self.api.pages("/v1/clients")}
        return saved

    def log_in(self, gstins: Iterable[str]) -> dict[str, Json]:
        """Ask each taxpayer for a one-time password and enter it; the requests as they stand, by GSTIN."""
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            numbers = list(gstins)
            return dict(zip(numbers, pool.map(self._log_in_one, numbers), strict=True))

    def ask_otp(self, gstin: str) -> Json:
        """The OTP request once the portal has answered."""
        path = f"/v1/clients/{self.ids[gstin]}/otp-requests"
        return self._settled(self._asked(path, {"consent": "30d"}))

    def submit_otp(self, request: Json, otp: str) -> Json:
        """The OTP request after the code. Raises `Refused` when the portal did not take it."""
        return self._settled(request | self._asked(f"/v1/otp-requests/{request['id']}/submit", {"otp": otp}))

    def try_otp(self, request: Json, otp: str) -> Json:
        """As `submit_otp`; a refusal is its `problem`."""
        try:
            return self.submit_otp(request, otp)
        except Refused as refused:
            return request | {"problem": refused.problem}

    def start(self, *modules: str, key: str | None = None, **plan: Any) -> str:
        """Start a bucket over all clients unless the plan says otherwise; returns its id."""
        body = {"selection": {"all": True}, "modules": list(modules), **plan}
        return str(self.api.start(body, key)[0]["id"])

    def retry(self, bucket_id: str, *, key: str | None = None, dry_run: bool = False, **chosen: Any) -> Json:
        """Run units of a bucket again; `chosen`: filter, all, preview, note."""
        return self.api.act(bucket_id, {"kind": "retry", **chosen}, key=key, dry_run=dry_run)

    def only(self, *clients: Registration) -> Json:
        """A selection of these clients."""
        return {"add": [self.ids[client.gstin] for client in clients]}

    def bucket(self, bucket_id: str, *, fresh: bool = False) -> Json:
        """The bucket; `fresh`: recounted from its pages."""
        return self.api.get(f"/v1/buckets/{bucket_id}", **({"fresh": "true"} if fresh else {}))

    def ended(self, bucket_id: str, deadline_s: float = PATIENCE_S) -> Json:
        """The bucket once it has ended."""
        return self.when(bucket_id, lambda bucket: bucket["verdict"] is not None, deadline_s)

    def when(self, bucket_id: str, holds: Callable[[Json], bool], deadline_s: float = PATIENCE_S) -> Json:
        """The bucket as soon as the condition holds for a fresh count; the service may be away meanwhile."""

        def seen() -> Json | None:
            try:
                bucket = self.bucket(bucket_id, fresh=True)
            except Unreachable:
                return None
            return bucket if holds(bucket) else None

        found = eventually_blocking(seen, deadline_s, what=f"bucket {bucket_id}")
        assert found is not None
        return found

    def units(self, bucket_id: str, **chosen: Any) -> list[Json]:
        """Units of a bucket; `chosen`: state, module, client_id …"""
        return list(self.api.pages(f"/v1/buckets/{bucket_id}/units", **chosen))

    def unit(self, bucket_id: str, client: Registration, module: str) -> Json:
        """The only unit of this client and module."""
        (unit,) = self.units(bucket_id, client_id=self.ids[client.gstin], module=module)
        return unit

    def full_unit(self, bucket_id: str, client: Registration, module: str) -> Json:
        """The unit with what is stored of its data."""
        listed = self.unit(bucket_id, client, module)
        return self.api.get(f"/v1/buckets/{bucket_id}/units/{listed['id']}")

    def _log_in_one(self, gstin: str) -> Json:
        asked = self.ask_otp(gstin)
        otp = self.sandbox.otp(gstin) if asked["state"] == "sent" else None
        return asked if otp is None else self.try_otp(asked, otp)

    def _asked(self, path: str, body: Json) -> Json:
        """The answer; asked again, as a new request, while the service says that it has accepted nothing."""

        def answered() -> Json | None:
            headers = {"Idempotency-Key": uuid4().hex}
            try:
                return dict(self.api.request("POST", path, json=body, headers=headers).json())
            except Refused as refused:
                if refused.problem.get("code") != "unavailable":
                    raise
                return None

        found = eventually_blocking(answered, what=f"POST {path} is accepted")
        assert found is not None
        return found

    def _settled(self, request: Json) -> Json:
        if request["state"] not in {"requested", "verifying"}:
            return request

        def answered() -> Json | None:
            now = self.api.get(f"/v1/otp-requests/{request['id']}")
            return None if now["state"] in {"requested", "verifying"} else now

        settled = eventually_blocking(answered, what="the portal answers the OTP step")
        assert settled is not None
        return settled


def states(units: list[Json]) -> Counter[str]:
    """How many units are in which state."""
    return Counter(unit["state"] for unit in units)


def share_ended(bucket: Json) -> float:
    """Units in a final state, as a share of all."""
    counters = bucket["counters"]
    return float(sum(counters[state] for state in FINAL) / counters["total"])
