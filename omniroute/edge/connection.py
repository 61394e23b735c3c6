"""One client connection: request after request until one of the two sides is through with it.

One task and one cancel scope for the connection's life. A request adds neither: its deadlines are the relay's. The
order within a request: head, route, body, handler, answer. Whatever goes wrong before the handler was called leaves
bytes of unknown meaning behind, so the connection closes after the error; after that point it can be kept.
"""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import socket
from typing import Final

import trio

from omniroute._speedups import BODY_LENGTH, BODY_NONE, BODY_UNTIL_EOF, Status
from omniroute.edge.head import RequestHead, parse_head
from omniroute.edge.reply import CONTINUE, ClientReply
from omniroute.edge.routes import Endpoint, ErrorShape, Resource
from omniroute.edge.state import EdgeState
from omniroute.errors import ClientError, GatewayFault, OmniRouteError, Overloaded
from omniroute.ports import ClientGone, Incoming
from omniroute.wire import Wire, WireError

_log: Final = logging.getLogger(__name__)

_TARGET: Final = re.compile(rb"(?P<method>[A-Z]{1,16}) (?P<path>/[^ ?#\r\n]{0,1024})(?:\?(?P<query>[^ #\r\n]*))?")

REST_EVERY: Final = 8
"""Requests after which a connection lets the others run even if it never had to wait: a client that pipelines what we
answer ourselves (a model list, errors) would else keep the loop to itself."""


class ClientConnection:
    """``run`` serves the socket to its end and closes it."""

    __slots__ = ("_ids", "_peer", "_served", "_sock", "_state", "_unread", "scope", "wire")

    def __init__(self, state: EdgeState, sock: socket.socket, wire: Wire, peer: str) -> None:
        """``wire`` wraps ``sock`` and is registered with the relay."""
        self._state = state
        self._sock = sock
        self._peer = peer
        self._ids = f"req_{secrets.token_hex(8)}%04x"
        self._served = 0
        self._unread = False  # something was answered before it was read
        self.wire = wire
        self.scope = trio.CancelScope()
        """Cancelled to close the connection at once."""

    async def run(self) -> None:
        """Serve until the connection ends. Raises nothing of the client's doing."""
        try:
            with self.scope:
                while await self._serve_one():
                    self._served += 1
                    if self._served % REST_EVERY == 0:
                        await trio.lowlevel.checkpoint()
                if self._unread or self.wire.buffered():
                    await self._linger()
        except (WireError, ClientGone):
            pass  # the client left or stalls: there is nobody to tell
        finally:
            self.wire.close()

    async def _serve_one(self) -> bool:
        """Serve the next request; whether another may follow. Every coroutine between here and a wait costs twice."""
        state, wire, served = self._state, self.wire, self._served
        options = state.options
        now = trio.current_time()
        received = wire.received_bytes - wire.buffered()
        # a new connection has no idle time: it was opened for a request
        wait_s, head_s = (options.keep_alive_s, options.head_timeout_s) if served else (options.head_timeout_s, 0.0)
        if state.draining:
            # its last answer was begun before the draining, without "Connection: close": as for those idle at its start
            wait_s = min(wait_s, options.drain_idle_s)
        state.idle[self] = now
        try:
            data = await wire.read_head(options.head_bytes, now + wait_s, head_s)
        except WireError as exc:
            return await self._without_head(exc, begun=wire.received_bytes > received)
        finally:
            del state.idle[self]
        request_id = self._ids % served
        try:
            head = parse_head(data, options)
        except ClientError as exc:
            return await self._refuse(self._bare_reply(request_id), exc, self._shape_for(data, request_id))
        found = state.routes.find(head.path)
        if found is None:
            return await self._to_control(head, request_id)
        path, resource = found
        method = head.method
        origin = head.headers.get(b"origin")
        reply = ClientReply(
            state,
            wire,
            request_id,
            keep_alive=head.keep_alive,
            http10=head.http10,
            head_only=method == "HEAD",
            extra=() if origin is None or method == "OPTIONS" else state.cors.headers(origin),
        )
        endpoint = resource.endpoints.get(method)
        if endpoint is None:
            some = next(iter(resource.endpoints.values())).chosen(self._incoming(head, path, request_id, now, b""))
            return await self._without_endpoint(head, resource, reply, some.errors)
        if endpoint.rivals:
            endpoint = endpoint.chosen(self._incoming(head, path, request_id, now, b""))
        return await self._to_endpoint(head, path, endpoint, reply, request_id)

    def _request_id(self) -> str:
        return self._ids % self._served

    async def _without_head(self, exc: WireError, *, begun: bool) -> bool:
        """The end of the connection, which is told why where there is a reason."""
        error = self._head_error(exc, begun=begun)
        if error is not None:
            request_id = self._request_id()
            await self._refuse(self._bare_reply(request_id), error, self._state.errors)
        return False

    def _head_error(self, exc: WireError, *, begun: bool) -> ClientError | None:
        options = self._state.options
        if exc.status is Status.TOO_LARGE:
            message = f"The request's headers are longer than {options.head_bytes} bytes; send fewer or shorter ones."
            return ClientError(message, status=431, code="headers_too_large", kind="too_large")
        if exc.status is Status.DEADLINE and begun:
            message = f"The request's headers did not arrive within {options.head_timeout_s:g} s."
            return ClientError(message, status=408, code="request_timeout", kind="timeout")
        if exc.status is Status.MALFORMED:
            return ClientError(f"Not an HTTP/1.1 request: {exc.detail}.")
        return None

    async def _to_endpoint(
        self, head: RequestHead, path: str, endpoint: Endpoint, reply: ClientReply, request_id: str
    ) -> bool:
        state, wire, options = self._state, self.wire, self._state.options
        received_at = trio.current_time()
        held = 0
        body = b""
        try:
            try:
                wire.set_body(head.body, head.length)
                if head.body != BODY_NONE:
                    limit = endpoint.body_bytes or options.body_bytes
                    held = self._reserve(head, limit)
                    if head.expect_continue and not wire.buffered():
                        await wire.send((CONTINUE,), received_at + options.write_timeout_s)
                    body = await wire.read_body(limit, received_at + options.body_grace_s, options.body_min_rate)
                    state.bodies_held += len(body) - held
                    held = len(body)
            except (OmniRouteError, WireError) as exc:
                error = _body_error(exc, endpoint.body_bytes or options.body_bytes)
                return await self._refuse(reply, error, endpoint.errors)
            incoming = Incoming(
                request_id, head.method, path, head.query, head.headers, body, received_at, self._peer, wire
            )
            try:
                await endpoint.handler(incoming, reply)
                if not reply.ended:
                    raise GatewayFault(f"{endpoint.name} returned without an answer")  # noqa: TRY301 - as any fault
            except (ClientGone, WireError):
                raise
            except Exception as exc:  # noqa: BLE001 - a defect in one request is that request's 500, not everybody's outage
                await self._answer_for(exc, endpoint, request_id, reply)
        finally:
            state.bodies_held -= held
        return reply.ended and reply.keep_alive

    def _incoming(self, head: RequestHead, path: str, request_id: str, received_at: float, body: bytes) -> Incoming:
        return Incoming(
            request_id, head.method, path, head.query, head.headers, body, received_at, self._peer, self.wire
        )

    def _reserve(self, head: RequestHead, limit: int) -> int:
        """Take the body's size out of the worker's allowance; how much was taken."""
        options = self._state.options
        if head.length > limit:
            raise _body_too_large(limit)
        wanted = head.length if head.body == BODY_LENGTH else options.chunked_reserve_bytes
        if self._state.bodies_held + wanted > options.bodies_bytes:
            raise Overloaded("Too many request bodies are held right now; try again shortly.", retry_after_s=1.0)
        self._state.bodies_held += wanted
        return wanted

    async def _answer_for(self, exc: Exception, endpoint: Endpoint, request_id: str, reply: ClientReply) -> None:
        """Answer in place of a handler that failed."""
        if isinstance(exc, OmniRouteError):
            error = exc
            if isinstance(exc, GatewayFault):
                _log.error("fault in %s, request %s", endpoint.name, request_id, exc_info=exc)
        else:
            _log.error("unexpected error in %s, request %s", endpoint.name, request_id, exc_info=exc)
            error = GatewayFault("The gateway failed on this request; its log has the request id and the reason.")
        if reply.ended:
            reply.keep_alive = False  # answered, and failed after it: nothing more to say, nothing to trust
        elif reply.begun:
            await reply.abort(b"")
        else:
            await reply.fail(error, endpoint.errors)

    async def _without_endpoint(
        self, head: RequestHead, resource: Resource, reply: ClientReply, errors: ErrorShape
    ) -> bool:
        """OPTIONS, or a method the path does not have."""
        if head.body != BODY_NONE:
            reply.keep_alive = False  # an answer with an unread body closes
            self._unread = True
        if head.method == "OPTIONS":
            await reply.complete(204, self._state.cors.preflight(head.headers, resource.allow), ())
        else:
            allow = resource.allow.decode()
            error = ClientError(f"This path serves {allow}.", status=405, code="method_not_allowed")
            await reply.fail(error, errors, (b"allow", resource.allow))
        return reply.keep_alive

    async def _to_control(self, head: RequestHead, request_id: str) -> bool:
        control = self._state.control
        reply = ClientReply(
            self._state,
            self.wire,
            request_id,
            keep_alive=head.keep_alive,
            http10=head.http10,
            head_only=head.method == "HEAD",
        )
        self.wire.set_body(head.body, head.length)
        try:
            if control is None:
                raise ClientError("Nothing is served at this path.", status=404, code="not_found", kind="not_found")
            await control.relay(head, self.wire, reply, self._peer, request_id)
        except OmniRouteError as exc:
            if reply.begun:
                return False
            if not self.wire.body_complete:
                return await self._refuse(reply, exc, self._state.errors)
            await reply.fail(exc, self._state.errors)
        if not self.wire.body_complete:
            self._unread = True
            return False
        return reply.ended and reply.keep_alive

    def _shape_for(self, data: bytes, request_id: str) -> ErrorShape:
        """How errors look at the path of a head that could not be understood, as far as its lines say it."""
        target = _TARGET.match(data)
        served = self._state.routes.find(target["path"].decode("latin-1")) if target else None
        if target is None or served is None:
            return self._state.errors
        path, resource = served
        lines = (line.partition(b":") for line in data.splitlines()[1:])
        headers = {name.lower(): value.strip() for name, _, value in lines}
        method = target["method"].decode("latin-1")
        endpoint = resource.endpoints.get(method) or next(iter(resource.endpoints.values()))
        query = target["query"] or b""
        asked = Incoming(request_id, method, path, query, headers, b"", trio.current_time(), self._peer, self.wire)
        return endpoint.chosen(asked).errors

    def _bare_reply(self, request_id: str) -> ClientReply:
        """For a request whose head could not be understood."""
        return ClientReply(self._state, self.wire, request_id)

    async def _refuse(self, reply: ClientReply, error: OmniRouteError, shape: ErrorShape) -> bool:
        """Send an error while input is unread: the connection cannot go on."""
        reply.keep_alive = False
        self._unread = True
        await reply.fail(error, shape)
        return False

    async def _linger(self) -> None:
        """Read and drop what still comes, bounded by time and size.

        Closing on unread input makes the kernel send RST, which would take the answer away from a client that has not
        read it yet (RFC 9112 §9.6).
        """
        options = self._state.options
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            return  # gone already
        deadline_at = trio.current_time() + options.linger_s
        left_bytes = options.linger_bytes
        self.wire.set_body(BODY_UNTIL_EOF)
        with contextlib.suppress(WireError):  # the deadline, or the client's own end
            while left_bytes > 0 and (piece := await self.wire.read_piece(deadline_at)):
                left_bytes -= len(piece)


def _body_error(exc: OmniRouteError | WireError, limit_bytes: int) -> OmniRouteError:
    """What the client is told of a body that could not be read. Raises ``exc`` if there is nobody to tell."""
    if isinstance(exc, OmniRouteError):
        return exc
    match exc.status:
        case Status.TOO_LARGE:
            return _body_too_large(limit_bytes)
        case Status.DEADLINE:
            message = "The request body arrived too slowly."
            return ClientError(message, status=408, code="request_timeout", kind="timeout")
        case Status.MALFORMED:
            return ClientError(f"The request body's chunks are malformed: {exc.detail}.")
        case _:
            raise exc


def _body_too_large(limit_bytes: int) -> ClientError:
    message = f"The request body is larger than {limit_bytes} bytes."
    return ClientError(message, status=413, code="body_too_large", kind="too_large")
