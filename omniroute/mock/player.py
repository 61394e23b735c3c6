"""Plays one answer onto a client's socket, faults included, in raw bytes: an HTTP library would refuse to misbehave."""

from __future__ import annotations

import http.client
import math
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Final, Literal

import msgspec
import trio

from omniroute.mock.counts import Outcome
from omniroute.mock.dialect import Piece
from omniroute.mock.script import Script

WHOLE_PIECES: Final = 10
"""A whole body counts as so many pieces for ``rst-after``, ``fin-after`` and ``stall-after``."""
LIE_BYTES: Final = 10
"""By so much a wrong Content-Length is wrong."""
EXTRA: Final = b'HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{"mock":"tail"'
LAST_CHUNK: Final = b"0\r\n\r\n"
_WITH_LENGTH: Final = frozenset({"short-length", "long-length", "double-cl", "cl-and-te"})
_NO_LINGER: Final = struct.pack("ii", 1, 0)


class Answer(msgspec.Struct, frozen=True):
    """What to play: a whole body, or the events of a stream."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: Piece
    events: Iterator[Piece] | None = None
    error_event: Callable[[int], bytes] | None = None
    """What stands in place of an event, given its number."""

    @property
    def is_sse(self) -> bool:
        """Comments may stand between the events."""
        return any(name == "content-type" and kind.startswith("text/event-stream") for name, kind in self.headers)


class _Cut(Exception):  # not an error: the script ends the answer here
    def __init__(self, how: Literal["rst", "fin"]) -> None:
        super().__init__(how)
        self.how: Literal["rst", "fin"] = how


def reason(status: int) -> str:
    """The reason phrase of a status line."""
    return http.client.responses.get(status, "Mock")


def reset(stream: trio.SocketStream) -> None:
    """Close with a TCP RST."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    stream.socket.close()


class Player:
    """One answer on one connection. ``heard`` is told the tokens of each piece that was handed to the kernel."""

    def __init__(
        self,
        stream: trio.SocketStream,
        script: Script,
        heard: Callable[[int], None],
        *,
        keep_alive: bool,
        chunkable: bool,
    ) -> None:
        self._stream = stream
        self._script = script
        self._heard = heard
        self._chunkable = chunkable
        self.keep_alive = keep_alive and not script.close
        self.status = 0
        """Of the head that was sent; 0 before."""
        self._complete = False
        self.cut: Literal["", "rst", "fin"] = ""
        """How the script broke the answer off; carrying it out is left to who owns the connection."""
        self._sound = script.framing in {"", "no-framing"}

    @property
    def outcome(self) -> Outcome:
        """What became of the answer so far; full once every piece is with the kernel, even if the client left then."""
        if self._complete:
            return "full" if self._sound else "faulty"
        return "faulty" if self.cut else "gone"

    async def play(self, answer: Answer) -> None:
        """The answer, up to where the script breaks it off or the client leaves; ``outcome`` and ``cut`` say which."""
        try:
            await self._play(answer)
        except _Cut as cut:
            self.cut, self.keep_alive = cut.how, False
        except trio.BrokenResourceError:
            self.keep_alive = False  # the client reset the connection: the outcome is what we got to

    async def _play(self, answer: Answer) -> None:
        script = self._script
        await trio.sleep(script.head_delay_s)
        if script.reset:
            raise _Cut("rst")
        if answer.events is not None:
            await self._play_stream(answer, answer.events)
        else:
            await self._play_whole(answer)
        if script.framing == "extra-bytes":
            await self._send(EXTRA)

    async def _play_whole(self, answer: Answer) -> None:
        script = self._script
        body, tokens = answer.body
        size = max(1, -(-len(body) // WHOLE_PIECES))
        pieces = [body[at : at + size] for at in range(0, len(body), size)] if script.cuts else [body]
        await trio.sleep(script.delay_s)
        chunked = script.framing in {"bad-chunk", "cl-and-te"}
        self.keep_alive = self.keep_alive and script.framing != "no-framing"
        head = self._head(answer, len(body), chunked=chunked)
        if script.cuts:
            await self._send(head)
            head = b""
        for index, piece in enumerate(pieces):
            await self._fault(index)
            framed = self._chunk(piece, spoil=index == 0) if chunked else piece
            await self._send(head + framed)
            head = b""
        self._heard(tokens)
        await self._fault(len(pieces))
        await self._finish(LAST_CHUNK if chunked else b"")

    async def _play_stream(self, answer: Answer, events: Iterator[Piece]) -> None:
        script = self._script
        length = 0
        if script.framing in _WITH_LENGTH:
            kept = [self._dress(piece, answer) for piece in self._with_error(events, answer)]
            length, events = sum(len(data) for data, _ in kept), iter(kept)
        else:
            events = (self._dress(piece, answer) for piece in self._with_error(events, answer))
        chunked = script.framing in {"", "extra-bytes", "bad-chunk", "cl-and-te"} and self._chunkable
        delimited = chunked or script.framing in _WITH_LENGTH
        self.keep_alive = self.keep_alive and delimited
        await self._send(self._head(answer, length, chunked=chunked))
        await trio.sleep(script.delay_s)
        index = -1
        for index, (data, tokens) in enumerate(events):
            await self._fault(index)
            if index:
                await trio.sleep(script.pace_s)
            await self._send(self._chunk(data, spoil=index == 1) if chunked else data)
            self._heard(tokens)
        await self._fault(index + 1)
        await self._finish(LAST_CHUNK if chunked else b"")

    def _with_error(self, events: Iterator[Piece], answer: Answer) -> Iterator[Piece]:
        """``events``, but an error event in the place the script names, and nothing behind it."""
        for index, piece in enumerate(events):
            if index == self._script.error_after and answer.error_event is not None:
                yield answer.error_event(index), 0
                return
            yield piece

    def _dress(self, piece: Piece, answer: Answer) -> Piece:
        data, tokens = piece
        if self._script.comments and answer.is_sse:
            data = b": mock is working\n\n" + data
        if self._script.crlf:
            data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return data, tokens

    async def _fault(self, index: int) -> None:
        """What the script does after ``index`` pieces."""
        script = self._script
        if script.rst_after == index:
            raise _Cut("rst")
        if script.fin_after == index:
            raise _Cut("fin")
        if script.stall_after == index:
            await trio.sleep(script.stall_s or math.inf)

    async def _finish(self, end: bytes) -> None:
        framing = self._script.framing
        if self._script.keep_open:
            await trio.sleep_forever()
        self._complete = True
        await self._send(end)
        if framing in {"long-length", "bad-head"}:
            self.keep_alive = False  # not announced: the lie is told by closing

    def _head(self, answer: Answer, length: int, *, chunked: bool) -> bytes:
        framing = self._script.framing
        self.status = answer.status
        if framing == "bad-head":
            return b"MOCK/0.0 this is not HTTP\r\nnor a header\r\n\r\n"
        lines = [f"HTTP/1.1 {answer.status} {reason(answer.status)}", "server: omniroute-mock"]
        if self._script.interim:
            lines.insert(0, "HTTP/1.1 103 Early Hints\r\nlink: </mock>; rel=preload\r\n")
        lines += [f"{name}: {value}" for name, value in answer.headers]
        if self._script.big_head:
            lines.append(f"x-mock-filler: {'x' * self._script.big_head}")
        if chunked:
            lines.append("transfer-encoding: chunked")
        if framing in _WITH_LENGTH or not (chunked or framing == "no-framing" or answer.events is not None):
            lines += self._length_lines(length)
        if not self.keep_alive:
            lines.append("connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _length_lines(self, length: int) -> list[str]:
        match self._script.framing:
            case "short-length":
                return [f"content-length: {max(0, length - LIE_BYTES)}"]
            case "long-length":
                return [f"content-length: {length + LIE_BYTES}"]
            case "double-cl":
                return [f"content-length: {length}", f"content-length: {length + LIE_BYTES}"]
            case _:
                return [f"content-length: {length}"]

    def _chunk(self, data: bytes, *, spoil: bool) -> bytes:
        size = b"zz" if spoil and self._script.framing == "bad-chunk" else b"%x" % len(data)
        return size + b"\r\n" + data + b"\r\n" if data else b""

    async def _send(self, data: bytes) -> None:
        step = self._script.split or len(data) or 1
        view = memoryview(data)
        for at in range(0, len(data), step):
            await self._stream.send_all(view[at : at + step])
