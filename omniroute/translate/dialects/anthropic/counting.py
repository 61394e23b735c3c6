"""Answers to requests that only count: ``POST /v1/messages/count_tokens`` (translation.md §5.5)."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute.translate.dialects.anthropic.usage import MAX_TOKENS


class Counted(msgspec.Struct, frozen=True):
    """The count."""

    input_tokens: int


_decoder: Final = msgspec.json.Decoder(Counted)


def read_count(body: bytes) -> int:
    """An upstream's count. Raises ValueError."""
    try:
        tokens = _decoder.decode(body).input_tokens
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError("not a count of tokens") from error
    if not 0 <= tokens <= MAX_TOKENS:
        raise ValueError("not a count of tokens")
    return tokens


def write_count_answer(input_tokens: int, estimated: bool) -> bytes:
    """The count for a client. The dialect has no word for an estimate: the gateway's header says which it is."""
    del estimated
    return msgspec.json.encode(Counted(input_tokens))
