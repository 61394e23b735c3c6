r"""A request head, from bytes to facts; refuses whatever two readers could frame differently. No I/O.

Theory
------
A head of the common shape is read by ``_speedups.heads``, which declines all others; those are judged here.
``httptools`` (llhttp, strict) refuses most of what request smuggling is made of: Content-Length together with
Transfer-Encoding, several or malformed Content-Length, codings after ``chunked``, bare LF, folded headers, space before
a colon, control characters, unknown versions 1.x. What it lets through is refused here:

====================================================  ======
HTTP/0.9 request line, more than one space in it      400
Transfer-Encoding other than exactly ``chunked``      501
Transfer-Encoding in HTTP/1.0                         400
no ``Host`` in 1.1; several, empty or malformed       400
absolute target whose authority is not ``Host``       400
fragment, control characters, bad escapes in a path   400
``*`` as target: with OPTIONS 501, else               400
methods but the seven we relay, CONNECT and TRACE     501
target over ``target_bytes``                          414
more than ``max_headers`` header lines                431
an expectation other than ``100-continue``            417
any version but 1.0 and 1.1, HTTP/2's preface         505
====================================================  ======

Every refusal closes the connection: nothing after a head we did not understand is a request.
Source: RFC 9112 §2-§7, RFC 9110 §7, §10.1.1.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn
from urllib.parse import unquote_to_bytes

import httptools

from omniroute._speedups import BODY_CHUNKED, BODY_LENGTH, BODY_NONE, heads
from omniroute.edge.options import EdgeOptions
from omniroute.errors import ClientError, Kind

RequestHead = heads.RequestHead

METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})

_LISTS: Final = frozenset(
    {
        b"accept", b"accept-charset", b"accept-encoding", b"accept-language", b"cache-control", b"connection",
        b"content-encoding", b"content-language", b"expect", b"forwarded", b"if-match", b"if-none-match", b"pragma",
        b"prefer", b"te", b"trailer", b"upgrade", b"via", b"x-forwarded-for", b"anthropic-beta",
    }
)  # fmt: skip
"""Headers defined as lists: repeated ones mean the same as one with commas (RFC 9110 §5.3)."""

_FRAMING: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""Headers that decide where a message goes or ends: a second one is never a spelling matter."""

_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::[0-9]{0,5})?")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_VERSIONS: Final = (b"HTTP/1.1", b"HTTP/1.0")
_HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n"


def header_lines(head: RequestHead) -> list[tuple[bytes, bytes]]:
    """Every header line in order, repeated ones too, names in lower case. Off the hot path: relaying to control."""
    lines = []
    for line in head.raw.split(b"\r\n")[1:-2]:
        name, _, value = line.partition(b":")
        lines.append((name.lower(), value.strip()))
    return lines


class _Collector:
    """Receives what httptools finds in one head."""

    __slots__ = ("count", "headers", "target")

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.target = b""
        self.count = 0

    def on_url(self, url: bytes) -> None:
        self.target = url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        value = value.rstrip()  # llhttp keeps trailing blanks
        self.count += 1
        if name in self.headers:
            value = self._repeated(name, value)
        self.headers[name] = value

    def _repeated(self, name: bytes, value: bytes) -> bytes:
        if name in _FRAMING:
            refuse(f"The {name.decode()} header appears more than once; send it once.")
        if name in _LISTS:
            return self.headers[name] + b", " + value
        if name == b"cookie":
            return self.headers[name] + b"; " + value
        return value


def parse_head(data: bytes, options: EdgeOptions) -> RequestHead:
    """The head in ``data``, which ends with its blank line. Raises ``ClientError``; the connection must close then."""
    # a head as SDKs send it; whatever else it may be is judged below
    return heads.parse_request_head(data, options.max_headers, options.target_bytes) or judge_head(data, options)


def judge_head(data: bytes, options: EdgeOptions) -> RequestHead:
    """As ``parse_head``, for any head: this alone decides what is refused and what else is served."""
    collector = _Collector()
    parser = httptools.HttpRequestParser(collector)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:  # the whole head was read; whether anything comes of it is decided later
        upgrade = True
    except httptools.HttpParserError as exc:
        _refuse_unparsed(data, exc)
    else:
        upgrade = False
    http10 = _request_line(data)
    method = parser.get_method()
    if method not in METHODS:
        _refuse_method()
    if collector.count > options.max_headers:
        refuse(f"More than {options.max_headers} header lines; send fewer.", 431, "headers_too_large", "too_large")
    headers = collector.headers
    target = collector.target
    if len(target) > options.target_bytes:
        refuse(f"The URL is longer than {options.target_bytes} bytes; shorten it.", 414, "uri_too_long", "too_large")
    _check_host(headers, http10=http10)
    if target[:1] != b"/":
        target = _origin_form(target, method, headers.get(b"host"))
    path, query = _split_target(target)
    body, length = _framing(headers, http10=http10)
    connection = headers.get(b"connection")
    return RequestHead(
        method=method.decode(),
        target=target,
        path=path,
        query=query,
        headers=headers,
        http10=http10,
        keep_alive=not http10 if connection is None else _keep_alive(connection, http10=http10),
        body=body,
        length=length,
        expect_continue=b"expect" in headers and _expects(headers[b"expect"], http10=http10),
        upgrade=upgrade,
        raw=data,
    )


def _request_line(data: bytes) -> bool:
    """Check the first line and the blank last one; True for HTTP/1.0."""
    version_at = data.find(b"\r") - 8
    version = data[version_at : version_at + 8]
    # the last comparison: one head, all of it, and not one that ends with LF LF
    if version not in _VERSIONS or data.find(b"\r\n\r\n") != len(data) - 4:
        _refuse_version(data, version)
    if data.count(b" ", 0, version_at) != 2:
        refuse("The request line must be a method, a target and a version with one space between them.")
    return version == b"HTTP/1.0"


def _check_host(headers: dict[bytes, bytes], *, http10: bool) -> None:
    host = headers.get(b"host")
    if host is None:
        if not http10:
            refuse("The Host header is missing; HTTP/1.1 requires it.")
    elif _HOST.fullmatch(host) is None:
        refuse("The Host header is not a host name or address with an optional port.")


def _expects(expectation: bytes, *, http10: bool) -> bool:
    if expectation.lower() != b"100-continue":
        refuse("The only expectation served is 100-continue; remove the Expect header.", 417, "expectation_failed")
    return not http10  # which does not know interim answers (RFC 9110 §10.1.1)


def refuse(message: str, status: int = 400, code: str = "bad_request", kind: Kind = "invalid_request") -> NoReturn:
    """Raise the client's error."""
    raise ClientError(message, status=status, code=code, kind=kind)


def _framing(headers: dict[bytes, bytes], *, http10: bool) -> tuple[int, int]:
    coding = headers.get(b"transfer-encoding")
    if coding is not None:
        if http10:
            refuse("Transfer-Encoding does not exist in HTTP/1.0; send Content-Length.")
        if b"content-length" in headers:  # llhttp has refused it already; this does not depend on its version
            refuse("Content-Length and Transfer-Encoding exclude each other; send one.")
        if coding.lower() != b"chunked":
            refuse("The only transfer coding served is chunked.", 501, "not_implemented", "unsupported")
        return BODY_CHUNKED, 0
    length = headers.get(b"content-length")
    if length is None:
        return BODY_NONE, 0
    if not length.isdigit() or len(length) > 18:
        refuse("Content-Length is not a number of bytes.")
    size = int(length)
    return (BODY_LENGTH, size) if size else (BODY_NONE, 0)


def _keep_alive(connection: bytes, *, http10: bool) -> bool:
    if connection == b"keep-alive":  # what nearly every client sends
        return True
    tokens = [token.strip() for token in connection.lower().split(b",")]
    if b"close" in tokens:
        return False
    return not http10 or b"keep-alive" in tokens


def _origin_form(target: bytes, method: bytes, host: bytes | None) -> bytes:
    if target == b"*":
        if method == b"OPTIONS":
            refuse("OPTIONS * is not served; ask about a path.", 501, "not_implemented", "unsupported")
        refuse("* is a target for OPTIONS alone.")
    scheme, mark, rest = target.partition(b"://")
    if not mark or scheme.lower() not in {b"http", b"https"}:
        refuse("The request target must be a path or an http URL.")
    cut = min((at for at in (rest.find(b"/"), rest.find(b"?"), rest.find(b"#")) if at >= 0), default=len(rest))
    authority = rest[:cut]
    if _HOST.fullmatch(authority) is None or (host is not None and host.lower() != authority.lower()):
        refuse("The authority in the request target and the Host header must be the same.")
    rest = rest[cut:]
    return rest if rest[:1] == b"/" else b"/" + rest


def _split_target(target: bytes) -> tuple[str, bytes]:
    raw_path, _, query = target.partition(b"?")
    path = raw_path.decode("ascii", "replace")  # llhttp lets nothing but ASCII through
    if "#" in path or b"#" in query:
        refuse("A request target has no fragment; remove the # or escape it as %23.")
    if "%" in path:
        if _BAD_ESCAPE.search(path) is not None:
            refuse("The path holds a % that is not an escape; write it as %25.")
        try:
            path = unquote_to_bytes(raw_path).decode()
        except UnicodeDecodeError as exc:
            raise ClientError("The path's escapes are not UTF-8.") from exc
        if _CONTROL.search(path) is not None:
            refuse("The path holds an escaped control character.")
    return path, query


def _refuse_unparsed(data: bytes, exc: httptools.HttpParserError) -> NoReturn:
    """What httptools refused. Its sentence names the rule and quotes nothing of the request."""
    cause = exc.__context__  # a ClientError raised in a callback arrives wrapped
    if isinstance(cause, ClientError):
        raise cause
    if isinstance(exc, httptools.HttpParserInvalidMethodError) and re.match(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ ", data):
        _refuse_method()
    line = data[: data.find(b"\r")] if b"\r" in data else data
    if re.fullmatch(rb"[A-Z]+ \S+ HTTP/(?!1\.[01])[0-9]\.[0-9]", line):
        _refuse_version(data, line[-8:])
    detail = str(exc)
    raise ClientError(f"Not a valid HTTP/1.1 request: {detail[:1].lower()}{detail[1:]}.") from exc


def _refuse_version(data: bytes, version: bytes) -> NoReturn:
    if data.startswith(_HTTP2_PREFACE):
        message = "This port speaks HTTP/1.1 in clear text; HTTP/2 without TLS (prior knowledge) is not served."
        refuse(message, 505, "http_version_not_supported", "unsupported")
    if re.fullmatch(rb"HTTP/[0-9]\.[0-9]", version) and version not in {b"HTTP/0.9", b"HTTP/1.0", b"HTTP/1.1"}:
        refuse("The HTTP versions served are 1.1 and 1.0.", 505, "http_version_not_supported", "unsupported")
    refuse("Not an HTTP/1.1 request: the request line has no version, or a line ends without CR LF.")


def _refuse_method() -> NoReturn:
    refuse("The method is not served.", 501, "not_implemented", "unsupported")
