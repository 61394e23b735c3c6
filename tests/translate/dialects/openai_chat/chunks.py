"""Chunks of upstreams, and what was read of them, for tests."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from omniroute.domain import Quirks
from omniroute.translate.dialects.openai_chat.decoder import ChatDecoder
from omniroute.translate.events import (
    Close,
    Delta,
    End,
    Failure,
    Finish,
    Open,
    Report,
    Sign,
    Start,
    StreamEvent,
    Whole,
)

DONE = b"[DONE]"


def chunk(delta: object = None, finish: str | None = None, *, index: int = 0, **more: object) -> bytes:
    """A chunk with one choice, and ``more`` members beside it."""
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [choice]}
    return msgspec.json.encode(head | more)


def call(index: int | None = 0, name: str = "", arguments: str = "", **more: object) -> dict[str, object]:
    """A delta with one fragment of a call."""
    function = ({"name": name} if name else {}) | ({"arguments": arguments} if arguments else {})
    place = {} if index is None else {"index": index}
    return {"tool_calls": [place | more | {"function": function}]}


def read(data: Iterable[bytes], quirks: Quirks | None = None, *, whole: bool = True) -> list[StreamEvent]:
    """The events of ``data``; ``whole``: the input is over after it."""
    decoder = ChatDecoder(quirks or Quirks())
    events = [event for one in data for event in decoder.decode(b"", one)]
    return [*events, *decoder.finish()] if whole else events


def story(events: Iterable[StreamEvent]) -> list[str]:
    """What ``events`` say, one line each; neighbouring deltas of a block as one."""
    told: list[str] = []
    for event in events:
        line = _line(event)
        if isinstance(event, Delta) and told and told[-1].startswith(line.partition(" ")[0] + " "):
            told[-1] += event.text.decode()
        elif line:
            told.append(line)
    return told


def _opened(event: Open) -> str:
    if event.kind == "tool":
        custom = " custom" if event.custom else ""
        return f"open{event.block} {event.choice} tool {event.call_id} {event.name}{custom}"
    return f"open{event.block} {event.choice} {event.kind} {event.origin}".rstrip()


def _finished(event: Finish) -> str:
    unknown = f" unknown {event.finish.raw}" if event.finish.unknown else ""
    return f"finish {event.choice} {event.finish.reason}{unknown}"


_LINES: Mapping[type[StreamEvent], Callable[[Any], str]] = {
    Start: lambda event: f"start {event.id} {event.model} {event.created_epoch_s}",
    Open: _opened,
    Delta: lambda event: f"delta{event.block} {event.text.decode()}",
    Close: lambda event: f"close{event.block}",
    Sign: lambda event: f"sign{event.block} {event.origin} {event.signature}{event.data}",
    Whole: lambda event: f"whole{event.block} {event.value}",
    Report: lambda event: f"usage {event.usage.input_total} {event.usage.output_total}",
    Finish: _finished,
    Failure: lambda event: f"failure {event.error.status} {event.error.code}: {event.error.message}",
    End: lambda event: "end",
}


def _line(event: StreamEvent) -> str:
    return _LINES[type(event)](event) if type(event) in _LINES else type(event).__name__.lower()
