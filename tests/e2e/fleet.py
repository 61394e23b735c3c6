"""What tests of whole processes need besides a running gateway: its books, its log, its processes, and clients that keep count."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import h11
import httpx
import msgspec
import trio

from tests.e2e.gateway import Gateway, listening_mock, running_gateway

PROVIDER = "mock"
PATIENCE_S = 15.0
"""For what must come true by itself (a record in the ledger, a worker replaced): on a busy machine too."""


class Answer(msgspec.Struct, frozen=True):
    """One answer, as far as it came."""

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool
    """The last byte of its framing arrived."""

    @property
    def request_id(self) -> str:
        return self.headers.get("x-request-id", "")

    @property
    def error_code(self) -> object:
        return msgspec.json.decode(self.body)["error"]["code"]

    @property
    def text(self) -> str:
        """What a stream said."""
        return b"".join(re.findall(rb'"content":"([^"]*)"', self.body)).decode()


class NoAnswerError(Exception):
    """The connection ended before a head came."""


class Caller:
    """One client connection, kept alive while both sides like; strict about HTTP, since h11 is."""

    def __init__(self, address: tuple[str, int], key: str) -> None:
        self._address = address
        self._key = key
        self._stream: trio.SocketStream | None = None
        self._http = h11.Connection(h11.CLIENT)
        self._head: h11.Response | None = None
        self._body = b""

    async def __aenter__(self) -> Caller:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def chat(self, model: str, *, stream: bool = False, content: str = "one two three") -> Answer:
        """One chat request. Raises NoAnswerError."""
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": content}]}
        return await self.ask("POST", "/v1/chat/completions", msgspec.json.encode(body))

    async def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        """One request. Raises NoAnswerError; an answer cut short is returned with ``complete`` False."""
        await self.send(method, path, body)
        return await self.receive()

    async def send(self, method: str, path: str, body: bytes = b"") -> None:
        """The request alone."""
        headers = [
            ("host", "gateway"), ("authorization", f"Bearer {self._key}"), ("content-type", "application/json"),
            ("content-length", str(len(body))),
        ]  # fmt: skip
        data = b""
        for event in (
            h11.Request(method=method, target=path, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            data += self._http.send(event) or b""
        try:
            if self._stream is None:
                self._stream = await trio.open_tcp_stream(*self._address)
            await self._stream.send_all(data)
        except (OSError, trio.BrokenResourceError) as exc:
            await self.close()
            raise NoAnswerError(str(exc)) from exc

    async def receive(self, until: Callable[[bytes], bool] | None = None) -> Answer:
        """The answer; with ``until``, as much of it as makes that true of the body: call again for the whole."""
        while True:
            event = await self._event()
            if isinstance(event, h11.Response):
                self._head, self._body = event, b""
            elif isinstance(event, h11.Data):
                self._body += event.data
                if until is not None and until(self._body):
                    return self._answer(complete=False)
            elif isinstance(event, h11.EndOfMessage):
                answer = self._answer(complete=True)
                self._head = None
                if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
                    self._http.start_next_cycle()
                else:
                    await self.close()
                return answer
            else:
                answer = self._answer(complete=False) if self._head else None
                await self.close()
                if answer is None:
                    raise NoAnswerError(repr(event))
                return answer

    def _answer(self, *, complete: bool) -> Answer:
        assert self._head is not None
        headers = {name.decode(): value.decode() for name, value in self._head.headers}
        return Answer(self._head.status_code, headers, self._body, complete)

    async def _event(self) -> object:
        """The next event; None if the connection ended."""
        assert self._stream is not None
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError:
                return None
            if event is not h11.NEED_DATA:
                return event
            try:
                self._http.receive_data(await self._stream.receive_some(65536))
            except trio.BrokenResourceError:
                return None

    async def close(self) -> None:
        if self._stream is not None:
            await trio.aclose_forcefully(self._stream)
        self._stream = None
        self._http = h11.Connection(h11.CLIENT)
        self._head = None


class Fleet:
    """A gateway in front of the product's mock, each in processes of its own."""

    def __init__(self, gateway: Gateway, mock_url: str, log: Path, http: httpx.AsyncClient) -> None:
        """``http`` reaches the local admin socket."""
        self.gateway = gateway
        self._http = http
        self.mock_url = mock_url
        self._log = log

    def caller(self, key: str = "") -> Caller:
        """A client of its own, to be closed; with the first key if none is given."""
        return Caller(self.gateway.address, key or self.gateway.key)

    # -- the books ----------------------------------------------------------------------------------------------------
    async def admin(self, path: str, *, method: str = "GET", body: object = None) -> object:
        """One call over the local admin socket."""
        content = None if body is None else msgspec.json.encode(body)
        answer = await self._http.request(method, path, content=content, headers={"content-type": "application/json"})
        return msgspec.json.decode(answer.content)

    async def rows(self) -> list[dict[str, object]]:
        """The whole ledger as it stands."""
        found: list[dict[str, object]] = []
        before = ""
        while True:
            page = await self.admin(f"/api/ledger?limit=1000&before={before}")
            assert isinstance(page, dict)
            found += page["data"]
            if not page["next_before"]:
                return found
            before = page["next_before"]

    async def settled_rows(
        self, wanted: Callable[[list[dict[str, object]]], bool] | None = None
    ) -> list[dict[str, object]]:
        """The ledger once every journal is empty and ``wanted`` holds of it (records come a moment after their answer)."""
        with trio.fail_after(PATIENCE_S):
            while True:
                empty = await self.metric("journal_backlog_bytes") == 0
                rows = await self.rows()
                if empty and (wanted is None or wanted(rows)):
                    return rows
                await trio.sleep(0.05)

    async def metric(self, name: str) -> float:
        """One number of the metrics page, without labels."""
        page = (await self._http.get("/metrics")).text
        found = re.search(rf"^omniroute_{name} (\S+)$", page, re.MULTILINE)
        assert found is not None, f"no {name} in the metrics page"
        return float(found[1])

    async def mock_counts(self) -> dict[str, object]:
        """What the mock says it served, by attempt id too."""
        async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
            return dict((await http.get(f"{self.mock_url}/mock/counts?ids=1")).json())

    # -- the log and the processes ------------------------------------------------------------------------------------
    def log_text(self) -> str:
        return self._log.read_text()

    def log_lines(self, event: str = "") -> list[dict[str, object]]:
        """The JSON lines of all processes, of one kind.

        A process that is killed while it writes leaves half a line, and the next one's follows on it.
        """
        lines = []
        for line in re.split(rb'\n|(?<=.)(?=\{"(?:time|level)":)', self._log.read_bytes()):
            with contextlib.suppress(msgspec.DecodeError):
                lines.append(msgspec.json.decode(line))
        return [line for line in lines if not event or line["event"] == event]

    async def logged(self, event: str, count: int = 1) -> list[dict[str, object]]:
        """Those lines, once there are ``count`` of them."""
        with trio.fail_after(PATIENCE_S):
            while len(found := self.log_lines(event)) < count:
                await trio.sleep(0.02)
        return found

    def workers(self) -> list[int]:
        return self.gateway.pids("worker")

    def control(self) -> int:
        (pid,) = self.gateway.pids("control")
        return pid


@asynccontextmanager
async def running_fleet(
    *args: str, workers: int = 2, env: dict[str, str] | None = None, directory: Path | None = None
) -> AsyncIterator[Fleet]:
    """A gateway with JSON logs and one connection to a mock of its own, which takes any model (``mock/echo;pace=1ms``)."""
    with short_directory() as own, listening_mock() as (_, mock_url):
        log = own / "log"
        data_dir = (directory or own) / "d"
        with log.open("wb") as stderr:
            options = ("--log-format", "json", *args)
            async with running_gateway(data_dir, *options, workers=workers, env=env, stderr=stderr) as gateway:
                await gateway.add_provider(PROVIDER, f"{mock_url}/v1")
                transport = httpx.AsyncHTTPTransport(uds=str(gateway.data_dir / "run" / "admin.sock"), retries=3)
                async with httpx.AsyncClient(transport=transport, base_url="http://admin", timeout=PATIENCE_S) as http:
                    yield Fleet(gateway, mock_url, log, http)


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory of its own whose path leaves room for the names of Unix sockets, which pytest's does not always."""
    with tempfile.TemporaryDirectory(prefix="omni") as name:
        yield Path(name)


class Tally:
    """What clients under load saw."""

    def __init__(self) -> None:
        self.complete: list[Answer] = []
        self.failures: list[str] = []
        self.statuses: Counter[int] = Counter()

    def note(self, answer: Answer) -> None:
        self.statuses[answer.status] += 1
        if answer.complete and answer.status == 200:
            self.complete.append(answer)
        else:
            self.failures.append(f"{answer.status} complete={answer.complete} {answer.body[-200:]!r}")


@asynccontextmanager
async def load(fleet: Fleet, clients: int, *models: str, keep_alive: bool = True) -> AsyncIterator[Tally]:
    """Clients that ask without a pause, plain requests and streams in turn, until the block ends; the last ones finish."""
    tally = Tally()
    stop = trio.Event()

    async def client(number: int) -> None:
        turn = number
        async with fleet.caller() as caller:
            while not stop.is_set():
                turn += 1
                try:
                    tally.note(await caller.chat(models[turn % len(models)], stream=turn % 2 == 0))
                except NoAnswerError as exc:
                    tally.failures.append(f"no answer: {exc}")
                    await trio.sleep(0.01)
                if not keep_alive:
                    await caller.close()

    async with trio.open_nursery() as nursery:
        for number in range(clients):
            nursery.start_soon(client, number)
        yield tally
        stop.set()


def open_descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """The process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until(true: Callable[[], bool], within_s: float = PATIENCE_S) -> float:
    """Wait until ``true()``; how long that took. Fails after ``within_s``."""
    started_at = trio.current_time()
    with trio.fail_after(within_s):
        while not true():
            await trio.sleep(0.01)
    return trio.current_time() - started_at


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
