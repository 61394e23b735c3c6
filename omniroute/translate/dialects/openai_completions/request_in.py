"""Requests: a prompt becomes one message of the user; what only a completion model can do is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Raw

from omniroute.translate.canonical import ChatRequest, Json, Text, Turn
from omniroute.translate.dialect import Asked, Peeked
from omniroute.translate.notes import Unsupported
from omniroute.translate.openai_bodies import PARAMETER_WORDS
from omniroute.translate.peeking import choices_of, missing, model_name, spans_of, wrong
from omniroute.translate.reading import MAX_STOPS, bounded, count, integer, number, read_body

ORIGIN: Final = "openai_completions"
MAX_LOGPROBS: Final = 20
"""What Chat gives at most; the legacy API stops at 5."""
ECHO: Final = "echo"
"""``Peeked.variant``: the answer begins with the prompt."""

_NULL: Final = (b"", b"null")
_WORDS: Final[Mapping[str, str]] = MappingProxyType({**PARAMETER_WORDS, "turns": "prompt"})
_ONCE: Final = (b"model", b"prompt", b"stream", b"stream_options", b"n")
"""Members that may not be given twice: the one that is checked must be the one that is meant."""


class StreamOptions(msgspec.Struct, frozen=True):
    """``stream_options``."""

    include_usage: bool | None = None


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a completion. ``Raw`` where several forms are allowed, or a number is to keep its spelling."""

    model: str
    prompt: Raw = Raw(b"")
    suffix: str | None = None
    echo: bool | None = None
    best_of: int | None = None
    n: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Raw = Raw(b"")
    temperature: Raw = Raw(b"")
    top_p: Raw = Raw(b"")
    seed: Raw = Raw(b"")
    presence_penalty: Raw = Raw(b"")
    frequency_penalty: Raw = Raw(b"")
    logit_bias: Raw = Raw(b"")
    logprobs: int | None = None
    stop: str | list[str] | None = None
    user: str | None = None


_body: Final = msgspec.json.Decoder(Body)
_members: Final = msgspec.json.Decoder(dict[str, Raw])
_prompt_text: Final = msgspec.json.Decoder(str)
_prompt_list: Final = msgspec.json.Decoder(list[Raw])
_KNOWN: Final = frozenset(field.encode_name for field in msgspec.structs.fields(Body))


def peek(asked: Asked) -> Peeked:
    """Model, streaming and number of answers. Raises ClientError naming the field."""
    spans_of(asked.body, _ONCE, "'model' and 'prompt'")
    told = read_body(_body, asked.body)
    model = model_name(told.model)
    choices = choices_of(told.n, "n")
    options = told.stream_options
    include_usage = bool(told.stream and options is not None and options.include_usage)
    return Peeked(model, bool(told.stream), include_usage, choices, variant=ECHO if told.echo else "")


def read_request(asked: Asked, peeked: Peeked) -> ChatRequest:
    """The whole request. Raises ClientError naming the field, Unsupported for what a chat model cannot do."""
    told = read_body(_body, asked.body)
    _refuse(told, peeked)
    prompt = _prompt(bytes(told.prompt))
    limit = integer(told.max_tokens, "max_tokens", low=1, high=2**31 - 1)
    logprobs = told.logprobs
    if logprobs is not None and not 0 <= logprobs <= MAX_LOGPROBS:
        raise wrong("logprobs", f"must be a whole number from 0 to {MAX_LOGPROBS}")
    return ChatRequest(
        origin=ORIGIN,
        words=_WORDS,
        model=peeked.model,
        turns=(Turn(role="user", blocks=(Text(text=prompt, at="prompt"),), at="prompt"),),
        max_output=None if limit is None else int(limit),
        temperature=number(told.temperature, "temperature"),
        top_p=number(told.top_p, "top_p"),
        seed=integer(told.seed, "seed"),
        presence=number(told.presence_penalty, "presence_penalty"),
        frequency=number(told.frequency_penalty, "frequency_penalty"),
        logit_bias=_logit_bias(bytes(told.logit_bias)),
        stop=(told.stop,) if isinstance(told.stop, str) else bounded(told.stop, "stop", MAX_STOPS),
        logprobs=None if logprobs is None else True,
        top_logprobs=logprobs or None,
        choices=told.n,
        user=told.user or "",
        stream=peeked.stream,
        include_usage=peeked.include_usage,
        ext=_rest(asked.body),
    )


def _prompt(raw: Json) -> str:
    """The text to go on with: a string, or a list of one string."""
    if raw in _NULL:
        raise missing("prompt", "give the text to go on with")
    if raw.startswith(b"["):
        listed = read_body(_prompt_list, raw, "prompt")
        if len(listed) != 1 or not bytes(listed[0]).startswith(b'"'):
            raise Unsupported(
                "'prompt' must be one text: a list of several prompts, or of tokens, needs a completion model. "
                "Send one request for each prompt.",
                param="prompt",
            )
        raw = bytes(listed[0])
    text = read_body(_prompt_text, raw, "prompt")
    if not text:
        raise wrong("prompt", "must not be empty")
    return text


def _refuse(told: Body, peeked: Peeked) -> None:
    """What no chat model can do."""
    if told.suffix:
        raise Unsupported("'suffix' (filling a gap) needs a completion model: leave it out.", param="suffix")
    if told.echo and told.logprobs is not None:
        raise Unsupported(
            "'echo' with 'logprobs' asks for the probabilities of the prompt, which chat models do not tell.",
            param="echo",
        )
    if (count(told.best_of, "best_of", low=1) or 1) > peeked.choices:
        raise Unsupported(
            "'best_of' larger than 'n' needs a completion model: ask for the answers with 'n' and choose.",
            param="best_of",
        )


def _logit_bias(raw: Json) -> Json | None:
    if raw in _NULL:
        return None
    if not raw.startswith(b"{"):
        raise wrong("logit_bias", "must be an object")
    return raw


def _rest(body: bytes) -> tuple[tuple[str, Json], ...]:
    found = read_body(_members, body)
    return tuple((name, bytes(raw)) for name, raw in found.items() if name not in _KNOWN and bytes(raw) != b"null")
