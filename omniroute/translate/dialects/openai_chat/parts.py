"""Parts of an answer's content that are no plain string: Mistral's lists, pictures, citations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from omniroute.errors import ClientError
from omniroute.translate.canonical import Citation, Image, Json
from omniroute.translate.media import read_url
from omniroute.translate.members import count, items, member, members, text, word

MAX_PARTS: Final = 4096
"""Of one message."""
MAX_CITATIONS: Final = 4096


class Piece(msgspec.Struct, frozen=True):
    """A piece of content. ``text`` is escaped."""

    text: bytes = b""
    thinking: bool = False
    image: Image | None = None


def text_pieces(content: Json) -> Iterator[Piece]:
    """The pieces of a message's or delta's ``content``: a string, or a list of parts. Empty ones are left out."""
    said = text(content)
    if said:
        yield Piece(said)
    for part in items(content, MAX_PARTS):
        kind, inner, thinking = members(part, (b"type", b"text", b"thinking"))
        match word(kind):
            case "text":
                said = text(inner)
                if said:
                    yield Piece(said)
            case "thinking":
                said = text(thinking) or b"".join(text(member(item, b"text")) for item in items(thinking, MAX_PARTS))
                if said:
                    yield Piece(said, thinking=True)
            case "image_url":
                image = read_image(part)
                if image is not None:
                    yield Piece(image=image)
            case _:
                pass  # Mistral's references and other parts nobody else has a form for


def read_image(part: Json) -> Image | None:
    """A picture the model made, as OpenRouter sends it; None if there is none to be found."""
    target = member(part, b"image_url")
    url = word(target) or word(member(target, b"url"))
    try:
        return Image(source=read_url(url, "image_url", default_type="image/png"))
    except ClientError:
        return None


def read_url_citations(notes: Json) -> Iterator[Citation]:
    """The web sources among a message's ``annotations``."""
    for note in items(notes, MAX_CITATIONS):
        url, title, start, end, cited = members(
            member(note, b"url_citation"), (b"url", b"title", b"start_index", b"end_index", b"content")
        )
        if word(url):
            yield Citation(url=word(url), title=word(title), start=count(start), end=count(end), cited_text=word(cited))
