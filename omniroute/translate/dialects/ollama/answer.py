"""Whole answers, read and written, and what lines of a stream have in common with them (translation.md §12)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

from omniroute.domain import Quirks, Usage
from omniroute.translate import jsontext
from omniroute.translate.canonical import (
    Block,
    Candidate,
    ChatResponse,
    Finish,
    Image,
    Inline,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.ollama.peek import GENERATE
from omniroute.translate.dialects.ollama.schema import AnswerMessage, Call, Function, Line
from omniroute.translate.dialects.ollama.told import (
    calls_of,
    created_of,
    finish_of,
    images_of,
    is_null,
    logprobs_of,
    message_of,
    read_line,
    text_of,
    usage_of,
)
from omniroute.translate.estimate import estimated_usage
from omniroute.translate.media import picture_type

_BLANK_LINE: Final = "\n\n"


def read_failure(body: bytes) -> bytes | None:
    """The error a body under a success status is, None for an answer. Raises ValueError: neither (maybe a stream)."""
    told = read_line(body)
    if told is None:
        raise ValueError("not one JSON object")
    if not is_null(told.error):
        return bytes(told.error)
    if bytes(told.done) == b"false" or (is_null(told.message) and is_null(told.response) and is_null(told.done)):
        raise ValueError("neither an answer nor an error of Ollama's")
    return None


def read_answer(body: bytes, quirks: Quirks) -> ChatResponse:
    """A whole answer of either endpoint. Raises ValueError if it is none."""
    del quirks
    told = read_line(body)
    if told is None or read_failure(body) is not None:
        raise ValueError("not an answer of Ollama's")
    message = message_of(told)
    blocks: list[Block] = []
    if thinking := jsontext.unescaped(text_of(message.thinking)):
        blocks.append(Reasoning(text=thinking))
    if jsontext.inner(message.content) is not None:  # an empty text beside calls is not no text
        blocks.append(Text(text=jsontext.unescaped(text_of(message.content)), logprobs=logprobs_of(told)))
    pictures = images_of(told, message)
    blocks.extend(Image(source=Inline(picture_type(image) or "image/png", image)) for image in pictures)
    calls = calls_of(message)
    for call in calls:
        arguments = jsontext.unescaped(call.arguments)
        blocks.append(ToolCall(call_id=call.call_id, name=call.name, arguments=arguments))
    return ChatResponse(
        id="",
        model=jsontext.unescaped(text_of(told.model)),
        candidates=(Candidate(blocks=tuple(blocks), finish=finish_of(told, called=bool(calls))),),
        usage=usage_of(told),
        created_epoch_s=created_of(told),
        origin="ollama",
    )


def usage_of_body(body: bytes) -> Usage:
    """Counts of a whole answer."""
    told = read_line(body)
    return Usage() if told is None else usage_of(told)


def unfold(body: bytes) -> bytes | None:
    """A whole answer as the stream it should have been: Ollama's is one line of the same shape. None: it is none."""
    try:
        return None if read_failure(body) is not None else jsontext.compact(body) + b"\n"
    except ValueError:
        return None


def write_answer(response: ChatResponse, context: AnswerContext) -> bytes:
    """The body; of several answers the first."""
    candidate = next((one for one in response.candidates if one.index == 0), Candidate(blocks=()))
    texts: list[str] = []
    thoughts: list[str] = []
    images: list[str] = []
    calls: list[Call] = []
    logprobs = b""
    for block in candidate.blocks:
        match block:
            case Text():
                texts.append(_BLANK_LINE + block.text if block.apart and any(texts) else block.text)
                logprobs = logprobs or block.logprobs
            case Refusal():
                texts.append(block.text)
            case Reasoning(text=text) if text:
                thoughts.append(text)
            case Image(source=Inline() as source):
                images.append(source.data)
            case ToolCall():
                calls.append(
                    call_of(
                        context,
                        len(calls),
                        call_id=block.call_id,
                        name=block.name,
                        arguments=block.arguments,
                        custom=block.custom,
                    )
                )
            case _:
                pass  # what no client of Ollama could read
    finish = candidate.finish
    if finish is not None and finish.reason == "filter" and not (texts or calls):
        texts.append(finish.detail)  # why nothing was said has no member of its own
    line = Line(
        model=response.model or context.model,
        created_at=timestamp(context.created_epoch_s or response.created_epoch_s),
        done=True,
        done_reason=done_reason(candidate.finish),
        logprobs=msgspec.Raw(logprobs) if logprobs else None,
    )
    usage = response.usage
    if not usage.known:
        usage = estimated_usage((candidate,), context.estimated_input_tokens)
    now_ns = context.elapsed_ns()
    return msgspec.json.encode(
        said(
            # When its first word came, a whole answer does not tell.
            durations(line, usage, total_ns=now_ns, prompt_ns=0),
            jsontext.escaped("".join(texts)),
            thinking=jsontext.escaped(_BLANK_LINE.join(thoughts)),
            images=tuple(images),
            calls=tuple(calls),
            generate=context.variant == GENERATE,
        )
    )


def said(
    line: Line,
    text: bytes,
    *,
    thinking: bytes = b"",
    images: tuple[str, ...] = (),
    calls: tuple[Call, ...] = (),
    generate: bool,
) -> Line:
    """``line`` with what was said (escaped), in the members of its endpoint. ``/api/generate`` knows no calls."""
    content = jsontext.quoted(text)
    thought = jsontext.quoted(thinking) if thinking else None
    if generate:
        return msgspec.structs.replace(line, response=content, thinking=thought, image=images[0] if images else "")
    message = AnswerMessage(role="assistant", content=content, thinking=thought, images=images, tool_calls=calls)
    return msgspec.structs.replace(line, message=message)


def call_of(context: AnswerContext, number: int, *, call_id: str, name: str, arguments: str, custom: bool) -> Call:
    """A call of the model: its arguments as an object, its name and id as the client knows them."""
    if custom:
        told = msgspec.json.encode({"input": arguments})
    else:
        told, _ = jsontext.arguments_object(arguments)
    call_id = context.call_ids.get(call_id, call_id) or f"call_{context.attempt_id}_{number}"
    return Call(Function(number, context.names.get(name, name), msgspec.Raw(told)), call_id)


def done_reason(finish: Finish | None) -> str:
    """Ollama knows two: the limit, and everything else."""
    return "length" if finish is not None and finish.reason in ("length", "context_window") else "stop"


def durations(line: Line, usage: Usage, *, total_ns: int, prompt_ns: int) -> Line:
    """``line`` with counts and times. Clients divide by ``eval_duration``, so it is never 0."""
    return msgspec.structs.replace(
        line,
        total_duration=total_ns,
        load_duration=0,
        prompt_eval_count=usage.input_total,
        prompt_eval_duration=min(prompt_ns, total_ns),
        eval_count=usage.output_total,
        eval_duration=max(1, total_ns - prompt_ns),
        estimated=not usage.known,
    )


def timestamp(epoch_s: int) -> str:
    """RFC 3339, as ``created_at`` is written."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
