"""The recorded answers of real providers beside the repository, and what an answer says, whatever its dialect."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from functools import cache
from typing import Final

import msgspec
import pytest

from omniroute.domain import Quirks
from omniroute.domain.quirks import PRESETS
from omniroute.errors import UpstreamError
from omniroute.translate.canonical import Candidate, ChatResponse, Reasoning, Refusal, Text, ToolCall
from omniroute.translate.dialect import AnswerContext, Dialect
from omniroute.translate.fold import Folder
from omniroute.translate.jsontext import RAW_ARGUMENTS
from omniroute.translate.stream import Machine
from omniroute.translate.tags import TagStage
from tests.translate import vectors
from tests.translate.matching import parse
from tests.translate.vectors import SHARED

RECORDED: Final = SHARED / "fixtures" / "recorded"
CLIENTS: Final = ("openai_chat", "openai_responses", "anthropic", "gemini", "ollama")

LARGE_BYTES: Final = 30_000
"""Tests of a recording that is longer take their time."""

_FOLDERS: Final = {
    "openai-responses": "openai_responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "ollama": "ollama",
}
_BEGINNINGS: Final = {"openai_responses": b'"response.created"', "anthropic": b'"message_start"'}
_SPLIT: Final = frozenset({"tool-search-stream", "reasoning-summary-encrypted-stream"})
"""Files that hold several answers, one after another."""
_PICTURE_NOTE: Final = re.compile(r"\[Themodelmadeapicture[^]]*\]")
"""What stands for a picture in dialects whose answers have none (translation.md §12.1)."""
_OTHER: Final = frozenset({"legacy-completions-stream"})
"""Of an upstream dialect that is none."""


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the manifest."""

    file: str
    name: str
    dialect: str
    provider: str
    framing: str
    http_status: int | None = None
    endpoint: str | None = None
    request_file: str = ""
    bytes: int = 0

    @property
    def ours(self) -> str:
        """Name of our dialect for it."""
        return _FOLDERS.get(self.dialect, "openai_chat")

    @property
    def quirks(self) -> Quirks:
        """Of the provider."""
        return PRESETS.get(self.provider, Quirks())

    def body(self) -> bytes:
        """The file."""
        return (RECORDED / self.file).read_bytes()

    def streams(self) -> list[bytes]:
        """The answers in the file, framed as on the wire."""
        body = self.body()
        if not self.framing.startswith("json-lines"):
            return [body]
        lines = [line for line in body.splitlines() if line.strip()]
        starts = [number for number, line in enumerate(lines) if _BEGINNINGS.get(self.ours, b"\x00") in line]
        edges = [*starts, len(lines)] if self.name in _SPLIT else [0, len(lines)]
        return [_framed(lines[start:end], self.ours) for start, end in itertools.pairwise(edges)]


def request_of(recording: Recording) -> vectors.Request:
    """The request that was answered, at our path for it."""
    path, _, query = (recording.endpoint or "").partition("?")
    if recording.ours not in ("gemini", "ollama"):
        path = vectors.PATHS[recording.ours]
    body = (RECORDED / recording.request_file).read_bytes()
    return vectors.Request(path, query.encode(), {b"content-type": b"application/json"}, body)


class _Manifest(msgspec.Struct):
    recordings: list[Recording]


def _framed(lines: list[bytes], dialect: str) -> bytes:
    named = dialect in _BEGINNINGS
    events = [(str(_type(line)).encode() if named else b"", line) for line in lines]
    return vectors.framed(events, dialect)


def _type(line: bytes) -> object:
    value = parse(line)
    return value["type"] if isinstance(value, dict) else ""


@cache
def _all() -> tuple[Recording, ...]:
    manifest = msgspec.json.decode((RECORDED / "MANIFEST.json").read_bytes(), type=_Manifest)
    return tuple(entry for entry in manifest.recordings if entry.name not in _OTHER)


def params(kind: str) -> list[object]:
    """Recordings for ``parametrize``: ``stream``, ``body`` (an answer), ``error`` or ``request`` (one is with it)."""
    if not RECORDED.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="../shared/fixtures is not beside the repository"))]
    return [pytest.param(entry, id=entry.file, marks=_marks(entry)) for entry in _all() if kind in _kinds(entry)]


def _marks(entry: Recording) -> tuple[pytest.MarkDecorator, ...]:
    return (pytest.mark.slow,) if entry.bytes > LARGE_BYTES else ()


def _kinds(entry: Recording) -> set[str]:
    # What was sent to another endpoint than the dialect's is no request of it.
    elsewhere = entry.dialect == "aws-eventstream" or (
        entry.ours == "openai_chat" and "/responses" in (entry.endpoint or "")
    )
    kinds = {"request"} if entry.request_file and not elsewhere else set()
    if entry.framing == "json body":
        kinds.add(
            "error" if "error" in entry.name or entry.name in ("failed-body", "azure-content-filter-body") else "body"
        )
    elif entry.framing != "aws-eventstream":
        kinds.add("stream")
    return kinds


def context(*, choices: int = 1, request_model: str = "m") -> AnswerContext:
    """For answers of recordings: a client that wants to know usage."""
    return AnswerContext(
        attempt_id=vectors.ATTEMPT_ID,
        request_id=vectors.REQUEST_ID,
        created_epoch_s=1_700_000_000,
        model=request_model,
        choices=choices,
        elapsed_ns=lambda: 1_000_000,
    )


def machine_of(upstream: Dialect, client: Dialect, quirks: Quirks, *, choices: int = 1) -> Machine:
    """What carries a stream from one to the other."""
    assert upstream.upstream is not None
    assert client.client is not None
    return Machine(
        upstream.upstream.decoder(quirks),
        client.client.encoder(context(choices=choices)),
        TagStage(think=quirks.think_tags),
        choices=choices,
        estimated_input=0,
    )


# -- what an answer says -----------------------------------------------------------------------------------------------
class Saying(msgspec.Struct, frozen=True):
    """One choice of an answer, in what every dialect can say."""

    text: str
    reasoning: str
    calls: tuple[tuple[str, object], ...]
    finish: str


class Sayings(msgspec.Struct, frozen=True):
    """An answer."""

    choices: tuple[Saying, ...]
    usage: tuple[int, int, int, int]
    """Input, of it read from the cache, output, of it reasoning."""
    usage_known: bool
    failure: str = ""


def saying(candidate: Candidate) -> Saying:
    """Blocks of a kind joined, white space between them aside: dialects join blocks with and without blank lines."""
    blocks = candidate.blocks
    calls = tuple((block.name, _arguments(block)) for block in blocks if isinstance(block, ToolCall))
    reason: str = candidate.finish.reason if candidate.finish else ""
    if reason == "stop" and any(isinstance(block, Refusal) for block in blocks):
        reason = "filter"  # Responses and Chat say so by the refusal itself
    text = _joined(block.text for block in blocks if isinstance(block, Text | Refusal))
    if not text and reason == "filter" and candidate.finish:
        text = _joined([candidate.finish.detail])  # dialects without a place for it say it as text
    return Saying(
        text=_PICTURE_NOTE.sub("", text),
        reasoning=_joined(block.text for block in blocks if isinstance(block, Reasoning)),
        calls=calls,
        finish="tool" if reason == "stop" and calls else reason,
    )


def _joined(texts: Iterable[str]) -> str:
    return "".join("".join(texts).split())


def _arguments(call: ToolCall) -> object:
    """The value of a call's arguments; what is no JSON object, as dialects say it that have nothing else."""
    if call.custom:  # what it is to dialects that only have functions (translation.md §11.5)
        return {"input": call.arguments}
    try:
        value = parse(call.arguments or "{}")
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {RAW_ARGUMENTS: call.arguments}


def sayings(response: ChatResponse, failure: UpstreamError | None = None) -> Sayings:
    """What an answer says; ``failure``: what it ended with."""
    usage = response.usage
    return Sayings(
        choices=tuple(saying(candidate) for candidate in response.candidates),
        usage=(usage.input_total, usage.cache_read, usage.output_total, usage.reasoning),
        usage_known=usage.known,
        failure=failure.message if failure is not None else "",
    )


def said_by(dialect: Dialect, events: Iterable[tuple[bytes, bytes]], quirks: Quirks) -> Sayings:
    """What a stream of an upstream says."""
    assert dialect.upstream is not None
    folder = Folder()
    stage = TagStage(think=quirks.think_tags)
    machine = Machine(dialect.upstream.decoder(quirks), folder, stage, choices=9, estimated_input=0)
    for name, data in events:
        if machine.done:
            break
        machine.event(name, data)
    machine.finish()
    return sayings(msgspec.structs.replace(folder.response(), usage=machine.usage), machine.failure)


_CLASSES: Final[dict[str, dict[str, str]]] = {
    "anthropic": {},
    "openai_chat": {"stop_sequence": "stop", "context_window": "length", "pause": "stop"},
    "gemini": {"stop_sequence": "stop", "context_window": "length", "pause": "stop"},
    "openai_responses": {"stop_sequence": "stop", "context_window": "length", "pause": "stop"},
    "ollama": {"stop_sequence": "stop", "context_window": "length", "pause": "stop", "filter": "stop"},
}
"""Finish classes a dialect has no word for, and what it says instead (translation.md §12.2)."""


def in_words_of(client: str, said: Sayings) -> Sayings:
    """``said`` as far as a client's dialect can say it."""
    choices = said.choices if client in ("openai_chat", "gemini") else said.choices[:1]
    told = []
    for choice in choices:
        finish = _CLASSES[client].get(choice.finish, choice.finish)
        told.append(msgspec.structs.replace(choice, finish="tool" if finish == "stop" and choice.calls else finish))
    total, cached, output, reasoning = said.usage
    usage = (total, 0, output, 0) if client == "ollama" else (total, cached, output, reasoning)
    return msgspec.structs.replace(said, choices=tuple(told), usage=usage)
