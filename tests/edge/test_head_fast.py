"""The one-pass reader of heads may decline and never differ: what it takes, the full parser reads alike."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omniroute._speedups import BODY_LENGTH, heads
from omniroute.edge.head import RequestHead, judge_head, parse_head
from omniroute.edge.options import EdgeOptions
from omniroute.errors import ClientError
from tests.speedups.head_texts import REQUEST, mutated, request_heads

OPTIONS = EdgeOptions()


def facts(head: RequestHead) -> object:
    names = (
        "method",
        "target",
        "path",
        "query",
        "body",
        "length",
        "keep_alive",
        "http10",
        "expect_continue",
        "upgrade",
    )
    return {name: getattr(head, name) for name in names}, dict(head.headers), head.raw


@given(st.one_of(request_heads(), mutated(REQUEST)), st.integers(1, 12), st.integers(1, 40))
@example(REQUEST, 100, 8192)
def test_what_is_taken_at_once_is_what_the_full_parser_reads(data: bytes, max_headers: int, target_bytes: int) -> None:
    for options in (OPTIONS, msgspec.structs.replace(OPTIONS, max_headers=max_headers, target_bytes=target_bytes)):
        quick = heads.parse_request_head(data, options.max_headers, options.target_bytes)
        if quick is not None:
            assert facts(quick) == facts(judge_head(data, options))


def test_the_head_of_an_sdk_is_taken_at_once() -> None:
    quick = heads.parse_request_head(REQUEST, OPTIONS.max_headers, OPTIONS.target_bytes)
    assert quick is not None
    assert facts(parse_head(REQUEST, OPTIONS)) == facts(quick)


def test_what_is_declined_is_judged() -> None:
    got = parse_head(b"POST /a%20b HTTP/1.0\r\nContent-Length: 3\r\n\r\n", OPTIONS)
    assert (got.path, got.http10, got.body, got.length) == ("/a b", True, BODY_LENGTH, 3)
    with pytest.raises(ClientError, match="Host header is missing"):
        parse_head(b"GET / HTTP/1.1\r\n\r\n", OPTIONS)
