"""A pipeline over ports that are all played: upstream, journal, reply, configuration. Wires and counters are real.

``story`` is what happened, in order, whoever did it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest
import trio

from omniroute._speedups import Relay, Shared
from omniroute._speedups.status import BODY_LENGTH, BODY_UNTIL_EOF
from omniroute.auth import digest_of, new_key
from omniroute.domain import (
    AttemptRecord,
    Caller,
    Connection,
    OpenAttempt,
    RuntimeSettings,
    Secret,
    Snapshot,
    SnapshotDocument,
    StoredResponse,
    Summary,
    counter_id,
)
from omniroute.errors import Overloaded
from omniroute.pipeline import Pipeline, PipelineOptions, Questions, doors
from omniroute.ports import Buffer, ClientGone, Exchange, HeaderBlock, Headers, Incoming, WireRequest
from omniroute.translate import find_dialects
from omniroute.wire import Driver, Wire
from tests.pipeline.speech import ASKS

DEFAULTS = PipelineOptions()
PEPPER = b"p" * 32
KEY = new_key(bytes(range(20)))
DOORS = doors(find_dialects())
DOOR = DOORS["openai_chat"]
CONTENT = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}\n\n'
DONE = b"data: [DONE]\n\n"
FAILED = b'data: {"error":{"message":"gpu on fire","type":"server_error"}}\n\n'
WHOLE = b'{"choices":[{"message":{"content":"Hi"}}],"usage":{"prompt_tokens":7,"completion_tokens":3}}'
SSE = ((b"content-type", b"text/event-stream"),)
JSON = ((b"content-type", b"application/json"),)


def caller(**changes: object) -> Caller:
    known = Caller(
        "key_1", "tests", digest_of(KEY, PEPPER),
        rate_counter=counter_id("key-rate", "key_1"), in_flight_counter=counter_id("key-in-flight", "key_1"),
    )  # fmt: skip
    return msgspec.structs.replace(known, **changes)


def connection(label: str = "one", provider: str = "acme", **changes: object) -> Connection:
    ident = f"con_{provider}_{label}"
    known = Connection(
        ident, label, provider, "http://127.0.0.1:9/v1", Secret(f"secret-of-{label}"), models=("m",),
        in_flight_counter=counter_id("connection-in-flight", ident),
    )  # fmt: skip
    return msgspec.structs.replace(known, **changes)


def snapshot(
    *connections: Connection,
    callers: Sequence[Caller] | None = None,
    epoch: int = 1,
    settings: RuntimeSettings | None = None,
) -> Snapshot:
    return Snapshot(
        SnapshotDocument(
            epoch,
            PEPPER,
            tuple([caller()] if callers is None else callers),
            connections or (connection(),),
            settings or RuntimeSettings(),
        )
    )


def incoming(body: bytes = b"", watch: Wire | None = None, **changes: object) -> Incoming:
    known = Incoming(
        "req_1", "POST", "/v1/chat/completions", b"", {b"authorization": b"Bearer " + KEY.encode()}, body, 0.0,
        "127.0.0.1", watch,  # type: ignore[arg-type]  # nobody watches where there is no upstream
    )  # fmt: skip
    return msgspec.structs.replace(known, **changes)


def chat_body(model: str = "acme/m", *, stream: bool = False) -> bytes:
    return b'{"model":"%b","stream":%b,"messages":[]}' % (model.encode(), b"true" if stream else b"false")


@dataclass
class Answer:
    """What the played upstream does with one call. The body stays open behind ``body`` if ``open_end``."""

    status: int = 200
    headers: Headers = JSON
    body: bytes = WHOLE
    open_end: bool = False
    error: Exception | None = None


@dataclass
class PlayedExchange:
    status: int
    headers: Headers
    source: Wire
    story: list[str]
    connect_ms: int = 1
    reused: bool = False

    def __enter__(self) -> PlayedExchange:
        return self

    def __exit__(self, exc_type: object, /, *exc: object) -> None:
        self.story.append("exchange left")
        self.source.close()


@dataclass
class PlayedUpstream:
    house: House
    answers: list[Answer]
    requests: list[WireRequest] = field(default_factory=list)
    peers: list[socket.socket] = field(default_factory=list)
    called: trio.Event = field(default_factory=trio.Event)

    async def call(self, request: WireRequest, *, watch: object, total_at: float) -> Exchange:
        await trio.lowlevel.checkpoint()
        self.house.story.append(f"call {request.connection.label}")
        self.requests.append(request)
        answer = self.answers.pop(0)
        if answer.error is not None:
            raise answer.error
        wire, peer = self.house.wire()
        peer.send(answer.body)
        if answer.open_end:
            wire.set_body(BODY_UNTIL_EOF)
        else:
            wire.set_body(BODY_LENGTH, len(answer.body))
        wire.watch = watch  # type: ignore[assignment]  # a wire: the port does not say so
        self.peers.append(peer)
        self.called.set()
        return PlayedExchange(answer.status, answer.headers, wire, self.house.story)


@dataclass
class PlayedJournal:
    house: House
    opened: list[OpenAttempt] = field(default_factory=list)
    records: list[AttemptRecord] = field(default_factory=list)
    client_had: list[bytes] = field(default_factory=list)
    """All the client had received when each record was written."""
    full: bool = False

    def open(self, attempt: OpenAttempt) -> int:
        if self.full:
            raise Overloaded("the journal is full", code="journal_full")
        self.house.story.append("journal open")
        self.opened.append(attempt)
        return len(self.opened) - 1

    def amend(self, slot: int, attempt: OpenAttempt) -> None:
        self.opened[slot] = attempt

    def close(self, slot: int, record: AttemptRecord) -> None:
        self.house.story.append(f"journal close {record.outcome}")
        self.records.append(record)
        self.client_had.append(self.house.received())


class PlayedReply:
    """Implements ``ports.Reply`` over the house's client wire: chunked, with a one-word head."""

    last_chunk = b"0\r\n\r\n"
    chunked = True

    def __init__(self, house: House) -> None:
        self._house = house
        self.sink = house.client
        self.begun = self.streamed = False
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""

    async def complete(self, status: int, headers: Headers | HeaderBlock, body: Sequence[Buffer]) -> None:
        self._told("complete", status, headers)
        self.body = b"".join(body)
        await self.sink.send((b"HEAD ", self.body), 0.0)

    def begin(self, status: int, headers: Headers | HeaderBlock) -> bytes:
        self._told("begin", status, headers)
        self.streamed = True
        return b"HEAD "

    def frame(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if data else b""

    async def end(self, tail: bytes) -> None:
        self._house.story.append("end")
        if tail:
            await self.sink.send((tail,), 0.0)

    async def abort(self, event: bytes) -> None:
        self._house.story.append("abort")
        await self.sink.send((self.frame(event) + self.last_chunk,), 0.0)

    def _told(self, what: str, status: int, headers: Headers | HeaderBlock) -> None:
        self._house.story.append(f"{what} {status}")
        self.begun = True
        self.status = status
        self.headers = dict(_pairs(headers))


def _pairs(headers: Headers | HeaderBlock) -> Headers:
    if not isinstance(headers, HeaderBlock):
        return headers
    lines = [line.partition(b": ") for line in headers.lines.split(b"\r\n")[:-1]]
    return (*((name, value) for name, _, value in lines), *headers.pairs)


class PlayedControl:
    """``ports.ControlLine``: answers from a table of method and target; 404 for what is not in it."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], tuple[int, bytes]] = {}
        self.asked: list[tuple[str, str, bytes, bytes]] = []

    async def ask(self, method: str, target: str, key: bytes, body: bytes, _watch: Wire) -> tuple[int, bytes]:
        await trio.lowlevel.checkpoint()
        self.asked.append((method, target, key, body))
        return self.answers.get((method, target), (404, b""))


class House:
    """One worker's pipeline, its surroundings and its one client."""

    def __init__(
        self, driver: Driver, configured: Snapshot, answers: Sequence[Answer], options: PipelineOptions = DEFAULTS
    ) -> None:
        self._driver = driver
        self.story: list[str] = []
        self._sockets: list[socket.socket] = []
        self._received = b""
        self.client, self.peer = self.wire()
        self._fd = os.memfd_create("tests-shared")
        self.shared = Shared(self._fd, create=True, slot=0)
        self.snapshot = configured
        self.journal = PlayedJournal(self)
        self.upstream = PlayedUpstream(self, list(answers))
        self.summaries: list[Summary] = []
        self.reply = PlayedReply(self)
        self.control = PlayedControl()
        self.kept: list[StoredResponse] = []
        self.pipeline = Pipeline(
            self, self.journal, self.upstream, self.shared, self.summaries.append, options,
            Questions(self.control), self,
        )  # fmt: skip

    def put(self, response: StoredResponse) -> bool:
        """``ports.ResponseShelf``."""
        self.story.append(f"keep {response.response_id}")
        self.kept.append(response)
        return True

    def current(self) -> Snapshot:
        """``ports.Configuration``."""
        return self.snapshot

    def wire(self) -> tuple[Wire, socket.socket]:
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setblocking(False)
        wire = Wire(ours)
        self._driver.adopt(wire)
        self._sockets.append(theirs)
        return wire, theirs

    def received(self) -> bytes:
        """All the client has received so far."""
        while self.peer.fileno() >= 0:
            try:
                more = self.peer.recv(65536)
            except BlockingIOError:
                break
            if not more:
                break
            self._received += more
        return self._received

    async def chat(self, *, stream: bool = False, model: str = "acme/m") -> None:
        """One request, answered into ``reply``."""
        await self.pipeline.chat(
            DOOR,
            incoming(chat_body(model, stream=stream), self.client, received_at=trio.current_time()),
            self.reply,
        )

    async def ask(
        self, dialect: str, *, stream: bool = False, headers: dict[bytes, bytes] | None = None, **more: object
    ) -> None:
        """One request of a client of ``dialect``, answered into ``reply``; ``more`` are members of its body."""
        path, query, body = ASKS[dialect].request(stream=stream, **more)
        asked = incoming(body, self.client, path=path, query=query, received_at=trio.current_time())
        if headers:
            asked = msgspec.structs.replace(asked, headers={**asked.headers, **headers})
        await self.pipeline.chat(DOORS[dialect], asked, self.reply)

    async def ask_gone(self, dialect: str) -> None:
        """The same, of a client that leaves."""
        with pytest.raises(ClientGone):
            await self.ask(dialect, stream=True)

    async def ask_stream(self, dialect: str) -> None:
        """A streamed request of a client of ``dialect``, as a task."""
        await self.ask(dialect, stream=True)

    async def run_stream(self) -> None:
        """A streamed request, as a task."""
        await self.chat(stream=True)

    async def run_gone(self) -> None:
        """A streamed request whose client leaves, as a task."""
        with pytest.raises(ClientGone):
            await self.chat(stream=True)

    async def until(self, happened: Callable[[], bool]) -> None:
        """Look again each time others have moved, at most two seconds."""
        with trio.fail_after(2):
            while not happened():
                await trio.sleep(0.001)

    def in_flight(self) -> tuple[int, ...]:
        """What the gauges of the caller and of all connections hold."""
        counters = [caller().in_flight_counter, *(c.in_flight_counter for c in self.snapshot.document.connections)]
        return tuple(self.shared.gauge(counter) for counter in counters)

    def close(self) -> None:
        self.client.close()
        for sock in self._sockets:
            sock.close()
        os.close(self._fd)


@asynccontextmanager
async def house(
    *answers: Answer, configured: Snapshot | None = None, options: PipelineOptions = DEFAULTS
) -> AsyncIterator[House]:
    """A house whose upstream gives ``answers``, one per call. Nothing may be left under its relay at the end."""
    async with trio.open_nursery() as nursery:  # the driver's
        driver = Driver(Relay())
        await nursery.start(driver.run)
        built = House(driver, configured or snapshot(), answers, options)
        try:
            yield built
            assert driver.relay.parked() == 0, "an operation outlived its request"
            assert driver.relay.links() <= 1, "an upstream's wire outlived its request"
            assert not any(built.in_flight()), "a place was not given back"
        finally:
            built.close()
            nursery.cancel_scope.cancel()
