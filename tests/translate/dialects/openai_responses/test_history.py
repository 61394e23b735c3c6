"""Requests that go on from an answer, and what is kept of them, where the client's bytes are not what they should be."""

from __future__ import annotations

import pytest

from omniroute.domain import StoredResponse
from omniroute.errors import ClientError
from tests.translate.dialects.openai_responses.said import CLIENT

HISTORY = CLIENT.history
assert HISTORY is not None

HALF = rb'"a\ud800b"'
ANSWER = b'{"id":"resp_1","output":[]}'


@pytest.mark.parametrize("value", [b"nope", b"5", b"[]", HALF, b'"\xff"', b"-"])
def test_what_is_no_id_is_refused_by_name(value: bytes) -> None:
    with pytest.raises(ClientError) as caught:
        HISTORY.refers(b'{"model":"m","input":"x","previous_response_id":%b}' % value)
    assert (caught.value.status, caught.value.param) == (400, "previous_response_id")


def test_an_id_that_is_null_or_absent_is_none() -> None:
    assert HISTORY.refers(b'{"previous_response_id":null}') == HISTORY.refers(b"{}") == ""


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","input":%b}' % HALF,
        b'{"model":"m","input":"\xff"}',
        b'{"model":"m","input":[{"role":"user","content":%b}]}' % HALF,
        b'{"model":"m","input":"x","metadata":nope}',
        b'{"model":"m","input":5}',
    ],
)
def test_what_only_the_provider_could_read_is_not_kept(body: bytes) -> None:
    assert HISTORY.keep(body, ANSWER) is None


@pytest.mark.parametrize(
    "answer", [b'{"id":"resp_1","output":[%b]}' % HALF, b'{"id":"resp_1","output":["\xff"]}', b"{"]
)
def test_nor_is_an_answer_that_cannot_be_read(answer: bytes) -> None:
    assert HISTORY.keep(b'{"model":"m","input":"x"}', answer) is None


def test_what_cannot_be_gone_on_from_is_named() -> None:
    stored = StoredResponse("resp_1", "key_1", 0.0, "", b"[]", b"[]", ANSWER)
    for body in (b'"input":[nope]', b'"input":%b' % HALF, b'"input":[{"a":%b}]' % HALF, b'"input":5'):
        with pytest.raises(ClientError) as caught:
            HISTORY.resume(b'{"model":"m","previous_response_id":"resp_1",%b}' % body, stored)
        assert caught.value.status == 400
        assert (caught.value.param or "").startswith("input")
