"""The mock itself: which request gets which answer, and the books."""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import msgspec
import trio

from omniroute.discovery import find
from omniroute.domain import Secret
from omniroute.mock import versions
from omniroute.mock.counts import Counts
from omniroute.mock.dialect import Ask, BadAsk, Dialect, Told
from omniroute.mock.last import Last
from omniroute.mock.page import page
from omniroute.mock.player import Answer, Player, reason, reset
from omniroute.mock.request import Refused, Request, Requests
from omniroute.mock.script import BadScript, Script, apply, for_model
from omniroute.mock.speech import speak

MAX_TURNS: Final = 1000
"""Scripts with ``every`` whose turns are counted; at the bound the one unused longest is forgotten and begins again."""
FALLBACK: Final = "openai_chat"
"""Whose errors those get who speak no dialect we know."""
JSON: Final = "application/json"
HTML: Final = b"<!DOCTYPE html>\n<html><head><title>%d</title></head><body><h1>%b</h1></body></html>\n"


class MockOptions(msgspec.Struct, frozen=True):
    """How a mock behaves as a server."""

    key: Secret = Secret("")
    """The API key it demands, in the place each vendor looks for it; an empty one accepts everyone."""
    script: str = ""
    """The script of every request, before what its model and header say."""
    body_limit_bytes: int = 64 * 1024 * 1024
    idle_s: float = 75.0
    """A connection silent for so long between requests, or within one, is closed."""
    keep_requests: int = 0
    """How many of the last requests ``Mock.requests`` keeps, for tests."""


class Mock:
    """A scripted upstream. ``run`` serves until cancelled; ``counts`` and ``requests`` tell what was served."""

    def __init__(self, options: MockOptions | None = None) -> None:
        self.options = options or MockOptions()
        self.counts = Counts()
        self.requests: deque[Request] = deque(maxlen=self.options.keep_requests)
        self.last = Last()
        self.port = 0
        self._dialects = find("omniroute.mock.dialects", "DIALECT", Dialect)
        self._script = apply(Script(), self.options.script)
        self._turns: dict[str, int] = {}
        self._serial = 0

    @property
    def base_url(self) -> str:
        """What to register as a provider's base URL, once ``run`` has started on loopback; Ollama's has no version."""
        return f"{self.root_url}/v1"

    @property
    def root_url(self) -> str:
        """The same without a version."""
        return f"http://127.0.0.1:{self.port}"

    async def run(
        self, listeners: Sequence[trio.SocketListener], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve ``listeners`` until cancelled; they are closed then."""
        self.port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:  # cancelled as a whole: answers end with the mock
            await nursery.start(trio.serve_listeners, self._connection, listeners)
            task_status.started()

    async def _connection(self, stream: trio.SocketStream) -> None:
        options, counts = self.options, self.counts
        counts.connections += 1
        counts.connections_open += 1
        requests = Requests(stream, body_limit_bytes=options.body_limit_bytes, idle_s=options.idle_s)
        try:
            async with stream:
                try:
                    while (request := await requests.next()) and await self._serve(stream, requests, request):
                        pass
                except Refused as refused:
                    counts.rejected += 1
                    body = self._dialects[FALLBACK].error(refused.status, refused.reason)
                    await self._tell(stream, refused.status, body, keep_alive=False)
                    await requests.drain()
        except trio.BrokenResourceError:
            return  # the client reset the connection; what it had asked for is in the books as gone
        finally:
            counts.connections_open -= 1

    async def _serve(self, stream: trio.SocketStream, requests: Requests, request: Request) -> bool:
        """Answer one request. False: the connection ends here."""
        self.requests.append(request)
        if request.path.startswith("/mock"):
            status, kind, body = self._control(request)
            return await self._tell(stream, status, body, keep_alive=request.keep_alive, kind=kind)
        dialect = next((one for one in self._dialects.values() if one.claims(request)), None)
        try:
            ask = self._read(request, dialect)
            if isinstance(ask, Told):
                return await self._tell(stream, 200, ask.body, keep_alive=request.keep_alive)
            script = self._script_of(ask.heard.model, request)
        except BadAsk as error:
            self.counts.rejected += 1
            fault = (dialect or self._dialects[FALLBACK]).error
            body = fault(error.status, error.message, code=error.code, param=error.param)
            return await self._tell(stream, error.status, body, keep_alive=request.keep_alive)
        return await self._play(stream, requests, request, ask, script)

    def _read(self, request: Request, dialect: Dialect | None) -> Ask | Told:
        """What is asked. Raises BadAsk."""
        if dialect is None:
            raise BadAsk(self._unknown(request), status=404)
        if not self._known(dialect.credential(request)):
            raise BadAsk("the mock was started with --key: send it where your vendor's client does", status=401)
        try:
            return dialect.read(request)
        except RecursionError as error:
            raise BadAsk("the body is nested too deeply") from error

    def _unknown(self, request: Request) -> str:
        return f"the mock has no {request.method} {request.path}; it has {', '.join(self._paths())} and GET /mock"

    def _paths(self) -> list[str]:
        return [path for dialect in self._dialects.values() for path in dialect.paths]

    def _known(self, given: str) -> bool:
        wanted = self.options.key.reveal()
        return not wanted or hmac.compare_digest(given.encode(), wanted.encode())

    def _control(self, request: Request) -> tuple[int, str, bytes]:
        match request.method, request.path:
            case "GET", "/mock":
                return 200, "text/plain; charset=utf-8", page(self._paths()).encode()
            case "GET", "/mock/counts":
                shown = self.counts if "ids=1" in request.query else msgspec.structs.replace(self.counts, by_request={})
                return 200, JSON, msgspec.json.encode(shown)
            case "GET", "/mock/last":
                seen = self.last.of(versions.query(request, "model"))
                if seen is None:
                    return 404, JSON, b'{"error":"no request for this model is remembered"}'
                return 200, JSON, msgspec.json.encode(seen)
            case "POST", "/mock/reset":
                self.counts.reset()
                self.last.clear()
                self._turns.clear()
                return 200, JSON, b"{}"
            case _:
                told = b'{"error":"the mock has GET /mock, GET /mock/counts, GET /mock/last and POST /mock/reset"}'
                return 404, JSON, told

    async def _tell(
        self, stream: trio.SocketStream, status: int, body: bytes, *, keep_alive: bool, kind: str = JSON
    ) -> bool:
        """A plain answer of the mock's own, outside every script."""
        end = "" if keep_alive else "connection: close\r\n"
        head = f"HTTP/1.1 {status} {reason(status)}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{end}\r\n"
        await stream.send_all(head.encode() + body)
        return keep_alive

    async def _play(
        self, stream: trio.SocketStream, requests: Requests, request: Request, ask: Ask, script: Script
    ) -> bool:
        """Answer what a script answers."""
        self._serial += 1
        heard = ask.heard
        asked_as = request.header("x-omniroute-attempt") or request.header("x-request-id")
        self.last.keep(heard.model, request)
        tally = self.counts.begin(heard.model, asked_as, heard.prompt_tokens)
        answer = _answer(ask, script, self._serial, asked_as)
        spoke = partial(self.counts.spoke, tally)
        player = Player(stream, script, spoke, keep_alive=request.keep_alive, chunkable=request.chunkable)
        try:
            async with trio.open_nursery() as nursery:  # the answer, and who notices that nobody waits for it
                nursery.start_soon(_leave, requests, nursery.cancel_scope)
                await player.play(answer)
                nursery.cancel_scope.cancel()
        finally:
            self.counts.end(tally, player.outcome, player.status)
        if player.cut == "rst":
            reset(stream)
        requests.idle_s = self.options.idle_s if script.close_idle_s is None else script.close_idle_s
        return player.outcome != "gone" and player.keep_alive

    def _script_of(self, model: str, request: Request) -> Script:
        """What the server, the model and the header say, in this order. Raises BadAsk."""
        header = request.header("x-mock")
        try:
            script = apply(for_model(self._script, model), header)
        except BadScript as error:
            raise BadAsk(str(error), "model") from error
        if script.reset_reused and request.nth:
            script = msgspec.structs.replace(script, reset=True)
        if script.every > 1:
            text = f"{model} {header}"
            turn = self._turns.pop(text, 0) + 1
            self._turns[text] = turn
            if len(self._turns) > MAX_TURNS:
                del self._turns[next(iter(self._turns))]
            if turn % script.every:
                return Script()
        return script


def _answer(ask: Ask, script: Script, serial: int, asked_as: str) -> Answer:
    status = script.status or (502 if script.html else 200)
    headers = [("x-request-id", asked_as or f"mock-{serial}")]
    if script.retry_after is not None:
        headers.append(("retry-after", str(script.retry_after)))
    message = f"the mock was told to answer with {status}"
    if script.html:
        headers.append(("content-type", "text/html; charset=utf-8"))
        return Answer(status, tuple(headers), (HTML % (status, message.encode()), 0))
    speech = speak(ask.heard, script)
    if ask.heard.stream and status < 400:
        headers += [("content-type", ask.media_type), ("cache-control", "no-cache")]
        error = partial(ask.error_event, message="the mock was told to fail inside the stream", code=script.code)
        return Answer(status, tuple(headers), (b"", 0), ask.events(speech, serial), error)
    headers.append(("content-type", JSON))
    if status >= 400 or script.error_after is not None:
        body = ask.error(status if status >= 400 else 500, message, code=script.code)
        return Answer(status, tuple(headers), (body, 0))
    return Answer(status, tuple(headers), (ask.whole(speech, serial), speech.tokens * ask.heard.choices))


async def _leave(requests: Requests, scope: trio.CancelScope) -> None:
    await requests.left()
    scope.cancel()


async def serve(
    listeners: Sequence[trio.SocketListener],
    options: MockOptions | None = None,
    *,
    task_status: trio.TaskStatus[Mock] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve ``listeners`` with a new mock until cancelled; the mock is the started value.

    Raises BadScript, and leaves the listeners to the caller, if the script of ``options`` cannot be read.
    """
    mock = Mock(options)
    async with trio.open_nursery() as nursery:  # so that the mock is handed out only once it listens
        await nursery.start(mock.run, listeners)
        task_status.started(mock)


@asynccontextmanager
async def running(options: MockOptions | None = None) -> AsyncIterator[Mock]:
    """A mock on an ephemeral loopback port for the length of the block."""
    mock = Mock(options)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:  # the block's own
        await nursery.start(mock.run, listeners)
        yield mock
        nursery.cancel_scope.cancel()
