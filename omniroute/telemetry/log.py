"""Structured logs that never hold a request up: lines go into a bounded buffer, a task writes them out.

One line per request, prompts and secrets never in it. At the bound new lines are dropped and counted, and the count is
the next line that fits.
"""

from __future__ import annotations

import logging
import os
import time
from typing import Final, Literal

import msgspec
import trio

from omniroute.domain import Summary

BUFFER_BYTES: Final = 4 * 1024 * 1024
"""About 10,000 request lines: what a stalled reader of our stderr may cost in memory."""

FLUSH_S: Final = 0.1
Level = Literal["debug", "info", "warning", "error"]
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_encoder: Final = msgspec.json.Encoder()


class Log:
    """Where one process's lines go. ``run`` writes them; ``flush`` writes what is left at the end."""

    def __init__(
        self,
        *,
        level: Level = "info",
        form: Literal["auto", "json", "text"] = "json",
        source: str = "",
        fd: int = 2,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        """``source`` names the process on every line, e.g. ``worker-0``."""
        self._level = _LEVELS[level]
        self._json = form == "json" or (form == "auto" and not os.isatty(fd))
        self._source = source
        self._request_head = b'{"level":"info","source":%b,"event":"request",' % _encoder.encode(source)
        self._fd = fd
        self._bound = buffer_bytes
        self._lines: list[bytes] = []
        self._held = 0
        self.dropped = 0

    def info(self, event: str, **fields: object) -> None:
        """Something an operator may want to see."""
        self.write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Something that works less well than it should."""
        self.write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Something that does not work."""
        self.write("error", event, fields)

    def request(self, summary: Summary) -> None:
        """One line for a finished request, at level ``info``: the fields of its summary, ``time`` the first of them."""
        if self._level > _LEVELS["info"]:
            return
        if not self._json:
            fields = msgspec.structs.asdict(summary)
            del fields["time"]  # the line has a stamp that people can read
            self._buffer(self._render("info", "request", fields))
            return
        # the hot line: the fields are encoded straight from the Struct and joined to a constant beginning
        self._buffer(self._request_head + _encoder.encode(summary)[1:] + b"\n")

    def write(self, level: Level, event: str, fields: dict[str, object]) -> None:
        """Buffer one line."""
        if _LEVELS[level] < self._level:
            return
        self._buffer(self._render(level, event, fields))

    def _buffer(self, line: bytes) -> None:
        if self._held + len(line) > self._bound:
            self.dropped += 1
            return
        self._held += len(line)
        self._lines.append(line)

    def _render(self, level: Level, event: str, fields: dict[str, object]) -> bytes:
        now = time.time()
        if self._json:
            return (
                _encoder.encode(
                    {"time": round(now, 3), "level": level, "source": self._source, "event": event, **fields}
                )
                + b"\n"
            )
        stamp = time.strftime("%H:%M:%S", time.localtime(now))
        told = " ".join(f"{name}={_short(value)}" for name, value in fields.items() if value not in ("", None))
        return f"{stamp} {level:<7} {self._source:<10} {event} {told}\n".encode(errors="replace")

    async def run(self) -> None:
        """Write lines out until cancelled. Waiting for our stderr's reader happens in a thread, never in the loop."""
        while True:
            await trio.sleep(FLUSH_S)
            if self._lines:
                # taken here, written there: a line buffered meanwhile must not fall between two lists
                await trio.to_thread.run_sync(self._write, self._take(), abandon_on_cancel=False)

    def flush(self) -> None:
        """Write what is buffered now. Blocks while the reader does."""
        self._write(self._take())

    def _take(self) -> bytes:
        lines, self._lines = self._lines, []
        self._held = 0
        if self.dropped:
            dropped, self.dropped = self.dropped, 0
            lines.append(self._render("warning", "log_lines_dropped", {"count": dropped}))
        return b"".join(lines)

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except OSError:  # nobody reads our stderr any more; the service goes on
                return


def _short(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value


class BufferedHandler(logging.Handler):
    """Sends the records of Python's logging (hypercorn, trio's own warnings) to a Log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Buffer the record's message, with its traceback if it has one."""
        fields: dict[str, object] = {"logger": record.name}
        if record.exc_info:
            fields["traceback"] = logging.Formatter().formatException(record.exc_info)
        level: Level = "error" if record.levelno >= 40 else "warning" if record.levelno >= 30 else "info"
        self._log.write(level, record.getMessage(), fields)
