"""The key set: which keys are used, and when it is read again."""

import pytest
from bucket_api.http.keys import REFRESH_S, KeySet, KeysUnavailable, parse
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from msgspec.json import encode

EC = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
RSA = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key(), as_dict=True)
ED = OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True)


def keys_of(*entries: dict[str, object]) -> bytes:
    return encode({"keys": list(entries)})


class Source:
    """A key set that can fail and change."""

    def __init__(self, *kids: str) -> None:
        self.kids = kids
        self.reads = 0
        self.broken = False
        self.now = 0.0

    async def read(self) -> bytes:
        self.reads += 1
        if self.broken:
            raise OSError
        return keys_of(*({**EC, "kid": kid} for kid in self.kids))

    def clock(self) -> float:
        return self.now


def test_each_kind_of_key_has_one_algorithm() -> None:
    found = parse(keys_of({**EC, "kid": "e"}, {**RSA, "kid": "r"}, {**ED, "kid": "o"}))
    assert {kid: key.algorithm_name for kid, key in found.items()} == {"e": "ES256", "r": "RS256", "o": "EdDSA"}


@pytest.mark.parametrize(
    "entry",
    [
        {**EC},
        {**EC, "kid": "x", "d": "private"},
        {**EC, "kid": "x", "use": "enc"},
        {**EC, "kid": "x", "alg": "HS256"},
        {**RSA, "kid": "x", "alg": "PS256"},
        {**EC, "kid": "x", "crv": "P-521"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "x"},
        {"kty": "EC", "crv": "P-256", "kid": "x", "x": "!", "y": "!"},
        {},
    ],
)
def test_other_keys_are_left_out(entry: dict[str, object]) -> None:
    assert parse(keys_of(entry)) == {}


async def test_a_known_key_is_read_once() -> None:
    source = Source("a")
    keys = KeySet(source.read, source.clock)
    for _ in range(5):
        assert await keys.key("a") is not None
    assert source.reads == 1


async def test_an_unknown_key_makes_the_set_be_read_again_at_most_once_a_minute() -> None:
    source = Source("a")
    keys = KeySet(source.read, source.clock)
    await keys.key("a")
    source.kids = ("a", "b")
    for _ in range(5):
        assert await keys.key("b") is None
    assert source.reads == 1
    source.now += REFRESH_S
    assert await keys.key("b") is not None
    assert source.reads == 2


async def test_nobody_is_let_in_while_the_set_was_never_read() -> None:
    source = Source("a")
    source.broken = True
    keys = KeySet(source.read, source.clock)
    with pytest.raises(KeysUnavailable):
        await keys.key("a")
    source.broken = False
    source.now += 1
    assert await keys.key("a") is not None


async def test_what_was_read_stays_when_the_source_fails() -> None:
    source = Source("a")
    keys = KeySet(source.read, source.clock)
    await keys.key("a")
    source.broken = True
    source.now += REFRESH_S
    assert await keys.key("b") is None
    assert await keys.key("a") is not None
