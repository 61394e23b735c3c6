"""One HTTP/1.1 exchange with a provider, over a wire of its own, taken step by step so that a failure has a place.

Made of the data plane's own parts (look-up, guard, connecting, tunnels, trust): what works here works there. An HTTP
client library would hide the steps, knows no SOCKS, and looks names up a second time after the guard has judged the
first answer.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal

import h11
import msgspec
import trio

from omniroute.domain import Connection
from omniroute.errors import UpstreamError
from omniroute.upstream import Address, Lookup, refused_kind
from omniroute.upstream.connect import connect_any
from omniroute.upstream.origin import OriginKey, key_of, split_base_url
from omniroute.upstream.proxies import ProxyError, handshake_of, open_tunnel
from omniroute.upstream.tls import TlsProfileError, client_context

Stage = Literal[
    "done", "credential", "dns", "egress", "tcp", "proxy", "tls", "timeout", "auth", "model", "rate", "base_url",
    "upstream",
]  # fmt: skip

STEP_S: Final = 10.0
"""For each of the look-up, connecting, a tunnel and TLS."""

HEAD_START_S: Final = 0.25
"""Of one address before the next is tried beside it."""

MAX_ANSWER_BYTES: Final = 1024 * 1024
"""Lists of models are long; more than this is not one."""

_MAX_PROXY_HEAD_BYTES: Final = 16 * 1024
_READ_BYTES: Final = 65536


class CallFailedError(Exception):
    """The call failed in ``stage``; the message is for the operator."""

    def __init__(self, stage: Stage, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.stage: Stage = stage
        self.message = message
        self.status = status
        """HTTP status of the answer, 0 if there was none."""


class Answer(msgspec.Struct, frozen=True):
    """A whole response."""

    status: int
    body: bytes


async def call_once(
    connection: Connection, path: str, body: bytes | None, more: Sequence[tuple[bytes, bytes]], *, lookup: Lookup
) -> Answer:
    """GET ``path`` under the base URL, or POST it with a JSON ``body``, with the connection's headers and ``more``.

    Raises:
        CallFailedError: the answer did not come whole. One of any status that did is returned.
    """
    try:
        url = split_base_url(connection)
        key = key_of(connection, url)
    except UpstreamError as exc:
        raise CallFailedError("base_url", exc.message) from exc
    stream = await _open(connection, key, lookup)
    headers = [(b"host", url.netloc.encode()), (b"accept", b"application/json"), (b"connection", b"close"), *more]
    headers += [(name.encode(), value.encode()) for name, value in connection.headers]
    if body is not None:
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    method = "GET" if body is None else "POST"
    request = h11.Request(method=method, target=url.path.rstrip("/") + path, headers=headers)
    try:
        return await _exchange(stream, request, body or b"")
    except trio.BrokenResourceError as exc:
        raise CallFailedError("upstream", f"{_place(key)} broke off: {exc.__cause__ or 'connection lost'}") from exc
    except h11.RemoteProtocolError as exc:
        raise CallFailedError("upstream", f"{_place(key)} does not answer in HTTP/1.1: {exc}") from exc
    finally:
        await trio.aclose_forcefully(stream)


async def _open(connection: Connection, key: OriginKey, lookup: Lookup) -> trio.abc.Stream:
    """A wire to the origin, tunnel and TLS included."""
    hop, port = (key.host, key.port) if key.proxy is None else (key.proxy.host, key.proxy.port)
    with _within("dns", f"looking up {hop}"):
        addresses = await _resolved(hop, lookup, allow_private=connection.allow_private)
    place = f"{hop} ({addresses[0].ip}) port {port}"
    step: Stage = "proxy" if key.proxy else "tcp"
    try:
        with _within(step, f"connecting to {place}"):
            sock = await connect_any(addresses, port, HEAD_START_S)
    except OSError as exc:
        raise CallFailedError(step, f"{place} cannot be connected to: {exc.strerror}") from exc
    try:
        if key.proxy is not None:
            with _within("proxy", f"the proxy's way to {_place(key)}"):
                await _tunnelled(sock, key)
        plain = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        if key.tls is None:
            return plain
        with _within("tls", f"agreeing on TLS with {_place(key)}"):
            return await _secured(plain, connection, key)
    except BaseException:
        sock.close()
        raise


@contextmanager
def _within(stage: Stage, what: str) -> Iterator[None]:
    with trio.move_on_after(STEP_S) as scope:
        yield
    if scope.cancelled_caught:
        raise CallFailedError(stage, f"{what} took longer than {STEP_S:.0f} s")


async def _resolved(host: str, lookup: Lookup, *, allow_private: bool) -> list[Address]:
    """The addresses of ``host`` that may be called, at least one."""
    try:
        found = await trio.to_thread.run_sync(lookup, host, abandon_on_cancel=True)
    except (OSError, UnicodeError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise CallFailedError("dns", f"the name {host} cannot be resolved: {reason}") from exc
    passed = [address for address in found if allow_private or not refused_kind(address.ip)]
    if passed:
        return passed
    if not found:
        raise CallFailedError("dns", f"the name {host} has no address")
    ip = found[0].ip
    raise CallFailedError(
        "egress", f"{host} leads to {ip} ({refused_kind(ip)}), which this connection may not call without allow_private"
    )


async def _tunnelled(sock: socket.socket, key: OriginKey) -> None:
    assert key.proxy is not None
    try:
        await open_tunnel(sock, handshake_of(key.proxy, key.host, key.port, _MAX_PROXY_HEAD_BYTES))
    except ProxyError as exc:
        raise CallFailedError("proxy", f"the proxy did not open the way: {exc}") from exc
    except OSError as exc:
        raise CallFailedError("proxy", f"the proxy broke off: {exc.strerror}") from exc


async def _secured(plain: trio.SocketStream, connection: Connection, key: OriginKey) -> trio.abc.Stream:
    try:
        context = await trio.to_thread.run_sync(client_context, connection.tls)
    except TlsProfileError as exc:
        raise CallFailedError("tls", str(exc)) from exc
    name = connection.tls.server_name or key.host
    stream = trio.SSLStream(plain, context, server_hostname=name, https_compatible=True)
    try:
        await stream.do_handshake()
    except trio.BrokenResourceError as exc:
        reason = exc.__cause__
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise CallFailedError("tls", f"the certificate of {name} is not good: {reason.verify_message}") from exc
        words = reason.reason if isinstance(reason, ssl.SSLError) else reason
        raise CallFailedError(
            "tls", f"{_place(key)} did not agree on TLS: {words or 'it closed the connection'}"
        ) from exc
    return stream


async def _exchange(stream: trio.abc.Stream, request: h11.Request, body: bytes) -> Answer:
    machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=_READ_BYTES)
    await stream.send_all(machine.send(request) or b"")
    await stream.send_all((machine.send(h11.Data(body)) or b"") + (machine.send(h11.EndOfMessage()) or b""))
    status = 0
    data = bytearray()
    while True:
        event = machine.next_event()
        if event is h11.NEED_DATA:
            machine.receive_data(bytes(await stream.receive_some(_READ_BYTES)))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            data += event.data
            if len(data) > MAX_ANSWER_BYTES:
                raise CallFailedError("upstream", f"the answer is longer than {MAX_ANSWER_BYTES} bytes", status)
        elif isinstance(event, h11.EndOfMessage):
            return Answer(status, bytes(data))


def _place(key: OriginKey) -> str:
    return f"{key.host} port {key.port}"
