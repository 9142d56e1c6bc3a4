"""What a module sees of the world: the portal and its own earlier parts, nothing of HTTP, sessions or MongoDB.

A module asks the portal in order, checks that what came is complete, and returns one `Result`. It never waits and never
raises for what a portal may answer: refusals are values. Where a check failed it may look once more at once; every
later try is the matter of whoever runs it.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from msgspec import Struct
from sync_contracts.outcomes import Code, OutcomeClass


class Call(Struct, frozen=True):
    """One question to the portal: a logical action of the profile (`twob.get`) with logical parameters (`period`)."""

    action: str
    params: Mapping[str, str] = {}


class Answer(Struct, frozen=True):
    """Data of the portal. `payload` is the decoded JSON, fractions as `Decimal`; `raw` its plain text."""

    payload: Any
    raw: bytes


class Link(Struct, frozen=True):
    """One file that the portal made. `url` is signed: it is fetched at once, never stored and never logged."""

    url: str
    sha256: str


class Files(Struct, frozen=True):
    """The files of one answer that was too large, in order, and the key that opens them."""

    key: bytes
    links: tuple[Link, ...]


SESSION_BUSY: Final = "SESSION_BUSY"
"""Code of a refusal (class RATE_LIMITED) that is not the portal's: another step of this client's session goes on."""
LOGIN_GUARD: Final = "LOGIN_GUARD"
"""Code of a refusal (class CREDENTIAL_INVALID) that is not the portal's: the log-in guard stopped this client until its
credential changes."""
NOT_OFFERED: Final = "NOT_OFFERED"
"""Code of a refusal (class NOT_APPLICABLE) that is not the portal's: this GSP does not offer the call."""


class Refusal(Struct, frozen=True):
    """The portal (or our own limiter, gate, session or guard) did not answer with data.

    `code` is the portal's own or one of the three above, never the portal's text.
    """

    outcome: OutcomeClass
    code: str | None = None
    http: int = 0
    retry_after_ms: int | None = None
    detail: Mapping[str, str] = {}

    @property
    def is_not_offered(self) -> bool:
        """Whether this GSP does not offer the call; a portal that says the same word means something else."""
        return self.code == NOT_OFFERED and self.outcome is OutcomeClass.NOT_APPLICABLE


class Portal(Protocol):
    """The portal as seen by one unit of one client. One rate permit per call; session handling is inside."""

    async def call(self, call: Call) -> Answer | Refusal:
        """Ask once. A missing rate permit, a closed gate and a dead session are refusals like any other."""
        ...


class FilePortal(Portal, Protocol):
    """The portal with answers that it lays down as files."""

    async def files(self, call: Call) -> Files | Refusal:
        """Where the files of a token are. WAITING_PORTAL while they are being made."""
        ...

    async def file(self, link: Link, key: bytes) -> Answer | Refusal:
        """One file, its hash checked, unpacked and opened. INTEGRITY for what is not the file that was announced."""
        ...


class Parts(Protocol):
    """Parts of this unit kept by an earlier attempt of the same bucket, for resume inside a unit."""

    async def kept(self, gen: str) -> Mapping[str, bytes]:
        """Parts stored under the portal's own marker `gen`; empty when none or when the marker differs."""
        ...

    async def keep(self, name: str, data: bytes, *, gen: str, expected: int) -> None:
        """Store one finished part durably under the client's fence."""
        ...


class Unloadable(Exception):
    """A stored version does not open. Holds no data."""

    log_safe = True


class Previous(Struct, frozen=True):
    """The stored dataset of the same client, module and period.

    `load()` gives its canonical plain text; raises `Unloadable`.
    """

    marker: str | None
    rows: int
    fetched_at: datetime
    load: Callable[[], Awaitable[bytes]]


class Request(Struct, frozen=True):
    """What a unit is asked for. `period` as in the plan; `now` aware UTC; `previous` None before the first success.

    `cont`: what the attempt before left to go on with (the token of a file that the portal prepares); `session`: names
    the portal session in force, so that what has no marker of the portal is joined within one session only.
    """

    gstin: str
    kind: str
    period: str | None
    now: datetime
    previous: Previous | None
    cont: str | None = None
    session: str = ""


class Fetched(Struct, frozen=True):
    """Complete and checked data.

    `body`: what is stored (canonical JSON, amounts as exact decimal text): a body equal to the stored one is no change.
    `rows` its record count; `marker` given back as `Previous.marker`, stored also when the body did not change;
    `totals`: control totals `{name: {"ours": …, "portal": …}}` for the statement; `flags`: checks made.
    """

    body: bytes
    rows: int
    flags: int
    marker: str | None
    totals: Mapping[str, Mapping[str, str]]
    sections: Mapping[str, int]
    delta: Mapping[str, int] | None = None


class Unchanged(Struct, frozen=True):
    """The portal's own marker equals the stored one: nothing to store but the time of this look."""

    rows: int
    flags: int


class Observed(Struct, frozen=True):
    """There is nothing to get: NOT_YET, PRECONDITION, NOT_APPLICABLE or EMPTY, with what the portal said."""

    code: Code
    portal_code: str | None
    detail: Mapping[str, str] = {}


class Incomplete(Struct, frozen=True):
    """A check failed: SECTION_MISSING, TOTALS_MISMATCH or INTEGRITY_MISMATCH. Nothing becomes current.

    `cause`: why a section is missing, where another try may help.
    """

    code: Code
    detail: Mapping[str, str] = {}
    cause: Refusal | None = None


Result = Fetched | Unchanged | Observed | Incomplete | Refusal


class SyncModule(Protocol):
    """One module of the catalogue. `stores`: whether it writes data (then the client's fence is taken first)."""

    name: str
    stores: bool

    async def sync(self, request: Request, portal: FilePortal, parts: Parts) -> Result:
        """Fetch one unit, whole."""
        ...
