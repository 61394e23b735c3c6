"""The translation vectors beside the repository, and how each kind of them is run through the dialects.

Dialects are found by discovery: a vector whose dialect (or side of it) is not there is skipped, saying so. Whoever
writes a dialect runs ``pytest tests/translate/test_cases.py -k <part of a vector's name>``. ``stream_through`` and
``checked`` are for other tests as well: they feed events to a stream machine and hold the outcome against the client
dialect's grammar.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import msgspec
import pytest

from omniroute._speedups import StreamCore
from omniroute.discovery import find
from omniroute.domain import Quirks
from omniroute.domain.quirks import PRESETS
from omniroute.errors import OmniRouteError
from omniroute.translate.dialect import AnswerContext, ClientSide, Dialect, Outgoing, Peeked, UpstreamSide
from omniroute.translate.notes import Notes
from omniroute.translate.observer import Observer
from omniroute.translate.pairing import Pair
from omniroute.translate.stream import Machine
from omniroute.translate.tags import TagStage
from omniroute.translate.upstream_errors import read_error
from tests.translate.matching import Event, Matcher, normalised, parse, sequence_errors

Value = TypeVar("Value")

SHARED: Final = Path(__file__).parents[3] / "shared"
CASES: Final = SHARED / "spec" / "translation_cases.json"

ATTEMPT_ID: Final = "0123456789abcdef0123456789abcdef"
REQUEST_ID: Final = "req_vector"

PATHS: Final = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "ollama": "/api/chat",
}
_NOT_QUIRKS: Final = frozenset(
    {"provider", "path", "include_usage", "upstream_model", "response_store", "fetch_remote_media"}
)
_RENAMED: Final = {"chat_max_tokens_field": "max_tokens_field"}


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One vector."""

    name: str
    kind: str
    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    input: msgspec.Raw
    expected: msgspec.Raw
    context: dict[str, object] = {}
    loss: list[dict[str, str]] = []
    note: str = ""

    @property
    def from_dialect(self) -> str:
        """Name of the folder of the input's dialect."""
        return self.source.replace("-", "_")

    @property
    def to_dialect(self) -> str:
        """The same of what is expected."""
        return self.target.replace("-", "_")


class _File(msgspec.Struct):
    cases: list[Case]


class Request(msgspec.Struct, frozen=True):
    """A client's request; satisfies ``dialect.Asked``."""

    path: str
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes


class Streamed(msgspec.Struct, frozen=True):
    """What became of a stream."""

    output: bytes
    machine: Machine


# -- the vectors -----------------------------------------------------------------------------------------------------
@cache
def _all_cases() -> tuple[Case, ...]:
    return tuple(msgspec.json.decode(CASES.read_bytes(), type=_File).cases)


def params(*kinds: str) -> list[object]:
    """The vectors of ``kinds`` for ``pytest.mark.parametrize``; one that skips where the file is not there."""
    if not CASES.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="../shared/spec is not beside the repository"))]
    return [pytest.param(case, id=case.name) for case in _all_cases() if case.kind in kinds]


@cache
def dialects() -> Mapping[str, Dialect]:
    """All that are there."""
    return find("omniroute.translate.dialects", "DIALECT", Dialect)


def near_side(name: str) -> ClientSide:
    """The client side of a dialect; skips the test if there is none yet."""
    dialect = dialects().get(name)
    if dialect is None or dialect.client is None:
        pytest.skip(f"dialect {name} has no clients yet")
    return dialect.client


def far_side(name: str) -> UpstreamSide:
    """The upstream side of a dialect; skips the test if there is none yet."""
    dialect = dialects().get(name)
    if dialect is None or dialect.upstream is None:
        pytest.skip(f"dialect {name} has no upstreams yet")
    return dialect.upstream


def quirks_of(context: Mapping[str, object]) -> Quirks:
    """What ``context`` says of the target."""
    preset = PRESETS.get(str(context.get("provider", "")), Quirks())
    assert not context.get("fetch_remote_media"), "the gateway never fetches media"
    found: dict[str, object] = {}
    for name, value in context.items():
        if name == "effort_budgets":
            assert isinstance(value, dict)
            found[name] = (value["low"], value["medium"], value["high"])
        elif name not in _NOT_QUIRKS:
            found[_RENAMED.get(name, name)] = value
    return msgspec.structs.replace(preset, **found)


def asked(case: Case) -> Request:
    """The client's request of a request vector."""
    path = str(case.context.get("path") or PATHS.get(case.from_dialect, ""))
    path, _, query = path.partition("?")
    if not path.startswith("/"):
        path = f"/v1beta/{path}"
    return Request(path, query.encode(), {b"content-type": b"application/json"}, bytes(case.input))


def answer_context(case: Case, *, choices: int = 1) -> AnswerContext:
    """What the writer of a vector's answer is told."""
    include_usage = bool(case.context.get("include_usage")) or case.to_dialect != "openai_chat"
    return AnswerContext(
        attempt_id=ATTEMPT_ID,
        request_id=REQUEST_ID,
        created_epoch_s=1_700_000_000,
        model="m",
        include_usage=include_usage,
        choices=choices,
        estimated_input_tokens=7,
        elapsed_ns=lambda: 1_000_000,
    )


def expect(expected: object, got: object, seen: str = "") -> None:
    """Assert that ``got`` is what a vector says; ``seen`` is shown beside the differences."""
    differences = Matcher().differences(expected, got)
    assert not differences, "\n".join(("", *differences, seen))


# -- requests ----------------------------------------------------------------------------------------------------------
def run_request(case: Case) -> None:
    """Write a client's request for the upstream; assert body and losses."""
    near, far = near_side(case.from_dialect), far_side(case.to_dialect)
    expected = parse(bytes(case.expected))
    assert isinstance(expected, dict)
    notes = Notes()
    request = asked(case)

    def write() -> Outgoing:
        peeked = near.peek(request)
        canonical = near.read_request(request, peeked)
        model = str(case.context.get("upstream_model") or peeked.model)
        return far.write_request(msgspec.structs.replace(canonical, model=model), quirks_of(case.context), notes)

    outgoing = or_refusal(write)
    if isinstance(outgoing, OmniRouteError):
        assert "$error" in expected, f"refused: {outgoing.message}"
        expect(expected["$error"], _client_error(near, outgoing))
        return
    assert "$error" not in expected, f"was not refused; sent {b''.join(outgoing.body)!r}"
    got = parse(b"".join(outgoing.body))
    if case.to_dialect == "gemini":
        got = {"path": outgoing.path.removeprefix("/"), "body": got}
    expect(expected, got)
    _check_losses(case, notes)


def or_refusal(run: Callable[[], Value]) -> Value | OmniRouteError:
    """What ``run`` gives, or the error it raises."""
    try:
        return run()
    except OmniRouteError as error:
        return error


def _check_losses(case: Case, notes: Notes) -> None:
    found = {(note.field, note.action) for note in notes}
    missing = {(loss["field"], loss["action"]) for loss in case.loss} - found
    assert not missing, f"not reported: {missing}; reported: {found}"
    unexpected = () if case.loss else notes.warnings()
    assert not unexpected, f"reported, though nothing is lost: {unexpected}"


def _client_error(near: ClientSide, error: OmniRouteError) -> dict[str, object]:
    return {"status": near.error_status(error), "body": _without_id(parse(near.error_body(error, REQUEST_ID)))}


def _without_id(body: object) -> object:
    """``body`` without our request's id, which may always be there."""
    if not isinstance(body, dict):
        return body
    return {name: _without_id(value) for name, value in body.items() if name != "request_id"}


# -- whole answers -----------------------------------------------------------------------------------------------------
def run_response(case: Case) -> None:
    """Write an upstream's whole answer for the client."""
    near_side(case.to_dialect)
    far_side(case.from_dialect)
    pair = Pair(dialects()[case.to_dialect], dialects()[case.from_dialect])
    expected = parse(bytes(case.expected))
    assert isinstance(expected, dict)
    context = answer_context(case, choices=_choices(case, [bytes(case.input)]))
    quirks = quirks_of(case.context)
    answer = or_refusal(lambda: pair.answer(bytes(case.input), context, quirks, passed=pair.passes(b"{}", quirks)))
    if isinstance(answer, OmniRouteError):
        assert "$error" in expected, f"refused: {answer.message}"
        expect(expected["$error"], _client_error(pair.near, answer))
        return
    assert "$error" not in expected, f"was not refused; answered {answer.body!r}"
    expect(expected, parse(answer.body))


def _choices(case: Case, bodies: Iterable[bytes]) -> int:
    """How many answers the client asked for: as many as came, where its dialect can have several."""
    if case.to_dialect not in {"openai_chat", "gemini"}:
        return 1
    found = {0}
    for body in bodies:
        value = None if body.strip() == b"[DONE]" else parse(body)
        listed = (value.get("choices") or value.get("candidates") or ()) if isinstance(value, dict) else ()
        found |= {choice.get("index", 0) for choice in listed if isinstance(choice, dict)}
    return len(found)


def run_error(case: Case) -> None:
    """Write an upstream's error for the client."""
    near = near_side(case.to_dialect)
    given, expected = parse(bytes(case.input)), parse(bytes(case.expected))
    assert isinstance(given, dict)
    assert isinstance(expected, dict)
    raw = msgspec.json.decode(bytes(case.input), type=dict[str, msgspec.Raw])["body"]
    body = given["body"].encode() if isinstance(given["body"], str) else bytes(raw)
    error = read_error(int(given["status"]), [], body)
    expected = {**expected, "body": _without_id(expected["body"])}
    expect(expected, _client_error(near, error))


# -- streams -----------------------------------------------------------------------------------------------------------
class _WireEvent(msgspec.Struct, frozen=True):
    event: str = ""
    data: msgspec.Raw = msgspec.Raw()
    data_text: str | None = None

    def pair(self) -> tuple[bytes, bytes]:
        """Name and data as a decoder gets them."""
        if self.data_text is not None:
            return self.event.encode(), self.data_text.encode()
        raw = bytes(self.data)
        return self.event.encode(), b"[DONE]" if raw == b'"[DONE]"' else msgspec.json.format(raw, indent=-1)


class _WireEvents(msgspec.Struct, frozen=True):
    events: list[_WireEvent]


def input_events(case: Case) -> list[tuple[bytes, bytes]]:
    """Names and data of a stream vector's upstream events."""
    return [event.pair() for event in msgspec.json.decode(bytes(case.input), type=_WireEvents).events]


def framed(events: Sequence[tuple[bytes, bytes]], dialect: str) -> bytes:
    """``events`` as an upstream of ``dialect`` writes them on the wire."""
    if dialect == "ollama":
        return b"".join(data + b"\n" for _, data in events)
    names = (b"event: " + name + b"\n" if name else b"" for name, _ in events)
    return b"".join(
        name + b"".join(b"data: " + line + b"\n" for line in data.split(b"\n")) + b"\n"
        for name, (_, data) in zip(names, events, strict=True)
    )


def stream_through(
    events: Iterable[tuple[bytes, bytes]], far: UpstreamSide, near: ClientSide, context: AnswerContext, quirks: Quirks
) -> Streamed:
    """Feed ``events`` one by one to a machine, without any core, to the end of input."""
    machine = Machine(
        far.decoder(quirks),
        near.encoder(context),
        TagStage(think=quirks.think_tags),
        choices=context.choices,
        estimated_input=context.estimated_input_tokens,
    )
    out = []
    for name, data in events:
        if machine.done:
            break
        out.append(machine.event(name, data))
    out.append(machine.finish())
    return Streamed(b"".join(out), machine)


def checked(near: ClientSide, dialect: str, output: bytes) -> list[Event]:
    """The events of ``output``, after they passed the dialect's grammar."""
    checker = near.checker()
    found = list(split(dialect, output))
    for name, data in found:
        checker.event(name, data)
    checker.end()
    return [Event(name.decode(), _value(data)) for name, data in found]


def _value(data: bytes) -> object:
    return data.decode() if data.strip() == b"[DONE]" else parse(data)


def split(dialect: str, output: bytes) -> Iterable[tuple[bytes, bytes]]:
    """Names and data of the events of a stream of ours: strict, unlike what reads vendors'."""
    if dialect == "ollama":
        assert output.endswith(b"\n") or not output, "a line without an end"
        return [(b"", line) for line in output.split(b"\n")[:-1]]
    if output.startswith(b"["):
        items = msgspec.json.decode(output, type=list[msgspec.Raw])
        return [(b"", bytes(item)) for item in items]
    end = b"\r\n" if dialect == "gemini" else b"\n"
    blocks = output.split(end + end)
    assert blocks[-1] == b"", f"the stream ends inside an event: {blocks[-1]!r}"
    return [_sse_event(block, end) for block in blocks[:-1] if not block.startswith(b":")]


def _sse_event(block: bytes, end: bytes) -> tuple[bytes, bytes]:
    name, data = b"", None
    for line in block.split(end):
        field, _, value = line.partition(b": ")
        if field == b"event":
            assert not name, block
            name = value
        else:
            assert field == b"data", f"not a line of an event: {line!r}"
            assert data is None, f"two data lines: {block!r}"
            assert b"\r" not in value, f"a bare line end: {block!r}"
            data = value
    assert data is not None, f"an event without data: {block!r}"
    return name, data


def assert_stream(case: Case, output: bytes) -> None:
    """Hold a client's stream against the vector and its dialect's grammar."""
    got = checked(near_side(case.to_dialect), case.to_dialect, output)
    if case.to_dialect == "openai_responses":
        wrong = sequence_errors(got)
        assert not wrong, wrong
    expected = [
        Event(name.decode(), _value(data))
        for name, data in (event.pair() for event in msgspec.json.decode(bytes(case.expected), type=_WireEvents).events)
    ]
    dialect = case.to_dialect
    got = [Event(event.name, _without_id(event.data)) for event in got]
    expect(normalised(dialect, expected), normalised(dialect, got), output.decode())


def run_stream(case: Case) -> None:
    """Write an upstream's stream for the client, event by event."""
    near, far = near_side(case.to_dialect), far_side(case.from_dialect)
    events = input_events(case)
    assert_stream(
        case, stream_through(events, far, near, _stream_context(case, events), quirks_of(case.context)).output
    )


def _stream_context(case: Case, events: Sequence[tuple[bytes, bytes]]) -> AnswerContext:
    return answer_context(case, choices=_choices(case, [data for _, data in events]))


def run_cut_stream(case: Case) -> None:
    """The same through the stream core: with and without lanes, all at once and byte by byte, always the same bytes."""
    near, far = near_side(case.to_dialect), far_side(case.from_dialect)
    events, quirks = input_events(case), quirks_of(case.context)
    context = _stream_context(case, events)
    alone = stream_through(events, far, near, context, quirks)
    body = framed(events, case.from_dialect)
    for lanes in (True, False):
        for size in (len(body), 1, 7):
            core, machine = core_of(far, near, context, quirks, lanes=lanes)
            output = b"".join(core.feed(body[at : at + size]) for at in range(0, len(body), size)) + core.finish()
            assert output == alone.output, f"lanes {lanes}, {size} bytes at a time"
            assert (machine.usage, machine.finishes) == (alone.machine.usage, alone.machine.finishes)


def core_of(
    far: UpstreamSide, near: ClientSide, context: AnswerContext, quirks: Quirks, *, lanes: bool = True
) -> tuple[StreamCore, Machine]:
    """A core and its machine, as ``Pair.core`` makes them."""
    machine = Machine(
        far.decoder(quirks),
        near.encoder(context),
        TagStage(think=quirks.think_tags),
        choices=context.choices,
        estimated_input=context.estimated_input_tokens,
    )
    return StreamCore(machine, framing=far.framing, shapes=far.shapes, lanes=lanes), machine


# -- framing -----------------------------------------------------------------------------------------------------------
class Recorder:
    """A machine that notes the events it is asked about."""

    content = done = finished = False

    def __init__(self) -> None:
        self.events: list[tuple[str | None, str]] = []
        self.data: list[bytes] = []

    def begin(self, sequencer: object) -> None:
        pass

    def settle(self, sequencer: object) -> None:
        pass

    def lanes(self) -> tuple[()]:
        return ()

    def caught(self, block: int, deltas: int, text_bytes: int, kept: bytes, stash: bytes) -> None:
        raise AssertionError("no lane was armed")

    def event(self, name: bytes, data: bytes) -> bytes:
        self.data.append(data)
        self.events.append((name.decode("utf-8", "replace") or None, data.decode("utf-8", "replace")))
        return b""

    def finish(self) -> bytes:
        return b""


def _told(event: dict[str, object]) -> tuple[object, object]:
    """Name and data, or length and hash of the data, of an event as a framing vector writes it."""
    return event["event"], event["data"] if "data" in event else (event["data_length"], event["data_sha256"])


def run_framing(case: Case) -> None:
    """Cut a body into events: as the vector cuts its reads, at once, and byte by byte."""
    given, expected = parse(bytes(case.input)), parse(bytes(case.expected))
    assert isinstance(given, dict)
    assert isinstance(expected, dict)
    chunks = [base64.b64decode(chunk) for chunk in given["chunks_base64"]]
    body = b"".join(chunks)
    # The core is framing and JSON layer in one: an event without data is none, one with half a value is a cut-off.
    events = [_told(event) for event in expected["events"] if event.get("data") != ""]
    for reads in (chunks, [body], [body[at : at + 1] for at in range(len(body))]):
        recorder = Recorder()
        core = StreamCore(recorder, framing="ndjson" if case.source == "ndjson" else "sse", shapes=())
        for read in reads:
            core.feed(read)
        core.finish()
        got = [
            (name, data if isinstance(wanted, str) else (len(data), hashlib.sha256(data.encode()).hexdigest()))
            for (name, data), (_, wanted) in zip(recorder.events, events, strict=False)
        ]
        assert got == events[: -1 if core.cut else None]
        assert len(got) == len(recorder.events)
        assert core.cut == ("incomplete" in case.name)


# -- bytes that pass ---------------------------------------------------------------------------------------------------
def run_passthrough(case: Case) -> None:
    """Same dialect on both sides: the bytes go on as they are, and what they say is known."""
    near_side(case.from_dialect)
    far_side(case.from_dialect)
    pair = Pair(dialects()[case.from_dialect], dialects()[case.from_dialect])
    assert pair.same
    given, expected = parse(bytes(case.input)), parse(bytes(case.expected))
    assert isinstance(given, dict)
    assert isinstance(expected, dict)
    body = base64.b64decode(given["body_base64"])
    if "request" in case.name:
        wanted = body if expected.get("body") == "unchanged" else base64.b64decode(expected["body_base64"])
        assert _passed_request(case, pair, body) == wanted
        return
    for size in (len(body), 1):
        peeked = Peeked(model="m", stream=True, include_usage=True, choices=1)
        core, observer = pair.core(answer_context(case), peeked, Quirks(), passed=True, max_event_bytes=1 << 20)
        assert b"".join(core.feed(body[at : at + size]) for at in range(0, len(body), size)) + core.finish() == body
        _check_tap(expected["tap"], observer)


def _passed_request(case: Case, pair: Pair, body: bytes) -> bytes:
    request = Request(PATHS[case.from_dialect], b"", {}, body)
    # Asked for by the client, so that nothing is added to the body.
    peeked = msgspec.structs.replace(pair.near.peek(request), include_usage=True)
    model = str(case.context.get("upstream_model") or peeked.model)
    outgoing = pair.request(request, peeked, _never, model=model, quirks=Quirks(), notes=Notes())
    return b"".join(outgoing.body)


def _never() -> NoReturn:
    raise AssertionError("a request that passes need not be understood")


def _check_tap(tap: dict[str, object], facts: Machine | Observer) -> None:
    usage = facts.usage
    told = {
        "model": facts.model,
        "finish": facts.finish_reason or None,
        "input_total": usage.input_total,
        "cache_read": usage.cache_read,
        "output_total": usage.output_total,
        "reasoning": usage.reasoning,
        "error": None
        if facts.failure is None
        else {"status": facts.failure.status, "code": facts.failure.code, "message": facts.failure.message},
    }
    expect(tap, {name: told[name] for name in tap})
