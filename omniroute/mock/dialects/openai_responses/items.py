"""What a response says, item by item: each as a whole, and as the events that build it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from omniroute.mock.speech import Call, Speech

ENCRYPTED: Final = "bW9jay1lbmNyeXB0ZWQ="

Event = tuple[str, dict[str, object], int]
"""Type, members beside ``type`` and ``sequence_number``, answer tokens."""
Item = dict[str, object]


def items(speech: Speech, serial: int, custom: frozenset[str]) -> list[Item]:
    """All items of an answer, as they stand when it is complete."""
    found: list[Item] = []
    if speech.thoughts:
        found.append(_reasoning(speech, serial, done=True))
    if speech.words or speech.filler or not speech.calls:
        found.append(_message(speech, serial, done=True))
    found += [_call(call, number, serial, custom, done=True) for number, call in enumerate(speech.calls)]
    return found


def events(speech: Speech, serial: int, custom: frozenset[str]) -> Iterator[Event]:
    """The events that build the same items, one after another."""
    index = 0
    if speech.thoughts:
        yield from _framed(
            index,
            _reasoning(speech, serial, done=False),
            _reasoning(speech, serial, done=True),
            _thinking(speech, serial, index),
        )
        index += 1
    if speech.words or speech.filler or not speech.calls:
        yield from _framed(
            index,
            _message(speech, serial, done=False),
            _message(speech, serial, done=True),
            _speaking(speech, serial, index),
        )
        index += 1
    for number, call in enumerate(speech.calls):
        opened = _call(call, number, serial, custom, done=False)
        closed = _call(call, number, serial, custom, done=True)
        yield from _framed(index, opened, closed, _calling(call, closed, index))
        index += 1


def _framed(index: int, opened: Item, closed: Item, inside: Iterator[Event]) -> Iterator[Event]:
    yield "response.output_item.added", {"output_index": index, "item": opened}, 0
    yield from inside
    yield "response.output_item.done", {"output_index": index, "item": closed}, 0


def _reasoning(speech: Speech, serial: int, *, done: bool) -> Item:
    """What the service encrypts is complete with the item only."""
    summary = [{"type": "summary_text", "text": speech.thought}] if done and not speech.script.redacted else []
    encrypted = ENCRYPTED if done else ""
    return {"id": f"rs_mock{serial}", "type": "reasoning", "summary": summary, "encrypted_content": encrypted}


def _thinking(speech: Speech, serial: int, index: int) -> Iterator[Event]:
    at: Item = {"item_id": f"rs_mock{serial}", "output_index": index, "summary_index": 0}
    if speech.script.redacted:
        return
    name = "response.reasoning_summary"
    yield f"{name}_part.added", at | {"part": {"type": "summary_text", "text": ""}}, 0
    for thought in speech.thoughts:
        yield f"{name}_text.delta", at | {"delta": thought}, 1
    yield f"{name}_text.done", at | {"text": speech.thought}, 0
    yield f"{name}_part.done", at | {"part": {"type": "summary_text", "text": speech.thought}}, 0


def _text(speech: Speech) -> str:
    return speech.filler + speech.text


def _part(text: str) -> Item:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message(speech: Speech, serial: int, *, done: bool) -> Item:
    status = (
        "in_progress" if not done else "incomplete" if speech.finish in ("length", "content_filter") else "completed"
    )
    content = [_part(_text(speech))] if done else []
    return {"id": f"msg_mock{serial}", "type": "message", "role": "assistant", "status": status, "content": content}


def _speaking(speech: Speech, serial: int, index: int) -> Iterator[Event]:
    at: Item = {"item_id": f"msg_mock{serial}", "output_index": index, "content_index": 0}
    yield "response.content_part.added", at | {"part": _part("")}, 0
    if speech.filler:
        yield "response.output_text.delta", at | {"delta": speech.filler, "logprobs": []}, 0
    for word in speech.words:
        yield "response.output_text.delta", at | {"delta": word, "logprobs": []}, 1
    yield "response.output_text.done", at | {"text": _text(speech), "logprobs": []}, 0
    yield "response.content_part.done", at | {"part": _part(_text(speech))}, 0


def _call(call: Call, number: int, serial: int, custom: frozenset[str], *, done: bool) -> Item:
    said = call.json if done else ""
    status = "completed" if done else "in_progress"
    item: Item = {"call_id": f"call_mock{serial}x{number}", "name": call.name, "status": status}
    if call.name in custom:
        return {"id": f"ctc_mock{serial}x{number}", "type": "custom_tool_call", "input": said} | item
    return {"id": f"fc_mock{serial}x{number}", "type": "function_call", "arguments": said} | item


def _calling(call: Call, item: Item, index: int) -> Iterator[Event]:
    at: Item = {"item_id": item["id"], "output_index": index}
    free = item["type"] == "custom_tool_call"
    name = "response.custom_tool_call_input" if free else "response.function_call_arguments"
    for word in call.arguments:
        yield f"{name}.delta", at | {"delta": word}, 1
    yield f"{name}.done", at | ({"input": call.json} if free else {"name": call.name, "arguments": call.json}), 0
