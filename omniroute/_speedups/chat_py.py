"""OpenAI Chat bodies of the common shape, read and patched in one pass. This is the specification.

``chat_c`` is the speed.

Every function here is a fast path: it declines (None) whatever is unusual, wrong or rare, and what it does not decline
it reads exactly as ``translate/dialects/openai_chat`` does, which also writes all error messages. The two walk a
document by the same rules, those of ``jsonspan``.
"""

from __future__ import annotations

import re
from typing import Final

from omniroute._speedups import jsonspan_py as jsonspan

COPY_BYTES: Final = 16 * 1024
"""Up to here copying a body into one new object is cheaper than handling its parts."""

Span = tuple[int, int]
Request = tuple[str, bool, bool, int, tuple[Span, Span | None, Span | None]]
Counts = tuple[int, int, int, int, int, int, int, int, bool]

_REQUEST_KEYS: Final = (b"model", b"messages", b"stream", b"stream_options", b"n")
_ANSWER_KEYS: Final = (b"choices", b"usage")

_MODEL: Final = re.compile(rb'"[ !#-\[\]-~]{1,256}"')
_N: Final = re.compile(rb"[1-9][0-9]?")
_SWITCHES: Final = {b"true": True, b"false": False}
_OPTIONS: Final = re.compile(rb'\{[ \t\r\n]*"include_usage"[ \t\r\n]*:[ \t\r\n]*(true|false)[ \t\r\n]*\}')
_PLAIN_NAME: Final = re.compile(r"[ !#-\[\]-~]*")
"""What JSON writes between quotes as it is."""

# Usage. Counts have twelve digits at most: then no sum of them leaves 64 bits, and all are below the dialect's
# MAX_TOKENS. Members that are not read must still be JSON beyond doubt, as the slow path reads usage as JSON.
_BLANKS: Final = rb"[ \t\r\n]*+"
_TEXT: Final = rb"[ !#-\[\]-~]*+"
_SCALAR: Final = rb"(?:null|true|false|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+)"
_FLAT_MEMBER: Final = rb'"%b"%b:%b%b%b' % (_TEXT, _BLANKS, _BLANKS, _SCALAR, _BLANKS)
_FLAT: Final = rb"\{%b(?:%b(?:,%b%b)*+)?+\}" % (_BLANKS, _FLAT_MEMBER, _BLANKS, _FLAT_MEMBER)
_MEMBER: Final = re.compile(
    rb'%b"(%b)"%b:%b(%b|%b)%b(?:,%b|\Z)' % (_BLANKS, _TEXT, _BLANKS, _BLANKS, _SCALAR, _FLAT, _BLANKS, _BLANKS)
)
_COUNT: Final = re.compile(rb"0|[1-9][0-9]{0,11}")
_TOTALS: Final = (b"prompt_tokens", b"completion_tokens", b"total_tokens")
_DETAILS: Final = {
    b"prompt_tokens_details": (b"cached_tokens", b"cache_write_tokens", b"audio_tokens"),
    b"completion_tokens_details": (b"reasoning_tokens", b"audio_tokens"),
}
_OTHERS: Final = frozenset({b"prompt_cache_hit_tokens", b"cache_read_input_tokens", b"cache_creation_input_tokens"})
"""Other vendors' words for what the details say: which of two counts holds is for the slow path."""


def scan_request(body: bytes) -> Request | None:
    """The fields of the dialect's ``Peeked`` in its order.

    Accepted are: a model name of 1 to 256 printable ASCII characters that need no escape; ``stream`` true or false;
    ``n`` of one or two digits; in a stream, ``stream_options`` of one member, ``include_usage``, true or false; and no
    second member of these names.
    """
    try:
        model, messages, stream, options, n = jsonspan.unique_spans(body, _REQUEST_KEYS)
    except ValueError:
        return None
    if model is None or messages is None or body[messages[0]] != ord("[") or not _MODEL.fullmatch(body, *model):
        return None
    streams = False if stream is None else _SWITCHES.get(body[slice(*stream)])
    if streams is None or (n is not None and not _N.fullmatch(body, *n)):
        return None
    include_usage, option_span = False, None
    if not streams:
        options = None
    elif options is not None:
        found = _OPTIONS.fullmatch(body, *options)
        if found is None:
            return None
        include_usage, option_span = _SWITCHES[found[1]], found.span(1)
    choices = 1 if n is None else int(body[slice(*n)])
    return (
        body[model[0] + 1 : model[1] - 1].decode(), streams, include_usage, choices, (model, options, option_span),
    )  # fmt: skip


def encode_body(
    body: bytes, model_span: Span | None, model: str, inserted: bytes
) -> tuple[bytes | memoryview, ...] | None:
    """``body`` with ``model`` in place of ``model_span`` (None: left) and ``inserted`` behind its top-level brace.

    Parts to be written in order, as few as may be: one new object for a body of up to ``COPY_BYTES``; of a longer one
    what follows the edits is not copied. Declines a model name that JSON would escape, a body without a brace and a
    span that lies before the brace or leaves the body.
    """
    cut = 0
    if inserted:
        try:
            cut = jsonspan.open_brace(body)
        except ValueError:
            return None
    elif model_span is None:
        return (body,)
    name = b""
    start = end = cut
    if model_span is not None:
        start, end = model_span
        if not cut <= start <= end <= len(body) or not _PLAIN_NAME.fullmatch(model):
            return None
        name = b'"' + model.encode() + b'"'
    if len(body) <= COPY_BYTES:
        return (b"".join((body[:cut], inserted, body[cut:start], name, body[end:])),)
    view = memoryview(body)
    if end <= COPY_BYTES:
        return (b"".join((body[:cut], inserted, body[cut:start], name)), view[end:])
    parts = (body[:cut] + inserted, view[cut:start], name, view[end:])
    return tuple(part for part in parts if part)


def scan_answer(body: bytes) -> Counts | None:
    """The fields of ``domain.Usage``, in its order, of a whole answer that has choices.

    Accepted is usage in OpenAI's own words: the three counts and the details, each once, parts within their wholes.
    An ``error`` beside choices is not looked at: such a body is an answer.
    """
    try:
        choices, usage = jsonspan.spans(body, _ANSWER_KEYS)
        if choices is None or usage is None or body[choices[0]] != ord("[") or body[usage[0]] != ord("{"):
            return None
    except ValueError:
        return None
    if body[choices[0] + 1 : choices[1] - 1].strip(b" \t\r\n") == b"":
        return None
    return _counts(body[usage[0] + 1 : usage[1] - 1])


def _counts(text: bytes) -> Counts | None:
    members = _members(text, (*_TOTALS, *_DETAILS))
    if members is None or not _OTHERS.isdisjoint(members) or not all(name in members for name in _TOTALS):
        return None
    totals = _read(members, _TOTALS)
    inputs, outputs = (_details(members.get(name, b"null"), names) for name, names in _DETAILS.items())
    if totals is None or inputs is None or outputs is None:
        return None
    prompt, completion, total = totals
    cached, written, audio_in = inputs
    reasoning, audio_out = outputs
    if total != prompt + completion or cached + written > prompt or audio_in > prompt:
        return None
    if reasoning > completion or audio_out > completion:
        return None
    return (prompt, cached, written, 0, completion, reasoning, audio_in, audio_out, True)


def _details(raw: bytes, names: tuple[bytes, ...]) -> list[int] | None:
    """The counts called ``names`` of an object, or of null, which says none of them."""
    if raw == b"null":
        return [0] * len(names)
    members = _members(raw[1:-1], names) if raw.startswith(b"{") else None
    return None if members is None else _read(members, names)


def _members(text: bytes, names: tuple[bytes, ...]) -> dict[bytes, bytes] | None:
    """Name and value of each member between two braces; None if one is not plain or one of ``names`` occurs twice.

    The walk has seen to the separators: there is no comma too many or too few.
    """
    found: dict[bytes, bytes] = {}
    at = 0
    while text[at:].strip(b" \t\r\n"):
        match = _MEMBER.match(text, at)
        if match is None or (match[1] in found and match[1] in names):
            return None
        found[match[1]] = match[2]
        at = match.end()
    return found


def _read(members: dict[bytes, bytes], names: tuple[bytes, ...]) -> list[int] | None:
    """The counts called ``names``, 0 where absent; None if one is no plain count."""
    raw = [members.get(name, b"0") for name in names]
    return [int(value) for value in raw] if all(_COUNT.fullmatch(value) for value in raw) else None
