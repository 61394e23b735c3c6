"""One answer read whole before anything is measured: ``load`` looks at marks only, to be fast."""

from __future__ import annotations

import http.client
from typing import Final

import msgspec

from perf.asks import MARKS, Dialect
from perf.machine import CannotMeasureError

WITNESSED: Final = 5
"""Texts of the stream that is read."""


def witness(dialect: Dialect, request: bytes, port: int, *, streamed: bool) -> None:
    """Send ``request`` once and read the answer as a client does. Raises CannotMeasureError if it is not a right one.

    A stream is right if it holds ``WITNESSED`` texts between everything its dialect has around them.
    """
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", first.split()[1], body, dict(line.split(": ", 1) for line in lines))
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    wrong = f"status {answer.status}" if answer.status != 200 else ""
    wrong = wrong or (_wrong_stream(dialect, text) if streamed else _wrong_answer(dialect, text))
    if wrong:
        raise CannotMeasureError(f"no right answer for a client of {dialect} on port {port}, {wrong}:\n{text[:1500]}")


class _Text(msgspec.Struct, frozen=True):
    content: str | None = None
    text: str = ""


class _Choice(msgspec.Struct, frozen=True):
    delta: _Text = _Text()
    message: _Text = _Text()
    finish_reason: str | None = None


class _Parts(msgspec.Struct, frozen=True):
    parts: list[_Text] = []


class _Candidate(msgspec.Struct, frozen=True, rename="camel"):
    content: _Parts = _Parts()
    finish_reason: str | None = None


class _Heard(msgspec.Struct, frozen=True):
    """The members of an event or answer that are looked at, of any of the three."""

    type: str = ""
    object: str = ""
    choices: list[_Choice] = []
    delta: _Text = _Text()
    content: list[_Text] = []
    stop_reason: str | None = None
    candidates: list[_Candidate] = []


_heard: Final = msgspec.json.Decoder(_Heard)


def _wrong_answer(dialect: Dialect, text: str) -> str:
    answer = _heard.decode(text)
    if dialect == "anthropic":
        kind, said = (answer.type, answer.stop_reason), [block.text for block in answer.content]
        right = kind == ("message", "end_turn")
    else:
        said = [choice.message.content or "" for choice in answer.choices]
        right = answer.object == "chat.completion" and [one.finish_reason for one in answer.choices] == ["stop"]
    right = right and len(said) == 1 and "@" in said[0]
    return "" if right else "what it says is something else"


def _wrong_stream(dialect: Dialect, text: str) -> str:
    blocks = text.replace("\r\n", "\n").split("\n\n")
    if not text.endswith(MARKS[dialect].last) or blocks.pop():
        return "its end is missing"
    lines = [line for block in blocks for line in block.split("\n")]
    payloads = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    events = [_heard.decode(payload) for payload in payloads if payload != "[DONE]"]
    if dialect == "anthropic":
        texts = [event.delta.text for event in events if event.type == "content_block_delta"]
        named = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
        kinds = [event.type for event in events if event.type not in {"ping", "content_block_delta"}]
        around = ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]
        right = kinds == around and named == [event.type for event in events]
    elif dialect == "openai_chat":
        texts = [choice.delta.content or "" for event in events for choice in event.choices]
        reasons = [choice.finish_reason for event in events for choice in event.choices if choice.finish_reason]
        right = reasons == ["stop"] and all(event.object == "chat.completion.chunk" for event in events)
    else:
        texts = [part.text for event in events for one in event.candidates for part in one.content.parts]
        right = [one.finish_reason for event in events for one in event.candidates if one.finish_reason] == ["STOP"]
    said = [text for text in texts if text]
    if len(said) != WITNESSED or not all(text.startswith(" @") for text in said):
        return f"{len(said)} texts instead of {WITNESSED}"
    return "" if right else "its events are others"
