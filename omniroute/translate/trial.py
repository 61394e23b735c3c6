"""One text translated from one dialect to another, to look at: ``omniroute translate`` and ``POST /api/translator``.

What is done to it is what the gateway does, through the same :class:`Pair`; only what the gateway would know from its
surroundings (path, model, what the client asked for) is made up where it is not given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from omniroute.domain import Quirks
from omniroute.domain.quirks import PRESETS
from omniroute.errors import ClientError, UpstreamError
from omniroute.translate.dialect import AnswerContext, Dialect, Peeked
from omniroute.translate.notes import Note, Notes
from omniroute.translate.pairing import Pair
from omniroute.translate.vendor_json import decode_vendor

Kind = Literal["request", "response", "stream"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

MODEL: Final = "model"
"""Stands for the model where it is no member of the body (Gemini) and none was given."""
CHOICES: Final = 128
"""All that an answer may hold are written: how many were asked for is not known here."""

_BLANKS: Final = b" \t\r\n\xef\xbb\xbf"
_REQUEST_MEMBERS: Final = frozenset({"messages", "contents", "input", "prompt"})
_ANSWER_MEMBERS: Final = frozenset(
    {"choices", "candidates", "promptFeedback", "output", "stop_reason", "done", "error", "usageMetadata"}
)
_PLACE: Final = re.compile(r"\{\w+\}$")


class Translation(msgspec.Struct, frozen=True):
    """What became of a text."""

    kind: Kind
    body: bytes
    losses: tuple[Note, ...] = ()
    path: str = ""
    """Of a request: where it goes, below the connection's base URL."""
    failure: str = ""
    """Of an answer: it is an error, or ends in one; ``body`` is what a client would be told."""


class Request(msgspec.Struct, frozen=True):
    """A client's request as far as dialects read it."""

    path: str
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes


def kind_of(text: bytes) -> Kind:
    """What ``text`` is: a request, a whole answer or a stream. Raises ClientError if it is no JSON and no stream."""
    start = text.lstrip(_BLANKS)
    if not start.startswith(b"{"):
        if start.startswith((b"data:", b"event:", b"id:", b"retry:", b":", b"[")):
            return "stream"
        raise ClientError(
            "'body' is neither a JSON object nor a stream of events: give a request, an answer or a stream.",
            param="body",
            code="invalid_value",
        )
    try:
        value = decode_vendor(text)
    except ValueError as error:
        lines = [line for line in text.splitlines() if line.strip(_BLANKS)]
        if len(lines) > 1 and all(line.lstrip(_BLANKS).startswith(b"{") for line in lines):
            return "stream"  # one object a line
        raise ClientError(f"'body' is not readable as JSON ({error}).", param="body", code="invalid_json") from error
    members = set(value) if isinstance(value, dict) else set()
    if members & _ANSWER_MEMBERS and not members & {"messages", "contents", "prompt"}:
        return "response"
    if members & _REQUEST_MEMBERS:
        return "request"
    raise ClientError(
        "'body' has no member that tells a request from an answer: say which it is with 'kind'.",
        param="kind",
        code="missing_required_parameter",
    )


def quirks_of(provider: str, given: Mapping[str, object]) -> Quirks:
    """The quirks of ``provider`` with those ``given``. Raises ClientError naming one that is none."""
    known = msgspec.structs.asdict(PRESETS.get(provider, Quirks()))
    for name, value in given.items():
        if name not in known:
            raise ClientError(
                f"'quirks.{name}' is none: there are {', '.join(sorted(known))}.",
                param=f"quirks.{name}",
                code="unknown_field",
            )
        known[name] = value
    try:
        return msgspec.convert(known, Quirks)
    except msgspec.ValidationError as error:
        raise ClientError(f"'quirks': {error}.", param="quirks", code="invalid_value") from error


def pair_of(dialects: Mapping[str, Dialect], source: str, target: str, kind: Kind) -> Pair:
    """Who speaks to whom: requests go from clients, answers come from upstreams. ClientError: nobody does."""
    for field, name in (("from", source), ("to", target)):
        if name not in dialects:
            raise ClientError(
                f"'{field}' is no dialect: there are {', '.join(sorted(dialects))}.", param=field, code="invalid_value"
            )
    client, upstream = (source, target) if kind == "request" else (target, source)
    try:
        return Pair(dialects[client], dialects[upstream])
    except ValueError as error:
        field = "to" if kind == "request" else "from"
        raise ClientError(
            f"'{field}': {upstream} has clients only; no upstream speaks it.", param=field, code="invalid_value"
        ) from error


def translate(
    text: bytes, pair: Pair, kind: Kind, *, quirks: Quirks, model: str, context: AnswerContext
) -> Translation:
    """``text`` translated. ``model``: what the target knows it as; "": as it is. ``context``: for answers.

    Raises ClientError for a text that cannot be read, ``Unsupported`` for a request that cannot be carried.
    """
    if kind == "request":
        return _request(text, pair, quirks, model)
    context = msgspec.structs.replace(context, choices=CHOICES, model=model or MODEL)
    return _response(text, pair, quirks, context) if kind == "response" else _stream(text, pair, quirks, context)


def _request(text: bytes, pair: Pair, quirks: Quirks, model: str) -> Translation:
    near, notes = pair.near, Notes()
    path = near.endpoints[0].path
    if any(endpoint.path.endswith("/api/generate") for endpoint in near.endpoints) and b'"prompt"' in text:
        path = next(endpoint.path for endpoint in near.endpoints if endpoint.path.endswith("/api/generate"))
    path = _PLACE.sub(f"{model or MODEL}:generateContent", path)
    request = Request(path, b"", {b"content-type": b"application/json"}, text)
    peeked = near.peek(request)
    outgoing = pair.request(
        request,
        peeked,
        lambda: near.read_request(request, peeked),
        model=model or peeked.model,
        quirks=quirks,
        notes=notes,
    )
    return Translation("request", b"".join(outgoing.body), tuple(notes), outgoing.path)


def _response(text: bytes, pair: Pair, quirks: Quirks, context: AnswerContext) -> Translation:
    try:
        return Translation("response", pair.answer(text, context, quirks, passed=pair.same).body)
    except UpstreamError as error:
        return Translation("response", pair.near.error_body(error, context.request_id), failure=error.message)
    except ValueError as error:
        raise _unreadable(pair, error) from error


def _stream(text: bytes, pair: Pair, quirks: Quirks, context: AnswerContext) -> Translation:
    peeked = Peeked(model=context.model, stream=True, include_usage=True, choices=context.choices)
    core, machine = pair.core(context, peeked, quirks, passed=pair.same, max_event_bytes=len(text) + 1)
    body = core.feed(text) + core.finish()
    if not core.events:
        raise _unreadable(pair, "it has no events")
    return Translation("stream", body, failure="" if machine.failure is None else machine.failure.message)


def _unreadable(pair: Pair, why: object) -> ClientError:
    return ClientError(f"'body' is no answer of {pair.upstream.name}: {why}.", param="body", code="invalid_value")


def shown(done: Translation) -> dict[str, object]:
    """``done`` for a program: a body that is JSON as such, a stream as text."""
    return {
        "kind": done.kind,
        "path": done.path,
        "body": done.body.decode("utf-8", "replace") if done.kind == "stream" else msgspec.Raw(done.body),
        "losses": done.losses,
        "failure": done.failure,
    }
