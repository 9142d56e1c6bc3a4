"""Archives of the portal, pure: a gzip tar with one JSON member, unpacked in memory within limits. Never to a disk.

The one header is read here, by itself: a second member, a link, a device, a sparse member or a header of extensions
means nothing here, and such archives are refused whole.
"""

import re
import zlib
from typing import Final

MAX_UNPACKED_BYTES: Final = 512 * 1024 * 1024
MAX_RATIO: Final = 100
"""What is inside is base64 of encrypted text, which does not compress."""
LEAST_LIMIT_BYTES: Final = 1024 * 1024
"""Padding of a small archive compresses well: up to this size no ratio counts."""

_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31
_BLOCK_BYTES: Final = 512
_NAME, _SIZE, _CHECKSUM, _KIND = slice(0, 100), slice(124, 136), slice(148, 156), slice(156, 157)
_FILE_KINDS: Final = (b"0", b"\0")
_OCTAL: Final = re.compile(rb"[0-7]{1,11}")


class Unpackable(Exception):
    """Not an archive as the portal makes them. Holds no data."""

    log_safe = True


def is_archive(body: bytes) -> bool:
    """Whether bytes begin as an archive; a portal answers an error in its place as JSON."""
    return body.startswith(_GZIP)


def member_of(archive: bytes, *, max_bytes: int = MAX_UNPACKED_BYTES) -> bytes:
    """The content of the one JSON member; raises `Unpackable`."""
    return _only_member(_gunzipped(archive, min(max_bytes, max(LEAST_LIMIT_BYTES, len(archive) * MAX_RATIO))))


def _gunzipped(archive: bytes, limit: int) -> bytes:
    unpacking = zlib.decompressobj(_GZIP_WINDOW)
    try:
        unpacked = unpacking.decompress(archive, limit + 1)
    except zlib.error as error:
        raise Unpackable("not gzip") from error
    if len(unpacked) > limit:
        raise Unpackable("larger than allowed")
    if not unpacking.eof or unpacking.unused_data:
        raise Unpackable("cut off, or followed by something else")
    return unpacked


def _only_member(tar: bytes) -> bytes:
    header = tar[:_BLOCK_BYTES]
    if len(header) < _BLOCK_BYTES or _octal(header[_CHECKSUM]) != _sum_of(header):
        raise Unpackable("not a tar")
    name = header[_NAME].partition(b"\0")[0]
    if header[_KIND] not in _FILE_KINDS or not name.endswith(b".json"):
        raise Unpackable("a member that is no JSON file")
    end = _BLOCK_BYTES + _octal(header[_SIZE])
    padded = -(-end // _BLOCK_BYTES) * _BLOCK_BYTES
    if padded > len(tar):
        raise Unpackable("a member is cut off")
    if tar.count(b"\0", padded) != len(tar) - padded:
        raise Unpackable("more members than one")
    return tar[_BLOCK_BYTES:end]


def _sum_of(header: bytes) -> int:
    """The checksum of a header is over its bytes, its own place taken as blanks."""
    return sum(header) - sum(header[_CHECKSUM]) + len(header[_CHECKSUM]) * ord(" ")


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not _OCTAL.fullmatch(digits):
        raise Unpackable("a number of a header is no octal")
    return int(digits, 8)
