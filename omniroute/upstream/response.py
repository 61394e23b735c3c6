"""Response heads, sans-IO: bytes to a :class:`ResponseHead` with its body framing (RFC 9112 §6.3).

A head of the common shape is read by ``_speedups.heads``, which declines all others; those are judged here:
llhttp (strict) reads the head; what it leaves open is decided here: which transfer codings count, HTTP/1.0, keep-alive.
A head that could be read in two ways is ``malformed`` and its wire is never used again: the other reading may belong to
an attacker who shares the upstream (response splitting).
"""

from __future__ import annotations

from typing import Final

import httptools

from omniroute._speedups import BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_EOF, heads

ResponseHead = heads.ResponseHead


class MalformedHeadError(Exception):
    """Not a response head we would act on. The message names the fault, never the bytes."""


class _Collector:
    """What llhttp calls back."""

    __slots__ = ("complete", "headers")

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_headers_complete(self) -> None:
        self.complete = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.rstrip(b" \t")))  # llhttp leaves the trailing OWS on


_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding", b"connection", b"keep-alive"))


def parse_response_head(data: bytes, method: bytes) -> ResponseHead:
    """The head in ``data`` (up to and including its blank line), an answer to ``method``. Raises MalformedHeadError."""
    # a head as providers send it; whatever else it may be is judged below
    return heads.parse_response_head(data, bodiless=method == b"HEAD") or judge_response_head(data, method)


def judge_response_head(data: bytes, method: bytes) -> ResponseHead:
    """As ``parse_response_head``, for any head: this alone decides what is malformed and what else is understood."""
    parser, headers = _parsed(data)
    old = parser.get_http_version() == "1.0"
    status = parser.get_status_code()
    if status == 101:
        raise MalformedHeadError("the upstream switched protocols unasked")
    length, codings, options, hint = -1, b"", b"", b""
    for name, value in headers:
        if name in _FRAMING:
            if name == b"content-length":
                length = int(value)  # llhttp has refused signs, lists, overflow and a second one
            elif name == b"transfer-encoding":
                codings = codings + b"," + value if codings else value
            elif name == b"connection":
                options = options + b"," + value.lower() if options else value.lower()
            else:
                hint = value
    kind, length = _framing(method, status, codings, length, old)
    return ResponseHead(
        status,
        tuple(headers),
        kind,
        length,
        _announced_s(hint) if hint else 0.0,
        keep_alive=kind != BODY_UNTIL_EOF and _keep_alive(options, old),
    )


def _parsed(data: bytes) -> tuple[httptools.HttpResponseParser, list[tuple[bytes, bytes]]]:
    collected = _Collector()
    parser = httptools.HttpResponseParser(collected)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        raise MalformedHeadError("the upstream switched protocols unasked") from None
    except httptools.HttpParserError as exc:
        raise MalformedHeadError(f"not an HTTP/1 response head: {exc}") from exc
    if not collected.complete:
        raise MalformedHeadError("not an HTTP/1 response head: it has no end")
    if parser.get_http_version() not in ("1.1", "1.0"):
        raise MalformedHeadError("the response is neither HTTP/1.1 nor HTTP/1.0")
    return parser, collected.headers


def _framing(method: bytes, status: int, codings: bytes, length: int, old: bool) -> tuple[int, int]:
    if codings:
        if old:  # RFC 9112 §6.1: such a message has faulty framing
            raise MalformedHeadError("Transfer-Encoding in an HTTP/1.0 response")
        if codings.strip().lower() != b"chunked":  # we sent no TE, so nothing else may be applied (§7.4)
            raise MalformedHeadError("Transfer-Encoding is not chunked alone")
    if status < 200 or status in (204, 304) or method == b"HEAD":
        return BODY_NONE, 0
    if codings:
        return BODY_CHUNKED, 0
    if length > 0:
        return BODY_LENGTH, length
    return (BODY_NONE if length == 0 else BODY_UNTIL_EOF), 0


def _keep_alive(options: bytes, old: bool) -> bool:
    if not options:
        return not old
    tokens = [token.strip() for token in options.split(b",")]
    return b"close" not in tokens and (not old or b"keep-alive" in tokens)


def _announced_s(hint: bytes) -> float:
    for part in hint.split(b","):
        name, _, value = part.partition(b"=")
        if name.strip().lower() == b"timeout" and value.strip().isdigit() and len(value) < 10:
            return float(value.strip())
    return 0.0
