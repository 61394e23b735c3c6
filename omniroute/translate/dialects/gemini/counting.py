"""Counting the tokens of a request: asked of an upstream, answered to a client."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute.domain import Quirks
from omniroute.translate.canonical import ChatRequest
from omniroute.translate.dialect import Counting, Outgoing
from omniroute.translate.dialects.gemini import peek
from omniroute.translate.dialects.gemini.request_out import written
from omniroute.translate.dialects.gemini.schema import CountTokensRequest, Wire
from omniroute.translate.naming import GEMINI_NAME, Renamer
from omniroute.translate.notes import Notes


class CountTokensResponse(Wire, frozen=True, kw_only=True):
    """The answer."""

    total_tokens: int


_answer: Final = msgspec.json.Decoder(CountTokensResponse)


def write_request(request: ChatRequest, quirks: Quirks, notes: Notes) -> Outgoing:
    """``request`` for countTokens, whole: instructions and tools count."""
    names = Renamer(GEMINI_NAME)
    inner = msgspec.structs.replace(written(request, quirks, notes, names), model=peek.resource(request.model))
    body = msgspec.json.encode(CountTokensRequest(generate_content_request=inner))
    return Outgoing(path=peek.count_path(request.model), body=(body,), names=names.restored)


def read_answer(body: bytes) -> int:
    """How many tokens the upstream counted. Raises ValueError if it does not say."""
    try:
        total = _answer.decode(body).total_tokens
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValueError("not an answer of countTokens") from error
    if total < 0:
        raise ValueError(f"{total} tokens")
    return total


def write_count(tokens: int, estimated: bool) -> bytes:
    """The answer to a client; Google's has no word for an estimate, so a header says it."""
    del estimated
    return msgspec.json.encode(CountTokensResponse(total_tokens=tokens))


COUNTING: Final = Counting(write_request=write_request, read_answer=read_answer)
