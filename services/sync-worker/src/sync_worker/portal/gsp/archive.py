"""Archives of the portal, pure: a gzip tar with one JSON member, unpacked in memory within limits. Never to a disk.

A name, a link, a device or a sparse member in an archive means nothing here: such archives are refused whole.
"""

import tarfile
import zlib
from io import BytesIO
from typing import Final

MAX_UNPACKED_BYTES: Final = 512 * 1024 * 1024
MAX_RATIO: Final = 100
"""What is inside is base64 of encrypted text, which does not compress."""
LEAST_LIMIT_BYTES: Final = 1024 * 1024
"""Padding of a small archive compresses well: up to this size no ratio counts."""

_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31


class Unpackable(Exception):
    """Not an archive as the portal makes them. Holds no data."""

    log_safe = True


def is_archive(body: bytes) -> bool:
    """Whether bytes begin as an archive; a portal answers an error in its place as JSON."""
    return body.startswith(_GZIP)


def member_of(archive: bytes, *, max_bytes: int = MAX_UNPACKED_BYTES) -> bytes:
    """The content of the one JSON member; raises `Unpackable`."""
    unpacked = _gunzipped(archive, min(max_bytes, max(LEAST_LIMIT_BYTES, len(archive) * MAX_RATIO)))
    try:
        with tarfile.open(fileobj=BytesIO(unpacked), mode="r:") as tar:
            return _only_member(tar, len(unpacked))
    except (tarfile.TarError, ValueError, EOFError, OverflowError, OSError) as error:
        raise Unpackable("not a tar") from error


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


def _only_member(tar: tarfile.TarFile, size: int) -> bytes:
    found: bytes | None = None
    for member in tar:
        if found is not None:
            raise Unpackable("more members than one")
        if not member.isreg() or member.issparse() or not member.name.endswith(".json") or member.size > size:
            raise Unpackable("a member that is no JSON file")
        file = tar.extractfile(member)
        found = b"" if file is None else file.read()
        if len(found) != member.size:
            raise Unpackable("a member is cut off")
    if found is None:
        raise Unpackable("empty")
    return found
