"""Files of the portal: keys and members to the byte, archives within limits, links to the line's own host only."""

import gzip
import io
import random
import tarfile
from base64 import b64encode
from contextlib import suppress
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from sync_contracts.outcomes import OutcomeClass
from sync_worker.modules.port import Answer, Files, Link, Refusal
from sync_worker.portal.gsp import crypto
from sync_worker.portal.gsp.archive import LEAST_LIMIT_BYTES, Unpackable, is_archive, member_of
from sync_worker.portal.gsp.envelope import Reply
from sync_worker.portal.gsp.files import files_in, opened_file
from sync_worker.portal.gsp.keys import Keys
from sync_worker.portal.gsp.line import Answered
from sync_worker.portal.gsp.links import Place, place_of

EK = bytes(range(32))
FILE_KEY = bytes(range(0x40, 0x60))
JSON = b'{"gstin":"27AAPFU0939F1ZV","fp":"042026"}'
PLAIN_EK = "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="
CLOSED_EK = "o37fP5dauu+Te2LHjVuxV5dLQSc45Q9Fx/nbJUE/J0ufO3UEkm+L024xGOkDpM1K"
MEMBER = b"F6eR/+xIRX+u7cFZitDxkPgTkkXwIoQyQLJQu9xfcK0RBebOPm09mtOzna8r5tKTYDyIXl3k2l5qvBNzNm+8lQ=="
MEMBER_OF_JSON = b"QUHKWKLm7HlJx3/zcU8x2Kt+/kEv4VYhzFJ8Fj/YYOEuhu+7vWkjxilG1QQzcHaG"


class TestVector:
    def test_the_key_of_a_file_comes_plain_or_closed(self) -> None:
        assert crypto.file_key(PLAIN_EK, EK) == FILE_KEY
        assert crypto.file_key(CLOSED_EK, EK) == FILE_KEY
        assert crypto.file_key(PLAIN_EK, b"") == FILE_KEY
        assert crypto.file_key(CLOSED_EK, b"") is None
        assert crypto.file_key("no base64", EK) is None
        assert crypto.file_key(b64encode(bytes(31)).decode(), EK) is None

    @pytest.mark.parametrize("member", [MEMBER, MEMBER_OF_JSON])
    def test_a_member_opens_with_and_without_the_inner_step_and_in_quotes(self, member: bytes) -> None:
        assert crypto.open_file(member, FILE_KEY) == JSON
        assert crypto.open_file(b' "' + member + b'"\n', FILE_KEY) == JSON
        assert crypto.open_file(member, EK) is None
        assert crypto.open_file(member[:-4], FILE_KEY) is None

    def test_the_text_inside_may_be_in_quotes_too(self) -> None:
        quoted = crypto.encrypt_text(b'"' + b64encode(JSON) + b'"', FILE_KEY)
        assert crypto.open_file(quoted.encode(), FILE_KEY) == JSON

    @settings(derandomize=True, deadline=None)
    @given(st.binary(max_size=200))
    def test_any_bytes_open_to_nothing(self, text: bytes) -> None:
        assert crypto.open_file(text, FILE_KEY) is None


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


def member(content: bytes, name: str = "returns.json", **changes: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in changes.items():
        setattr(info, field, value)
    return info, content


GOOD = packed(member(MEMBER))


class TestArchives:
    def test_the_one_member_is_read(self) -> None:
        assert is_archive(GOOD)
        assert member_of(GOOD) == MEMBER

    @pytest.mark.parametrize(
        "archive",
        [
            b"",
            b'{"status_cd":"0"}',
            GOOD[:-9],
            GOOD + b"more",
            GOOD + GOOD,
            gzip.compress(b"no tar at all", mtime=0),
            packed(),
            packed(member(MEMBER), member(MEMBER)),
            packed(member(MEMBER, "returns.exe")),
            packed(member(b"", type=tarfile.DIRTYPE)),
            packed(member(b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
            packed(member(b"", type=tarfile.LNKTYPE, linkname="returns.json")),
            packed(member(b"", type=tarfile.FIFOTYPE)),
            packed(member(b"", type=tarfile.CHRTYPE)),
        ],
        ids=lambda archive: sha256(archive).hexdigest()[:8],
    )
    def test_anything_else_is_refused_whole(self, archive: bytes) -> None:
        with pytest.raises(Unpackable):
            member_of(archive)

    def test_what_grows_beyond_its_limits_is_refused_before_it_is_unpacked(self) -> None:
        bomb = packed(member(bytes(2 * LEAST_LIMIT_BYTES)))
        assert len(bomb) * 100 < LEAST_LIMIT_BYTES
        with pytest.raises(Unpackable, match="larger"):
            member_of(bomb)
        with pytest.raises(Unpackable, match="larger"):
            member_of(GOOD, max_bytes=512)

    def test_a_sparse_member_is_refused(self) -> None:
        info, content = member(b"x" * 512)
        info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,1",
                            "GNU.sparse.size": "99999999999"}  # fmt: skip
        with pytest.raises(Unpackable):
            member_of(packed((info, content)))

    def test_a_chain_of_extended_headers_is_refused_at_its_first(self) -> None:
        chain = tarfile.TarInfo("pax")
        chain.type = tarfile.XHDTYPE
        with pytest.raises(Unpackable):
            member_of(gzip.compress(chain.tobuf() * 1_500, mtime=0))

    @pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.AREGTYPE])
    def test_only_a_plain_member_may_come_first(self, kind: bytes) -> None:
        one = packed(member(MEMBER, type=kind))
        if kind == tarfile.AREGTYPE:
            assert member_of(one) == MEMBER
        else:
            with pytest.raises(Unpackable):
                member_of(one)

    @pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 4096])
    def test_a_member_of_any_size_comes_out_as_it_went_in(self, size: int) -> None:
        content = random.Random(size).randbytes(size)
        assert member_of(packed(member(content))) == content

    @settings(derandomize=True, deadline=None, max_examples=400)
    @given(
        writes=st.lists(st.tuples(st.integers(0, 1023), st.binary(min_size=1, max_size=12)), max_size=4),
        mends=st.booleans(),
    )
    def test_whatever_a_header_says_only_our_own_error_is_raised(
        self, *, writes: list[tuple[int, bytes]], mends: bool
    ) -> None:
        spoiled = bytearray(gzip.decompress(GOOD))
        for place, change in writes:
            spoiled[place : place + len(change)] = change
        if mends:  # so that what lies behind the checksum is reached too
            spoiled[148:156] = b" " * 8
            spoiled[148:156] = b"%06o\0 " % sum(spoiled[:512])
        with suppress(Unpackable):
            content = member_of(gzip.compress(bytes(spoiled), mtime=0))
            assert content == bytes(spoiled[512 : 512 + len(content)])

    @settings(derandomize=True, deadline=None, max_examples=200)
    @given(st.binary(max_size=1100))
    def test_any_bytes_in_a_gzip_are_refused_or_a_tar(self, tar: bytes) -> None:
        with suppress(Unpackable):
            member_of(gzip.compress(tar, mtime=0))

    @settings(derandomize=True, deadline=None, max_examples=300)
    @given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
    def test_a_spoiled_byte_is_refused_or_makes_no_difference(self, place: int, change: int) -> None:
        spoiled = bytearray(GOOD)
        spoiled[place] ^= change
        with suppress(Unpackable):
            assert member_of(bytes(spoiled)) == MEMBER


BASE = "http://127.0.0.1:9000/gsp"


class TestLinks:
    def test_a_signed_path_lies_below_the_gateway(self) -> None:
        place = place_of("tok/1.tar.gz?digest=ab&expires=17", base_url=BASE, gateway="files")
        assert place == Place("files/tok/1.tar.gz", {"digest": "ab", "expires": "17"})
        assert place_of("/tok/1.tar.gz", base_url=BASE, gateway="files") == Place("files/tok/1.tar.gz", {})

    def test_an_address_of_the_lines_own_host_is_taken_as_it_is(self) -> None:
        place = place_of(f"{BASE}/files/a.tar.gz?x=1", base_url=BASE, gateway="files")
        assert place == Place("files/a.tar.gz", {"x": "1"})

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "http://elsewhere.example/a.tar.gz",
            "https://127.0.0.1:9000/gsp/a.tar.gz",
            "http://127.0.0.1:9000/other/a.tar.gz",
            f"{BASE}/taxpayerapi/v1.0/returns/gstr1?action=RETSUM",
            f"{BASE}/files",
            f"{BASE}/files/",
            f"{BASE}/filesystem/a.tar.gz",
            "http://127.0.0.1:9000.elsewhere.example/gsp/a",
            "//elsewhere.example/a.tar.gz",
            "file:///etc/passwd",
            "../admin",
            "a/../../admin",
            "./a",
            "a/%2e%2e/admin",
            "a//b",
            "a\\b",
            "a b",
            "a\nb",
            "a#b",
            "user@elsewhere.example/a",
            f"{BASE}/../admin",
            f"{BASE}/http://elsewhere.example/",
            "a?x",
            "a" * 3000,
        ],
    )
    def test_every_other_link_is_refused(self, url: str) -> None:
        assert place_of(url, base_url=BASE, gateway="files") is None

    @settings(derandomize=True, deadline=None)
    @given(
        st.sampled_from(["", BASE, f"{BASE}/", f"{BASE}/files/"]),
        st.text(max_size=60) | st.text("./%:@?#\\abhtp", max_size=30),
    )
    def test_whatever_a_link_says_it_stays_below_the_gateway(self, start: str, url: str) -> None:
        place = place_of(start + url, base_url=BASE, gateway="files")
        if place is not None:
            assert place.path.startswith("files/")
            assert ".." not in place.path.split("/")
            assert not set(place.path) & set(":@?#\\% ")


def answered(body: dict[str, Any]) -> Answered:
    raw = msgspec.json.encode(body)
    return Answered({name: Raw(msgspec.json.encode(value)) for name, value in body.items()}, Reply(200, raw, 1))


KEYS = Keys("passthrough", "user", "token", b"a" * 32, EK)
LISTING = {"ek": PLAIN_EK, "fc": 1, "urls": [{"ul": "tok/1.tar.gz", "hash": "ab", "ic": 10_000}]}


class TestListings:
    @pytest.mark.parametrize(
        "changes", [{}, {"fc": "1"}, {"ek": CLOSED_EK}, {"urls": [{"ul": "tok/1.tar.gz", "hash": "ab"}]}]
    )
    def test_links_and_key_of_a_plain_answer(self, changes: dict[str, Any]) -> None:
        found = files_in(KEYS, answered({"status_cd": "1", **LISTING, **changes}))
        assert found == Files(FILE_KEY, (Link("tok/1.tar.gz", "ab"),))

    def test_links_in_the_data_of_a_managed_session(self) -> None:
        found = files_in(Keys("managed", "user", "txn"), answered({"status_cd": "1", "data": LISTING}))
        assert found == Files(FILE_KEY, (Link("tok/1.tar.gz", "ab"),))

    @pytest.mark.parametrize(
        "changes",
        [{"fc": 2}, {"ek": "AA=="}, {"ek": None}, {"urls": {}}, {"urls": [{"ul": 1, "hash": "x"}]}, {"fc": "x"}],
    )
    def test_a_listing_that_is_not_whole_is_refused(self, changes: dict[str, Any]) -> None:
        found = files_in(KEYS, answered({"status_cd": "1", **LISTING, **changes}))
        assert isinstance(found, Refusal)
        assert found.outcome is OutcomeClass.INTEGRITY


class TestOpening:
    async def test_f14_a4_the_hash_is_checked_before_anything_is_unpacked(self) -> None:
        damaged = Refusal(OutcomeClass.INTEGRITY)
        assert await opened_file(GOOD, sha256(GOOD).hexdigest().upper(), FILE_KEY) == Answer(
            {"gstin": "27AAPFU0939F1ZV", "fp": "042026"}, JSON
        )
        assert await opened_file(GOOD, sha256(b"").hexdigest(), FILE_KEY) == damaged
        assert await opened_file(GOOD, "é", FILE_KEY) == damaged
        assert await opened_file(GOOD, sha256(GOOD).hexdigest(), EK) == damaged
        assert await opened_file(b"{}", sha256(b"{}").hexdigest(), FILE_KEY) == damaged

    async def test_a_large_file_is_opened_beside_the_loop(self) -> None:
        large = b'{"rows":"' + random.Random(1).randbytes(250_000).hex().encode() + b'"}'
        text = crypto.encrypt_text(b64encode(large), FILE_KEY).encode()
        archive = packed(member(text))
        assert len(archive) > 256 * 1024
        opened = await opened_file(archive, sha256(archive).hexdigest(), FILE_KEY)
        assert isinstance(opened, Answer)
        assert opened.raw == large
