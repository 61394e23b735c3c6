"""Reading what an Ollama server says, a line or a whole answer, whatever a server may make of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec

from omniroute._speedups import jsonspan
from omniroute.domain import Usage
from omniroute.translate import jsontext
from omniroute.translate.canonical import Finish, FinishClass, Json
from omniroute.translate.dialects.ollama.schema import Told, ToldCall, ToldLogprob, ToldMessage

MAX_TOKENS: Final = 10**12
"""More is a vendor's mistake; a ledger of 64-bit integers must be able to add it up."""

_FINISHES: Final[dict[str, FinishClass]] = {"stop": "stop", "length": "length", "load": "stop", "unload": "stop"}

_told: Final = msgspec.json.Decoder(Told)
_message: Final = msgspec.json.Decoder(ToldMessage)
_calls: Final = msgspec.json.Decoder(list[msgspec.Raw])
_call: Final = msgspec.json.Decoder(ToldCall)
_texts: Final = msgspec.json.Decoder(list[str])
_logprobs: Final = msgspec.json.Decoder(list[ToldLogprob])
_encode: Final = msgspec.json.Encoder().encode

Value = TypeVar("Value")


class Call(msgspec.Struct, frozen=True):
    """A tool call that has a name."""

    call_id: str
    name: str
    arguments: bytes
    """Escaped."""


def read_line(data: bytes) -> Told | None:
    """One JSON object of the server; None for anything else."""
    return _maybe(_told, data) or _spanned(Told, data)


def message_of(told: Told) -> ToldMessage:
    """What the object says: ``message``, or the members of ``/api/generate`` in its place."""
    message = _maybe(_message, told.message) or _spanned(ToldMessage, bytes(told.message))
    if message is not None:
        return message
    return ToldMessage(content=told.response, thinking=told.thinking)


def text_of(raw: msgspec.Raw) -> bytes:
    """A string, still escaped; b"" for anything else. What is not UTF-8 in it becomes U+FFFD."""
    text = jsontext.inner(raw) or b""
    if text.isascii():
        return text
    try:
        text.decode()
    except UnicodeDecodeError:
        return jsontext.escaped(jsontext.unescaped(text))
    return text


def calls_of(message: ToldMessage) -> list[Call]:
    """The calls that have a name; what is none is left out."""
    found: list[Call] = []
    for raw in _maybe(_calls, message.tool_calls) or ():
        call = _maybe(_call, raw)
        name = jsontext.inner(call.function.name) if call is not None else None
        if call is None or not name:
            continue
        call_id = jsontext.unescaped(text_of(call.id))
        found.append(Call(call_id, jsontext.unescaped(name), _arguments(call.function.arguments)))
    return found


def images_of(told: Told, message: ToldMessage) -> list[str]:
    """Pictures the model made, in base64."""
    single = jsontext.unescaped(text_of(told.image))
    return [*(_maybe(_texts, message.images) or ()), *([single] if single else ())]


def logprobs_of(told: Told) -> Json:
    """Log probabilities in Chat's form, b"" if there are none."""
    found = _maybe(_logprobs, told.logprobs)
    return _encode(found) if found else b""


def finish_of(told: Told, *, called: bool) -> Finish:
    """Why it ended. ``called``: there were tool calls, of which ``done_reason`` says nothing [rec]."""
    raw = jsontext.unescaped(text_of(told.done_reason))
    known = _FINISHES.get(raw)
    reason: FinishClass = known or "stop"
    return Finish(
        reason="tool" if called and reason == "stop" else reason, raw=raw, unknown=bool(raw) and known is None
    )


def usage_of(told: Told) -> Usage:
    """The counts of a last line. Not ``known`` without ``prompt_eval_count``: servers leave it out at times."""
    prompt, output = _count(told.prompt_eval_count), _count(told.eval_count)
    return Usage(input_total=prompt or 0, output_total=output or 0, known=prompt is not None)


def created_of(told: Told) -> int:
    """``created_at`` in epoch seconds, 0 if it cannot be read."""
    try:
        # Ollama writes nanoseconds, with which not every release of Python can do something.
        instant = datetime.fromisoformat(_without_fraction(text_of(told.created_at).decode()))
        return max(0, int(instant.replace(tzinfo=instant.tzinfo or UTC).timestamp()))
    except (ValueError, OverflowError):
        return 0


def is_null(raw: msgspec.Raw) -> bool:
    """Whether a member is absent or null."""
    return bytes(raw) in (b"", b"null")


def _without_fraction(instant: str) -> str:
    whole, point, rest = instant.partition(".")
    zone = rest.lstrip("0123456789") if point else ""
    return (whole + zone).replace("Z", "+00:00")


def _arguments(raw: msgspec.Raw) -> bytes:
    """A call's arguments as escaped text: an object as compact JSON, a string as it is."""
    if jsontext.inner(raw) is not None:
        return text_of(raw) or b"{}"
    if is_null(raw):
        return b"{}"
    return jsontext.escaped(jsontext.compact(raw).decode("utf-8", "replace"))


def _count(raw: msgspec.Raw) -> int | None:
    text = bytes(raw)
    return min(int(text), MAX_TOKENS) if text.isdigit() and len(text) <= len(str(MAX_TOKENS)) else None


def _maybe(decoder: msgspec.json.Decoder[Value], raw: bytes | msgspec.Raw) -> Value | None:
    """What ``raw`` holds, None if it is of another type, or no JSON."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


Spanned = TypeVar("Spanned", Told, ToldMessage)


def _spanned(kind: type[Spanned], data: bytes) -> Spanned | None:
    """``data`` as a Struct whose members all are Raw, read with the one reader that lets half a surrogate pair pass."""
    names = tuple(name.encode() for name in kind.__struct_fields__)
    try:
        spans = jsonspan.spans(data, names)
    except ValueError:
        return None
    found = {name.decode(): msgspec.Raw(data[at[0] : at[1]]) for name, at in zip(names, spans, strict=True) if at}
    return kind(**found)
