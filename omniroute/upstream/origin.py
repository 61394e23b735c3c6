"""Where a connection's requests go: origin (the pool's key) and route (what is constant in their heads).

Both are derived once per ``Connection`` value. A snapshot is immutable and its connections live as long as it, so the
route is found by the connection's identity: hashing a Struct with a dozen fields for every request would cost more than
the look-up saves. The route keeps its connection alive, hence an identity in the table is never a recycled one.
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

import msgspec

from omniroute._speedups import heads
from omniroute.domain import Connection, Secret, TlsProfile
from omniroute.errors import GatewayFault
from omniroute.ports import WireRequest
from omniroute.upstream.map_errors import configuration_error

if TYPE_CHECKING:
    from omniroute.upstream.wire import UpstreamWire

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_PROXY_PORTS: Final = {"http": 80, "socks5": 1080, "socks5h": 1080}
_BODILESS: Final = frozenset((b"GET", b"HEAD", b"DELETE", b"OPTIONS"))
_HOST: Final = re.compile(r"[A-Za-z0-9._\-]+|[0-9A-Fa-f:.]+(%25?\w+)?", re.ASCII)
_MAX_HEADS: Final = 64
"""(method, path) pairs remembered per route; a dialect has a handful, a client-made path must not grow the table."""


class Proxy(msgspec.Struct, frozen=True):
    """Through what an origin is reached."""

    scheme: str
    """``http`` or ``socks5``."""
    host: str
    port: int
    user: Secret = Secret("")
    password: Secret = Secret("")


class OriginKey(msgspec.Struct, frozen=True):
    """Two connections with equal keys may share wires.

    ``allow_private`` is in it: a wire that one connection may have opened to a private address must not serve another
    that may not.
    """

    tls: TlsProfile | None
    """None: plain HTTP."""
    host: str
    port: int
    proxy: Proxy | None
    allow_private: bool


class Origin:
    """One pool key and its wires."""

    __slots__ = ("host", "idle", "key", "label", "open", "routes", "session", "session_context")

    def __init__(self, key: OriginKey) -> None:
        self.key = key
        self.host = f"[{key.host}]" if ":" in key.host else key.host
        """As URLs and the Host header write it: an IPv6 address in brackets."""
        self.label = f"{'http' if key.tls is None else 'https'}://{self.host}:{key.port}"
        """For messages; holds no credential."""
        self.idle: list[UpstreamWire] = []
        """Kept-alive wires, the last used at the end."""
        self.open = 0
        """Wires idle, in use and being connected."""
        self.routes = 0
        """Routes that lead here; an origin without routes and wires is forgotten."""
        self.session: ssl.SSLSession | None = None
        """The last TLS session, resumed by the next handshake of the same context."""
        self.session_context: ssl.SSLContext | None = None


class Route:
    """What is constant in a connection's requests."""

    __slots__ = ("_base_path", "_heads", "_host_line", "_query", "connection", "origin", "used_at")

    def __init__(self, connection: Connection, origin: Origin, url: SplitResult) -> None:
        self.connection = connection
        self.origin = origin
        self.used_at = 0.0
        key = origin.key
        port = "" if key.port == _DEFAULT_PORTS[url.scheme] else f":{key.port}"
        self._host_line = f" HTTP/1.1\r\nHost: {origin.host}{port}\r\n".encode("ascii")
        self._base_path = url.path.rstrip("/")
        self._query = url.query
        self._heads: dict[tuple[bytes, str], bytes] = {}

    def head(self, request: WireRequest) -> bytes:
        """The request head. Raises GatewayFault if a header holds a line break: it would become a second header."""
        start = self._heads.get((request.method, request.path))
        if start is None:
            start = self._start(request.method, request.path)
        sized = request.body_bytes or request.method not in _BODILESS
        try:
            return heads.write_request_head(start, request.headers, request.body_bytes if sized else -1)
        except ValueError as exc:
            raise GatewayFault("a header for the upstream holds a line break or NUL; nothing was sent") from exc

    def _start(self, method: bytes, path: str) -> bytes:
        path, _, query = path.partition("?")
        # "%" stays: the parts come encoded; what HTTP could not carry in a request line is encoded here
        target = quote(self._base_path + path, safe="/%:@!$&'()*+,;=-._~") or "/"
        queries = "&".join(quote(part, safe="/%:@!$&'()*+,;=-._~?") for part in (self._query, query) if part)
        if not method.isalpha():  # a line break in it would be one in the head
            raise GatewayFault("a method for the upstream is no method; nothing was sent")
        start = method + b" " + (f"{target}?{queries}" if queries else target).encode("ascii") + self._host_line
        if len(self._heads) >= _MAX_HEADS:
            del self._heads[next(iter(self._heads))]
        self._heads[(method, path + ("?" + query if query else ""))] = start
        return start


def split_base_url(connection: Connection) -> SplitResult:
    """The parts of the base URL. Raises UpstreamError if it is no URL we can call."""
    try:
        url = urlsplit(connection.base_url)
        _ = url.port
    except ValueError as exc:
        raise configuration_error(connection, "base_url", "it is not a URL") from exc
    if url.scheme not in _DEFAULT_PORTS or not url.hostname:
        raise configuration_error(connection, "base_url", "it must begin with http:// or https:// and name a host")
    if url.username or url.password:
        raise configuration_error(connection, "base_url", "credentials belong into the connection, not into the URL")
    return url


def key_of(connection: Connection, url: SplitResult) -> OriginKey:
    """The pool key of a connection. Raises UpstreamError."""
    return OriginKey(
        tls=connection.tls if url.scheme == "https" else None,
        host=_ascii_host(connection, "base_url", url),
        port=url.port or _DEFAULT_PORTS[url.scheme],
        proxy=_proxy_of(connection) if connection.proxy else None,
        allow_private=connection.allow_private,
    )


def _proxy_of(connection: Connection) -> Proxy:
    try:
        url = urlsplit(connection.proxy.reveal())
        port = url.port
    except ValueError:
        # "from None": the ValueError quotes the URL, and with it perhaps a password
        raise configuration_error(connection, "proxy", "it is not a URL") from None
    if url.scheme not in _PROXY_PORTS or not url.hostname:
        raise configuration_error(connection, "proxy", "it must be http://host:port or socks5://host:port")
    return Proxy(
        scheme="http" if url.scheme == "http" else "socks5",
        host=_ascii_host(connection, "proxy", url),
        port=port or _PROXY_PORTS[url.scheme],
        user=Secret(unquote(url.username or "")),
        password=Secret(unquote(url.password or "")),
    )


def _ascii_host(connection: Connection, field: str, url: SplitResult) -> str:
    host = url.hostname or ""
    try:
        ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise configuration_error(connection, field, "its host is not a domain name") from None
    if not _HOST.fullmatch(ascii_host):
        raise configuration_error(connection, field, "its host is neither a domain name nor an address")
    return ascii_host
