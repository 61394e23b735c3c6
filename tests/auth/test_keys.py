"""API keys: what is made is recognised, what is not ours is refused, and every place a client may put one is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.auth import digest_of, new_key, prefix_of, presented_key, well_formed

KEY = new_key(bytes(range(20)))


@given(st.binary(min_size=20, max_size=64))
def test_a_new_key_is_well_formed_and_holds_all_its_randomness(random_bytes: bytes) -> None:
    key = new_key(random_bytes)
    assert well_formed(key)
    assert len(key) == len(new_key(bytes(len(random_bytes))))
    other = bytes([random_bytes[0] ^ 1]) + random_bytes[1:]
    assert new_key(other) != key
    assert new_key(random_bytes[:-1] + bytes([random_bytes[-1] ^ 128])) != key


@pytest.mark.parametrize("count", [0, 19, 65])
def test_too_little_randomness_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"20 to 64 random bytes, not {count}"):
        new_key(bytes(count))


@given(st.integers(0, len(KEY) - 1), st.sampled_from("aZ09-é\ud800 "))
def test_a_mistyped_key_is_refused(place: int, char: str) -> None:
    wrong = KEY[:place] + char + KEY[place + 1 :]
    assert well_formed(wrong) is (wrong == KEY)


@pytest.mark.parametrize(
    "text",
    ["", "sk-or-", "sk-or-v1-" + "0" * 64, "sk-proj-abc", KEY[:-1], KEY + "0", KEY[6:], KEY[:6] + KEY, "x" * 5000],
)
def test_what_is_not_ours_is_refused(text: str) -> None:
    assert not well_formed(text)


def test_two_neighbours_swapped_are_refused() -> None:
    for place in range(6, len(KEY) - 1):
        swapped = KEY[:place] + KEY[place + 1] + KEY[place] + KEY[place + 2 :]
        assert well_formed(swapped) is (swapped == KEY)


def test_digest_depends_on_key_and_pepper() -> None:
    pepper = b"p" * 32
    assert len(digest_of(KEY, pepper)) == 16
    assert digest_of(KEY, pepper) == digest_of(KEY.encode(), pepper)
    assert digest_of(KEY, pepper) != digest_of(KEY, b"q" * 32)
    assert digest_of(KEY, pepper) != digest_of(KEY + "0", pepper)


def test_prefix_shows_four_characters() -> None:
    assert prefix_of(KEY) == KEY[:10]
    assert prefix_of(KEY).startswith("sk-or-")


@pytest.mark.parametrize(
    ("headers", "query", "key"),
    [
        ({}, b"", None),
        ({b"authorization": b"Bearer k1"}, b"", b"k1"),
        ({b"authorization": b"bEARER   k1 "}, b"", b"k1"),
        ({b"authorization": b"Basic dTpw"}, b"", None),
        ({b"authorization": b"Bearer "}, b"key=k2", b"k2"),
        ({b"authorization": b"Bearer"}, b"", None),
        ({b"authorization": b"Bearer k1", b"x-api-key": b"k2"}, b"key=k3", b"k1"),
        ({b"authorization": b"Basic dTpw", b"x-api-key": b"k2"}, b"", b"k2"),
        ({b"x-api-key": b" k2 ", b"x-goog-api-key": b"k3"}, b"", b"k2"),
        ({b"x-api-key": b"", b"x-goog-api-key": b"k3"}, b"", b"k3"),
        ({}, b"alt=sse&key=a%2Bb+c&key=z", b"a+b+c"),
        ({}, b"monkey=1&key=&key=z", b"z"),
        ({}, b"key", None),
    ],
)
def test_where_a_key_is_looked_for(headers: dict[bytes, bytes], query: bytes, key: bytes | None) -> None:
    assert presented_key(headers, query) == key
