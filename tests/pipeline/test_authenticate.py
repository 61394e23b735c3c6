"""Who is asking, and what a caller is told who may not."""

from __future__ import annotations

import pytest

from omniroute.auth import new_key
from omniroute.errors import Forbidden, Unauthenticated
from omniroute.pipeline.authenticate import authenticate
from tests.pipeline.house import KEY, caller, incoming, snapshot

OTHER = new_key(bytes(20))


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({b"authorization": b"Bearer " + KEY.encode()}, b""),
        ({b"authorization": b"bearer  " + KEY.encode()}, b""),
        ({b"x-api-key": KEY.encode()}, b""),
        ({b"x-goog-api-key": KEY.encode()}, b""),
        ({}, b"alt=sse&key=" + KEY.encode()),
        ({b"authorization": b"Basic eDp5", b"x-api-key": KEY.encode()}, b""),
    ],
)
def test_a_key_is_read_wherever_clients_put_it(headers: dict[bytes, bytes], query: bytes) -> None:
    found = authenticate(incoming(headers=headers, query=query), snapshot(), 0.0)
    assert found.key_id == "key_1"


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({}, "No API key was sent"),
        ({b"authorization": b"Bearer " + OTHER.encode()}, "unknown or revoked"),
        ({b"authorization": b"Bearer " + KEY.encode()[:-1]}, "not a well-formed OmniRoute key"),
        ({b"authorization": b"Bearer \xff\xfe"}, "not a well-formed OmniRoute key"),
    ],
)
def test_who_is_refused_is_told_why_and_never_his_key(headers: dict[bytes, bytes], says: str) -> None:
    with pytest.raises(Unauthenticated, match=says) as caught:
        authenticate(incoming(headers=headers), snapshot(), 0.0)
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
    for value in headers.values():
        assert value.split()[-1].decode("latin-1") not in str(caught.value)


def test_a_key_ends_at_its_instant() -> None:
    until_10 = snapshot(callers=[caller(expires_epoch_s=10.0)])
    assert authenticate(incoming(), until_10, 9.9).key_id == "key_1"
    with pytest.raises(Unauthenticated, match="expired"):
        authenticate(incoming(), until_10, 10.0)


def test_a_key_without_the_scope_is_forbidden() -> None:
    managing = snapshot(callers=[caller(scopes=("manage",))])
    with pytest.raises(Forbidden) as caught:
        authenticate(incoming(), managing, 0.0)
    assert (caught.value.status, caught.value.code) == (403, "missing_scope")
    assert authenticate(incoming(), managing, 0.0, "manage").key_id == "key_1"
