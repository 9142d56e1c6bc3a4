"""Files that the portal prepares for large answers: tokens, waiting, signed links, and the archives themselves.

An archive is a gzip tar with one JSON member; its text is base64 of the JSON's base64 text under the file key.
"""

import gzip
import hmac
import secrets
import tarfile
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable
from datetime import date
from hashlib import blake2b
from io import BytesIO
from typing import Literal, NamedTuple

from portal_sandbox.assumptions import Assumptions
from portal_sandbox.calls import Call
from portal_sandbox.crypto import KEY_BYTES, encrypt_text
from portal_sandbox.envelope import Answer, Payload, Refusal, encode
from portal_sandbox.memory import Memory

_JOBS_KEPT = 10_000
_ARCHIVES_KEPT_BYTES = 32 << 20
_QUICK = 1
_NARROWING = ("ctin", "state_cd", "status")
_IN_PROGRESS = {"ims": "IMS_FILEGEN_03", "einvoice": "EINV30109"}
OWN_DETAILS = frozenset(_IN_PROGRESS)
"""Families with a FILEDET of their own and one code while a file is in preparation; all others share `returns`."""
GENERATION_FAILED = "RTN_25"

Subject = tuple[str, ...]
Member = Literal["base64", "json"]


class Job(NamedTuple):
    """One file in preparation or ready: the call it answers, the day whose data it holds, and how many items."""

    token: str
    call: Call
    items: int
    as_of: date
    ready_s: float
    fails: bool

    @property
    def subject(self) -> Subject:
        return subject_of(self.call)


class Link(NamedTuple):
    """A signed path to one archive, good until `expires_s`."""

    path: str
    digest: str
    expires_s: int

    @property
    def text(self) -> str:
        return f"{self.path}?digest={self.digest}&expires={self.expires_s}"


class FileRules(NamedTuple):
    """Sizes and times that the assumptions choose."""

    threshold: int
    items: int
    est_min: int
    ready_s: float
    link_life_s: int
    member: Member
    link_refusal: str

    @classmethod
    def of(cls, assumptions: Assumptions, profile: str) -> "FileRules":
        return cls(
            assumptions.integer(f"{profile}.file_threshold"),
            assumptions.integer(f"{profile}.file_items"),
            assumptions.integer(f"{profile}.file_est_min"),
            assumptions.number(f"{profile}.file_ready_s"),
            assumptions.integer("files.link_life_h") * 3600,
            "json" if assumptions.text("files.member") == "json" else "base64",
            assumptions.text("files.link_refusal"),
        )


class Files:
    """The last 10,000 jobs; archives are made when asked for and kept up to 32 MiB."""

    def __init__(self, seed: int, rules: FileRules) -> None:
        self._secret = blake2b(f"{seed}\x1ffiles".encode(), digest_size=KEY_BYTES).digest()
        self.rules = rules
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._newest: dict[Subject, str] = {}
        self._archives: Memory[tuple[str, int], bytes] = Memory(_ARCHIVES_KEPT_BYTES, len)

    def request(self, call: Call, count: int, as_of: date, now_s: float) -> Answer:
        """A token with the estimate; a second request while the first is in preparation is refused."""
        ready_s, fails = now_s + self.rules.ready_s, call.spoil == "file_failed"
        job = Job(secrets.token_hex(16), call, count, as_of, ready_s, fails)
        pending = self._jobs.get(self._newest.get(job.subject, ""))
        if pending is not None and now_s < pending.ready_s:
            return Refusal(_IN_PROGRESS.get(call.family, "RTN_32"))
        self._jobs[job.token] = job
        self._newest[job.subject] = job.token
        if len(self._jobs) > _JOBS_KEPT:
            self._forget(self._jobs.popitem(last=False)[1])
        return Payload(encode({"token": job.token, "est": str(self.rules.est_min)}))

    def find(self, gstin: str, token: str) -> Job | None:
        job = self._jobs.get(token)
        return job if job is not None and job.call.gstin == gstin else None

    def not_ready(self, job: Job, now_s: float) -> Refusal | None:
        """While it is in preparation, and once it failed."""
        if now_s < job.ready_s:
            return Refusal(_IN_PROGRESS.get(job.call.family, "RTN_24"))
        if job.fails:
            return Refusal(GENERATION_FAILED)
        return None

    def key(self, job: Job) -> bytes:
        """The file key of all its archives."""
        return blake2b(job.token.encode(), key=self._secret, digest_size=KEY_BYTES).digest()

    def parts(self, job: Job) -> range:
        return range(1, -(-job.items // self.rules.items) + 1)

    def slice_of(self, job: Job, number: int) -> tuple[int, int]:
        """First item and end of one archive."""
        return (number - 1) * self.rules.items, min(job.items, number * self.rules.items)

    def archive(self, job: Job, number: int, make: Callable[[], bytes]) -> bytes:
        """`make` gives the JSON of this part."""
        return self._archives.get((job.token, number), lambda: archive(make(), self.key(job), self.rules.member))

    def link(self, job: Job, number: int, now_s: float) -> Link:
        path, expires_s = f"{job.token}/{number}.tar.gz", int(now_s) + self.rules.link_life_s
        return Link(path, self._digest(path, expires_s), expires_s)

    def is_good(self, link: Link, now_s: float) -> bool:
        signed = self._digest(link.path, link.expires_s)
        return hmac.compare_digest(signed.encode(), link.digest.encode()) and now_s < link.expires_s

    def _digest(self, path: str, expires_s: int) -> str:
        return hmac.digest(self._secret, f"{path}\x1f{expires_s}".encode(), "sha256").hex()

    def _forget(self, job: Job) -> None:
        if self._newest.get(job.subject) == job.token:
            del self._newest[job.subject]


def subject_of(call: Call) -> Subject:
    """What a file is about: a second request for the same one is not a new file."""
    narrowed = (call.parameters.get(name, "") for name in _NARROWING)
    return call.gstin, call.family, call.action, call.section, call.period, *narrowed


def member_text(json_body: bytes, key: bytes, member: Member = "base64") -> str:
    """The content of an archive's one member; `json` leaves the inner base64 step out."""
    return encrypt_text(b64encode(json_body) if member == "base64" else json_body, key)


def archive(json_body: bytes, key: bytes, member: Member = "base64") -> bytes:
    """The gzip tar; the same input gives the same bytes."""
    text = member_text(json_body, key, member).encode()
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("returns.json")
        entry.size = len(text)
        tar.addfile(entry, BytesIO(text))
    return gzip.compress(packed.getvalue(), compresslevel=_QUICK, mtime=0)
