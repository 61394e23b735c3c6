"""The one-pass reader of heads may decline and never differ: what it takes, the full parser reads alike."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omniroute._speedups import heads
from omniroute.upstream.response import MalformedHeadError, ResponseHead, judge_response_head, parse_response_head
from tests.speedups.head_texts import RESPONSE, mutated, response_heads


def facts(head: ResponseHead) -> object:
    names = ("status", "body_kind", "body_bytes", "keep_alive", "keep_alive_s")
    return {name: getattr(head, name) for name in names}, tuple(head.headers)


@given(st.one_of(response_heads(), mutated(RESPONSE)), st.sampled_from([b"POST", b"GET", b"HEAD"]))
@example(RESPONSE, b"POST")
def test_what_is_taken_at_once_is_what_the_full_parser_reads(data: bytes, method: bytes) -> None:
    quick = heads.parse_response_head(data, bodiless=method == b"HEAD")
    if quick is not None:
        assert facts(quick) == facts(judge_response_head(data, method))


def test_the_head_of_a_provider_is_taken_at_once() -> None:
    quick = heads.parse_response_head(RESPONSE, bodiless=False)
    assert quick is not None
    assert facts(parse_response_head(RESPONSE, b"POST")) == facts(quick)


def test_what_is_declined_is_judged() -> None:
    got = parse_response_head(b"HTTP/1.0 200 OK\r\nX-A: \xc3\xa9\r\n\r\n", b"POST")
    assert (got.keep_alive, got.headers) == (False, ((b"x-a", b"\xc3\xa9"),))
    with pytest.raises(MalformedHeadError):
        parse_response_head(b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", b"POST")
