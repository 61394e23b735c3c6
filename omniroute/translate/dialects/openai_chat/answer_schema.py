"""Whole answers and their parts as they are written, in OpenAI's words, with the members other vendors have added."""

from __future__ import annotations

from typing import Literal

import msgspec

from omniroute.translate.canonical import Citation, Image, Inline, Json, Link
from omniroute.translate.dialects.openai_chat.details import Entry
from omniroute.translate.jsontext import literal
from omniroute.translate.media import data_url
from omniroute.translate.openai_bodies import UsageBody


class Function(msgspec.Struct, frozen=True):
    """The function of a call."""

    name: str
    arguments: msgspec.Raw


class Custom(msgspec.Struct, frozen=True):
    """The custom tool of a call."""

    name: str
    input: msgspec.Raw


class Google(msgspec.Struct, frozen=True):
    """What Gemini's own endpoint of this dialect adds."""

    thought_signature: str


class ExtraContent(msgspec.Struct, frozen=True):
    """Where it adds it."""

    google: Google


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of ``tool_calls``."""

    id: str
    type: Literal["function", "custom"]
    function: Function | None = None
    custom: Custom | None = None
    extra_content: ExtraContent | None = None


class UrlCitation(msgspec.Struct, frozen=True):
    """A source on the web, and the characters of the content it stands behind."""

    start_index: int
    end_index: int
    title: str
    url: str


class Annotation(msgspec.Struct, frozen=True):
    """One of ``annotations``."""

    url_citation: UrlCitation
    type: Literal["url_citation"] = "url_citation"


class Url(msgspec.Struct, frozen=True):
    """Where a picture is."""

    url: str


class ImagePart(msgspec.Struct, frozen=True):
    """A picture the model made, as OpenRouter sends it."""

    image_url: Url
    type: Literal["image_url"] = "image_url"


class Message(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The answer's message. What has a default is there only if there is something to say."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    tool_calls: tuple[Call, ...] = ()
    function_call: Function | None = None
    reasoning_content: str = ""
    reasoning_details: tuple[Entry, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    images: tuple[ImagePart, ...] = ()
    extra_content: ExtraContent | None = None


class Logprobs(msgspec.Struct, frozen=True):
    """Log probabilities of the content."""

    content: msgspec.Raw
    refusal: None = None


class Choice(msgspec.Struct, frozen=True):
    """One of ``choices``."""

    index: int
    message: Message
    finish_reason: str
    logprobs: Logprobs | None = None


class Completion(msgspec.Struct, frozen=True, omit_defaults=True):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: tuple[Choice, ...]
    usage: UsageBody | None = None
    service_tier: str = ""


def annotation(citation: Citation, start: int, end: int) -> Annotation | None:
    """A web source of the characters from ``start`` to ``end`` of the whole content; None for other kinds of source."""
    if not citation.url:
        return None
    if citation.start is not None and citation.end is not None:
        start, end = start + citation.start, start + citation.end
    return Annotation(UrlCitation(start, end, citation.title, citation.url))


def image_part(image: Image) -> ImagePart | None:
    """A picture; None for one that a vendor keeps: it cannot be shown."""
    match image.source:
        case Inline():
            return ImagePart(Url(data_url(image.source)))
        case Link():
            return ImagePart(Url(image.source.url))
        case _:
            return None


def signature_content(signature: str) -> ExtraContent:
    """Gemini's signature, in the place Google's own endpoint of this dialect has it."""
    return ExtraContent(Google(signature))


def text_literal(text: str) -> msgspec.Raw:
    """``text`` as a JSON string for a member that is written as it is."""
    return msgspec.Raw(literal(text))


def probabilities(content: Json) -> Logprobs:
    """Log probabilities, given the list of them."""
    return Logprobs(msgspec.Raw(content))
