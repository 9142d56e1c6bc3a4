"""Nesting and unpacking of bodies."""

import gzip
import json

import pytest
from bucket_api.http.bodies import Inflater, TooLarge, json_depth
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('[]{}"\\ab'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[]{}"\\ab'), inner, max_size=3),
    max_leaves=15,
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((depth(inner) for inner in value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(JSON)
def test_nesting_is_counted_as_a_parser_would(value: object) -> None:
    assert json_depth(json.dumps(value).encode()) == depth(value)


@given(st.binary(max_size=200))
def test_any_bytes_have_a_depth(body: bytes) -> None:
    assert json_depth(body) >= 0


@given(st.binary(max_size=2_000), st.integers(1, 50))
def test_what_was_packed_comes_back_in_any_pieces(body: bytes, size: int) -> None:
    packed, inflater = gzip.compress(body), Inflater(len(body))
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    assert b"".join(map(inflater.feed, pieces)) == body


def test_unpacking_stops_at_the_limit() -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    with pytest.raises(TooLarge):
        Inflater(1_000).feed(bomb)
    with pytest.raises(TooLarge):
        Inflater(9_999_999).feed(bomb)
