r"""HTTP/1.1 heads of the common shape, read in one pass; and the writing of heads. Plain-Python twin of ``heads_c``.

Theory
------
A head as SDKs and providers write it needs no state machine. ``parse_request_head`` and ``parse_response_head`` know
that shape and nothing else; for every other head they return None, and a full parser (llhttp, by way of httptools)
judges it and words the error. **Declining is always right, differing never**: what is accepted here must have the
same meaning, field for field, in the full parser's eyes. So whatever llhttp has an opinion about beyond this shape
declines: tabs, obs-text and empty values, ``Upgrade``, ``Expect``, HTTP/1.0, escapes in a path, a repeated header in
a request (in a response: a repeated framing header), lists in ``Connection``, both framings at once.

What is found is handed out late: the compiled twin keeps the head and where its fields are, and makes a bytes object
when one is asked for. Here the same is a dict (request) and a tuple of pairs (response).

Writing is the reverse and strict: no value given to ``write_reply_head`` can end a line, and ``write_request_head``
refuses such a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from omniroute._speedups.status import BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_EOF

Pairs = Sequence[tuple[bytes, bytes]]

MAX_FIELDS: Final = 48
"""Lines of a head of the common shape; the compiled twin has room for so many. Providers behind CDNs send thirty."""
MAX_HEAD_BYTES: Final = 0xFFFF
"""And its size: offsets are 16 bits."""
MAX_NAME_BYTES: Final = 0xFF
MAX_LENGTH_DIGITS: Final = 18
"""Of Content-Length: what fits 63 bits."""

_REQUEST_LINE: Final = re.compile(
    rb"(GET|POST) ((/[A-Za-z0-9/._~:@!$&'()*+,;=-]*)(?:\?([A-Za-z0-9/._~:@!$&'()*+,;=?%-]*))?) HTTP/1\.1\r\n"
)
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9]) [\x20-\x7e]*\r\n")
_FIELD: Final = re.compile(rb"([A-Za-z0-9_-]{1,255}):([\x20-\x7e]+)\r\n")
_HOST: Final = re.compile(rb"[A-Za-z0-9._-]+(?::[0-9]{0,5})?")
_TIMEOUT: Final = re.compile(rb"timeout=([0-9]{1,9})(?:,.*)?", re.IGNORECASE)
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BLANKED: Final = bytes.maketrans(b"\r\n\0", b"   ")

NameSet = frozenset
"""A set of header names in lower case; compiled: one that is asked without making bytes objects."""


class RequestHead:
    """What a request's head says."""

    __slots__ = (
        "body",
        "expect_continue",
        "headers",
        "http10",
        "keep_alive",
        "length",
        "method",
        "path",
        "query",
        "raw",
        "target",
        "upgrade",
    )

    def __init__(  # noqa: PLR0913 - a field each
        self,
        method: str,
        target: bytes,
        path: str,
        query: bytes,
        headers: Mapping[bytes, bytes],
        raw: bytes,
        body: int,
        length: int,
        *,
        keep_alive: bool,
        http10: bool = False,
        expect_continue: bool = False,
        upgrade: bool = False,
    ) -> None:
        self.method = method
        self.target = target
        """In origin form, as sent: path and query with their escapes."""
        self.path = path
        """Decoded, without the query."""
        self.query = query
        self.headers = headers
        """Names in lower case; of a repeated one the last, except lists, joined with ", " (cookies with "; ")."""
        self.raw = raw
        """The head as received; lines end with CRLF and none is folded."""
        self.body = body
        """How the body is framed: ``BODY_NONE``, ``BODY_LENGTH`` or ``BODY_CHUNKED``."""
        self.length = length
        """With ``BODY_LENGTH``, in bytes."""
        self.keep_alive = keep_alive
        """The client would send another request after this one."""
        self.http10 = http10
        self.expect_continue = expect_continue
        self.upgrade = upgrade
        """The client offers to leave HTTP/1.1 (``Connection: upgrade``). Whoever answers may take no notice."""


class ResponseHead:
    """What a response's head says."""

    __slots__ = ("body_bytes", "body_kind", "headers", "keep_alive", "keep_alive_s", "status")

    def __init__(
        self, status: int, headers: Pairs, body_kind: int, body_bytes: int, keep_alive_s: float, *, keep_alive: bool
    ) -> None:
        self.status = status
        self.headers = headers
        """Every line in order; names in lower case."""
        self.body_kind = body_kind
        """``BODY_*``."""
        self.body_bytes = body_bytes
        """With ``BODY_LENGTH``."""
        self.keep_alive_s = keep_alive_s
        """How long the upstream says it keeps an idle connection (``Keep-Alive: timeout=``), 0 if it does not say."""
        self.keep_alive = keep_alive
        """The wire may carry another exchange once the body is read."""


def parse_request_head(data: bytes, max_headers: int, target_bytes: int) -> RequestHead | None:
    """The head ``data`` is, to its blank line; None for any but the common shape or over a limit."""
    line = _REQUEST_LINE.match(data)
    if line is None or len(data) > MAX_HEAD_BYTES or len(line[2]) > target_bytes:
        return None
    pairs = _fields(data, line.end())
    if pairs is None or len(pairs) > max_headers:
        return None
    headers = dict(pairs)
    host = headers.get(b"host")
    if len(headers) != len(pairs) or host is None or not _HOST.fullmatch(host):
        return None
    framing = _framing(headers)
    connection = headers.get(b"connection", b"keep-alive").lower()
    if framing is None or connection not in {b"keep-alive", b"close"} or b"upgrade" in headers or b"expect" in headers:
        return None
    body, length = framing
    return RequestHead(
        line[1].decode(),
        line[2],
        line[3].decode(),
        line[4] or b"",
        headers,
        data,
        BODY_NONE if length == 0 and body != BODY_CHUNKED else body,
        length,
        keep_alive=connection == b"keep-alive",
    )


def parse_response_head(data: bytes, *, bodiless: bool) -> ResponseHead | None:
    """The head ``data`` is, to its blank line; None for any but the common shape. ``bodiless``: an answer to HEAD."""
    line = _STATUS_LINE.match(data)
    if line is None or len(data) > MAX_HEAD_BYTES:
        return None
    pairs = _fields(data, line.end())
    if pairs is None:
        return None
    headers = dict(pairs)
    owned = (b"content-length", b"transfer-encoding", b"connection", b"keep-alive")
    if sum(name in owned for name, _ in pairs) != sum(name in owned for name in headers):
        return None
    framing = _framing(headers)
    connection = headers.get(b"connection", b"keep-alive").lower()
    hint = _TIMEOUT.fullmatch(headers.get(b"keep-alive", b"timeout=0"))
    if framing is None or connection not in {b"keep-alive", b"close"} or b"upgrade" in headers or hint is None:
        return None
    status = int(line[1])
    kind, length = framing
    if bodiless or status in {204, 304}:
        kind, length = BODY_NONE, 0
    elif kind == BODY_NONE:
        kind = BODY_UNTIL_EOF
    elif kind == BODY_LENGTH and length == 0:
        kind = BODY_NONE
    keep_alive = connection == b"keep-alive" and kind != BODY_UNTIL_EOF
    return ResponseHead(status, tuple(pairs), kind, length, float(hint[1]), keep_alive=keep_alive)


def relayed_lines(headers: Pairs, dropped: NameSet[bytes]) -> bytes:
    r"""``name: value\r\n`` of every header not named in ``dropped``; ``headers`` are of a parsed head: sound."""
    return b"".join([b"%b: %b\r\n" % pair for pair in headers if pair[0] not in dropped])


def write_reply_head(
    start: bytes,
    request_id: bytes,
    lines: bytes,
    pairs: tuple[tuple[bytes, bytes], ...],
    owned: NameSet[bytes],
    end: bytes,
) -> bytes:
    """A head: ``start`` and ``request_id`` as one line's end, ``lines``, ``pairs``, then ``end`` with the blank line.

    All but ``pairs`` is taken as it is: ``start`` ends with ``x-request-id: ``, ``lines`` come from ``relayed_lines``.

    A pair whose name is in ``owned`` (in any case) or is no token is left out; CR, LF and NUL in a value become blanks.
    """
    made = [
        b"%b: %b\r\n" % (name, value.translate(_BLANKED))
        for name, value in pairs
        if name.lower() not in owned and _TOKEN.fullmatch(name) is not None
    ]
    return b"".join((start, request_id, b"\r\n", lines, *made, end))


def write_request_head(start: bytes, pairs: tuple[tuple[bytes, bytes], ...], length: int) -> bytes:
    """A head: ``start`` as it is, the lines of ``pairs``, Content-Length unless ``length`` is negative, the blank line.

    Raises ValueError if a name or value holds CR, LF or NUL.
    """
    lines = b"".join([b"%b: %b\r\n" % pair for pair in pairs])
    if lines.count(b"\n") != len(pairs) or lines.count(b"\r") != len(pairs) or b"\0" in lines:
        raise ValueError("a line break or NUL in a header")
    if length < 0:
        return b"%b%b\r\n" % (start, lines)
    return b"%b%bContent-Length: %d\r\n\r\n" % (start, lines, length)


def _fields(data: bytes, at: int) -> list[tuple[bytes, bytes]] | None:
    """The lines from ``at`` to the blank one, which must be the end."""
    pairs: list[tuple[bytes, bytes]] = []
    while (field := _FIELD.match(data, at)) is not None:
        value = field[2].strip(b" ")
        if not value or len(pairs) == MAX_FIELDS:
            return None
        pairs.append((field[1].lower(), value))
        at = field.end()
    return pairs if data[at:] == b"\r\n" else None


def _framing(headers: dict[bytes, bytes]) -> tuple[int, int] | None:
    """Framing as declared: BODY_LENGTH also with a length of 0, BODY_NONE if nothing is declared; None: declines."""
    length = headers.get(b"content-length")
    coding = headers.get(b"transfer-encoding")
    if coding is not None:
        return None if length is not None or coding.lower() != b"chunked" else (BODY_CHUNKED, 0)
    if length is None:
        return BODY_NONE, 0
    return (BODY_LENGTH, int(length)) if length.isdigit() and len(length) <= MAX_LENGTH_DIGITS else None
