import itertools
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sync_runtime.vault import (
    HEADER_BYTES,
    NONCE_BYTES,
    DecryptionRefused,
    Encryptor,
    KeyEncryptionKeys,
    KeyFileRefused,
)

KEK = KeyEncryptionKeys({1: b"k" * 32})
PLACE = ("c_1", "secret_enc")


def test_what_was_closed_opens_in_its_place() -> None:
    wrapped = KEK.new_wrapped_key("t_1")
    sealed = KEK.encryptor("t_1", wrapped, 1).encrypt(b"correct horse", *PLACE)

    assert KEK.decryptor("t_1", {1: wrapped}).decrypt(sealed, *PLACE) == b"correct horse"
    assert b"correct horse" not in sealed


TENANTS, CLIENTS, FIELDS = ("t_1", "t_2"), ("c_1", "c_2", "c_12"), ("username_enc", "secret_enc", "token_enc")
PLACES = list(itertools.product(TENANTS, CLIENTS, FIELDS))
MOVES = [(a, b) for a, b in itertools.permutations(PLACES, 2)][::6][:50]


@pytest.mark.parametrize(("source", "target"), MOVES)
def test_a_ciphertext_moved_to_another_tenant_client_or_field_is_refused(
    source: tuple[str, str, str], target: tuple[str, str, str]
) -> None:
    key = b"d" * 32  # even under one and the same data key
    sealed = Encryptor(source[0], key, 1).encrypt(b"secret", *source[1:])
    wrapped = KEK._wrap(key, target[0])

    with pytest.raises(DecryptionRefused):
        KEK.decryptor(target[0], {1: wrapped}).decrypt(sealed, *target[1:])


def test_fifty_moves_are_tried() -> None:
    assert len(MOVES) == 50
    assert {len({*a} ^ {*b}) for a, b in MOVES} >= {2, 4, 6}


@given(st.lists(st.text(max_size=8), max_size=3), st.lists(st.text(max_size=8), max_size=3))
def test_only_the_very_same_context_opens(closed: list[str], tried: list[str]) -> None:
    wrapped = KEK.new_wrapped_key("t_1")
    sealed = KEK.encryptor("t_1", wrapped, 1).encrypt(b"x", *closed)
    decryptor = KEK.decryptor("t_1", {1: wrapped})

    if closed == tried:
        assert decryptor.decrypt(sealed, *tried) == b"x"
    else:
        with pytest.raises(DecryptionRefused):
            decryptor.decrypt(sealed, *tried)


def test_every_altered_byte_is_noticed() -> None:
    wrapped = KEK.new_wrapped_key("t_1")
    sealed = KEK.encryptor("t_1", wrapped, 1).encrypt(b"secret", *PLACE)
    decryptor = KEK.decryptor("t_1", {1: wrapped, 2: wrapped})

    for position in range(len(sealed)):
        altered = bytearray(sealed)
        altered[position] ^= 1
        with pytest.raises(DecryptionRefused):
            decryptor.decrypt(bytes(altered), *PLACE)


def test_another_key_version_over_the_same_key_is_refused() -> None:
    wrapped = KEK.new_wrapped_key("t_1")
    sealed = KEK.encryptor("t_1", wrapped, 1).encrypt(b"secret", *PLACE)
    relabelled = sealed[:1] + (2).to_bytes(4, "big") + sealed[HEADER_BYTES:]

    with pytest.raises(DecryptionRefused):
        KEK.decryptor("t_1", {1: wrapped, 2: wrapped}).decrypt(relabelled, *PLACE)


@pytest.mark.parametrize("length", [0, 1, 5, 17, 32])
def test_short_bytes_are_refused(length: int) -> None:
    with pytest.raises(DecryptionRefused):
        KEK.decryptor("t_1", {1: KEK.new_wrapped_key("t_1")}).decrypt(b"\x01" * length, *PLACE)


def test_no_nonce_repeats_in_a_million_encryptions() -> None:
    encryptor = Encryptor("t_1", b"d" * 32, 1)
    nonces = {encryptor.encrypt(b"")[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES] for _ in range(1_000_000)}

    assert len(nonces) == 1_000_000


def test_an_encryptor_has_no_way_to_open() -> None:
    assert [name for name in dir(Encryptor) if "crypt" in name] == ["encrypt"]


def test_a_wrapped_key_belongs_to_its_tenant() -> None:
    with pytest.raises(DecryptionRefused):
        KEK.encryptor("t_2", KEK.new_wrapped_key("t_1"), 1)


def test_rotation_rewraps_and_everything_still_opens() -> None:
    wrapped = KEK.new_wrapped_key("t_1")
    sealed = KEK.encryptor("t_1", wrapped, 1).encrypt(b"secret", *PLACE)
    rotated = KeyEncryptionKeys({1: b"k" * 32, 2: b"n" * 32})
    rewrapped = rotated.rewrap(wrapped, "t_1")
    after = KeyEncryptionKeys({2: b"n" * 32})

    assert after.decryptor("t_1", {1: rewrapped}).decrypt(sealed, *PLACE) == b"secret"
    with pytest.raises(DecryptionRefused):
        after.decryptor("t_1", {1: wrapped})


def test_old_and_new_data_keys_open_side_by_side() -> None:
    old, new = KEK.new_wrapped_key("t_1"), KEK.new_wrapped_key("t_1")
    decryptor = KEK.decryptor("t_1", {1: old, 2: new})
    encryptors = [KEK.encryptor("t_1", old, 1), KEK.encryptor("t_1", new, 2)]

    failed = [
        i
        for i in range(1_000)
        if decryptor.decrypt(encryptors[i % 2].encrypt(b"%d" % i, f"c_{i}"), f"c_{i}") != b"%d" % i
    ]

    assert failed == []


def test_the_key_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "kek"
    KeyEncryptionKeys.write_new_file(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    KeyEncryptionKeys.from_file(path).new_wrapped_key("t_1")
    with pytest.raises(FileExistsError):
        KeyEncryptionKeys.write_new_file(path)


@pytest.mark.parametrize("content", ["", "lonely", "1 c2hvcnQ=", "one a2V5", "1 not-base64!"])
def test_a_malformed_key_file_is_refused_without_its_content(tmp_path: Path, content: str) -> None:
    path = tmp_path / "kek"
    path.write_text(content)

    with pytest.raises(KeyFileRefused, match="kek") as refusal:
        KeyEncryptionKeys.from_file(path)
    assert not content or content.rsplit(maxsplit=1)[-1] not in str(refusal.value)


def test_a_missing_key_file_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(KeyFileRefused, match="SB_KEK_FILE"):
        KeyEncryptionKeys.from_file(tmp_path / "none")
