"""Answers that the portal lays down as files: their links and key, and a downloaded archive as the JSON inside."""

import asyncio
import hmac
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Struct
from sync_contracts.outcomes import OutcomeClass

from sync_worker.modules.port import Answer, Files, Link, Refusal
from sync_worker.portal.gsp import crypto
from sync_worker.portal.gsp.archive import Unpackable, member_of
from sync_worker.portal.gsp.envelope import Unreadable, exact_json, integrity
from sync_worker.portal.gsp.keys import Keys
from sync_worker.portal.gsp.line import Answered
from sync_worker.portal.gsp.styles import STYLES

_BIG: Final = 256 * 1024
_DAMAGED: Final = Refusal(OutcomeClass.INTEGRITY)


class _Url(Struct, frozen=True):
    ul: str
    hash: str


class _Listing(Struct, frozen=True):
    """`fc`: how many files there are."""

    ek: str
    fc: int
    urls: tuple[_Url, ...]


def files_in(keys: Keys, answered: Answered) -> Files | Refusal:
    """The files of an answer: at its top level, or in its data. INTEGRITY unless there are as many as it says."""
    text = answered.reply.body if "urls" in answered.fields else STYLES[keys.style].data(keys, answered.fields)
    try:
        listing = msgspec.json.decode(text or b"", type=_Listing, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return integrity(answered.reply)
    key = crypto.file_key(listing.ek, keys.ek)
    if key is None or len(listing.urls) != listing.fc:
        return integrity(answered.reply)
    return Files(key, tuple(Link(url.ul, url.hash) for url in listing.urls))


async def opened_file(archive: bytes, announced_sha256: str, key: bytes) -> Answer | Refusal:
    """The data of an archive; large ones are opened beside the event loop."""
    if len(archive) > _BIG:
        return await asyncio.to_thread(_opened, archive, announced_sha256, key)
    return _opened(archive, announced_sha256, key)


def _opened(archive: bytes, announced_sha256: str, key: bytes) -> Answer | Refusal:
    """The hash is over the bytes as downloaded and is checked before anything is unpacked."""
    if not hmac.compare_digest(sha256(archive).hexdigest(), _plain(announced_sha256)):
        return _DAMAGED
    try:
        text = crypto.open_file(member_of(archive), key)
        payload: Any = None if text is None else exact_json(text)
    except (Unpackable, Unreadable):
        return _DAMAGED
    return _DAMAGED if text is None else Answer(payload, text)


def _plain(announced: str) -> str:
    return announced.lower() if announced.isascii() else ""
