"""What is said of a request's parameters: in the client's own words, and refused where they need another's memory."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute.errors import ClientError
from omniroute.translate.canonical import ChatRequest, Json, Opaque
from omniroute.translate.notes import Unsupported, UnsupportedContent

_words: Final = msgspec.json.Decoder(list[str])

_NOTHING: Final = frozenset({b"null", b"false", b'""'})


def field(request: ChatRequest, name: str) -> str:
    """The path, in the client's own words, of what ``ChatRequest`` calls ``name`` (translation.md §16)."""
    return request.words.get(name, name)


def says_nothing(request: ChatRequest) -> ClientError:
    """The error for a request of which no content is left to be answered."""
    at = request.words.get("turns", "messages")
    return ClientError(
        f"The conversation in '{at}' is empty: send at least one message with content.",
        param=at,
        code="invalid_value",
    )


def refuse_foreign(request: ChatRequest) -> None:
    """Raise Unsupported for what only the client's vendor keeps (translation.md §11.11), makes or can read."""
    for name, raw in request.ext:
        if name == request.modalities_at and not _may_be_text(raw):
            raise Unsupported(
                f"'{name}' asks for an answer that is no text, which the chosen model's provider cannot give in this "
                "dialect. Leave it out, or choose one of its own provider's models.",
                param=name,
            )
        if name in request.elsewhere and bytes(raw) not in _NOTHING:
            raise Unsupported(
                f"'{name}' refers to something kept elsewhere, which the chosen model's provider does not have. "
                "Send the whole conversation instead.",
                param=name,
            )
    for turn in request.turns:
        for block in turn.blocks:
            if isinstance(block, Opaque) and block.asked:
                raise UnsupportedContent(
                    f"'{block.at}' is a part of type '{block.kind[:64]}', which only its own vendor can read.",
                    param=block.at,
                )


def _may_be_text(modalities: Json) -> bool:
    """Whether text alone may answer: not where sound is asked for, or nothing but pictures."""
    asked = {word.upper() for word in _words.decode(modalities)}
    return not asked & {"AUDIO", "VIDEO"} and asked != {"IMAGE"}
