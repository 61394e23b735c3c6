"""The hub: what any of the dialects can say in a request or an answer, in words of ours (translation.md §2).

Units and conventions. ``Json`` is JSON text as bytes, spelled as received: numbers, schemas and everything opaque
stay text from end to end, so no number changes. ``at`` is where in the client's request a node came from (for notes
and errors, ``messages[2].content[0]``); it takes no part in what a node says. ``origin`` is the dialect (``anthropic``,
``gemini``, ``openai_responses``, ``openai_chat``, ``ollama``) that alone can read a signature or an opaque value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from omniroute.domain import Usage

Json = bytes
"""JSON text of one value."""

Role = Literal["system", "user", "assistant"]
Effort = str
"""none, minimal, low, medium, high, xhigh, max; unknown ones pass through."""


class Cache(msgspec.Struct, frozen=True):
    """A cache mark: everything up to here. ``ttl`` is "5m", "1h" or "" for the default."""

    ttl: str = ""


class Citation(msgspec.Struct, frozen=True):
    """A source of a text. Web sources are neutral; others live in ``raw``, which only ``origin`` can read."""

    url: str = ""
    title: str = ""
    cited_text: str = ""
    start: int | None = None
    """Characters of the text it belongs to, where the dialect says; None if it does not."""
    end: int | None = None
    origin: str = ""
    raw: Json = b""


# -- where media come from ---------------------------------------------------------------------------------------
class Inline(msgspec.Struct, frozen=True, tag="inline"):
    """Bytes in base64, standard alphabet unless it came otherwise."""

    media_type: str
    data: str


class Link(msgspec.Struct, frozen=True, tag="link"):
    """A URL the vendor fetches (the gateway never does)."""

    url: str
    media_type: str = ""


class Held(msgspec.Struct, frozen=True, tag="held"):
    """A file the vendor ``origin`` holds."""

    file_id: str
    origin: str


Source = Inline | Link | Held


# -- blocks ------------------------------------------------------------------------------------------------------
class Text(msgspec.Struct, frozen=True, tag="text", kw_only=True):
    """Text of either side. ``role`` is used in ``ChatRequest.system`` only: ``system`` or ``developer``."""

    text: str
    cache: Cache | None = None
    citations: tuple[Citation, ...] = ()
    signature: str = ""
    """Gemini signs text parts."""
    phase: str = ""
    """Responses: commentary or final answer."""
    apart: bool = False
    """Of an answer: begins another message than the text before it (Responses); where all text is one string, a blank
    line sets it off."""
    role: str = "system"
    logprobs: Json = b""
    """Of an answer, in Chat's form: the list of ``content``."""
    at: str = ""


class Image(msgspec.Struct, frozen=True, tag="image", kw_only=True):
    """A picture."""

    source: Source
    detail: str = ""
    cache: Cache | None = None
    at: str = ""


class Audio(msgspec.Struct, frozen=True, tag="audio", kw_only=True):
    """Sound. ``format`` is Chat's word (wav, mp3); ``source.media_type`` everybody else's."""

    source: Source
    format: str = ""
    cache: Cache | None = None
    at: str = ""


class Document(msgspec.Struct, frozen=True, tag="document", kw_only=True):
    """A file to read: a PDF or plain text mostly."""

    source: Source | None = None
    text: str = ""
    """Instead of a source: a plain-text document."""
    blocks: tuple[Block, ...] = ()
    """Instead of a source: a document of content blocks (Anthropic)."""
    filename: str = ""
    title: str = ""
    context: str = ""
    citations: bool | None = None
    cache: Cache | None = None
    at: str = ""


class Reasoning(msgspec.Struct, frozen=True, tag="reasoning", kw_only=True):
    """Thinking. ``signature`` (or, redacted, ``data``) is readable for ``origin`` only and goes back byte for byte."""

    text: str = ""
    signature: str = ""
    data: str = ""
    """Encrypted content that stands beside or instead of the text: Anthropic's redacted thinking, Responses'
    ``encrypted_content``."""
    origin: str = ""
    item_id: str = ""
    summary: bool = False
    """The text is a summary, not the thought itself."""
    redacted: bool = False
    """There is no text at all, only ``data``."""
    at: str = ""


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call", kw_only=True):
    """The model asks for a tool. ``arguments`` is the model's own text: maybe empty, maybe no JSON."""

    call_id: str
    """"" if the dialect gave none (Gemini, Ollama): see ``pairing_of_results``."""
    name: str
    arguments: str
    custom: bool = False
    """A free-text call (Responses and Chat ``custom``)."""
    item_id: str = ""
    signature: str = ""
    """Gemini's ``thoughtSignature``."""
    cache: Cache | None = None
    legacy: bool = False
    """Chat's ``function_call``."""
    at: str = ""


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result", kw_only=True):
    """What the tool said. ``blocks`` holds Text, Image, Audio, Document or Opaque; one Text is a plain string."""

    call_id: str
    name: str = ""
    blocks: tuple[Block, ...] = ()
    is_error: bool = False
    custom: bool = False
    cache: Cache | None = None
    at: str = ""


class Refusal(msgspec.Struct, frozen=True, tag="refusal", kw_only=True):
    """The model says no."""

    text: str
    at: str = ""


class Opaque(msgspec.Struct, frozen=True, tag="opaque", kw_only=True):
    """A block only ``origin`` understands: server tool calls, their results, unknown kinds. Never shown to others."""

    origin: str
    raw: Json
    kind: str = ""
    """The vendor's own word for it."""
    asked: bool = False
    """A user asks with it: an answer without it would be one to another question, so it is never left out."""
    at: str = ""


Block = Text | Image | Audio | Document | Reasoning | ToolCall | ToolResult | Refusal | Opaque


# -- requests ----------------------------------------------------------------------------------------------------
class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One side's say. Tool results are blocks of a user turn; system turns stand in the middle of a conversation."""

    role: Role
    blocks: tuple[Block, ...]
    name: str = ""
    developer: bool = False
    """A system turn that was written with role ``developer``."""
    at: str = ""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool the client runs."""

    name: str
    description: str = ""
    schema: Json = b""
    """JSON Schema of the arguments; b"" if there was none."""
    strict: bool | None = None
    custom: bool = False
    format: Json = b""
    """Grammar of a custom tool's input."""
    cache: Cache | None = None
    ext: tuple[tuple[str, Json], ...] = ()
    """Members that only ``ext_origin`` knows (``input_examples``, ``defer_loading``, ``behavior`` ...)."""
    ext_origin: str = ""
    at: str = ""


class ServerTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool the vendor runs; ``kind`` is its word (``web_search_20250305``, ``googleSearch``)."""

    origin: str
    kind: str
    raw: Json
    at: str = ""


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Which tools may be called."""

    mode: Literal["auto", "none", "required", "named", "allowed", "validated"]
    names: tuple[str, ...] = ()
    """``named``: one. ``allowed``: those that may be called."""
    required: bool = False
    """``allowed``: one of them must be called."""
    custom: bool = False
    raw: Json = b""
    """A vendor's own choice (a hosted tool)."""
    at: str = "tool_choice"


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """How the answer's text is to look."""

    kind: Literal["text", "json_object", "json_schema"]
    name: str = ""
    description: str = ""
    schema: Json = b""
    strict: bool | None = None
    openapi: bool = False
    """``schema`` is Gemini's OpenAPI subset rather than JSON Schema."""
    at: str = "response_format"


class Thinking(msgspec.Struct, frozen=True, kw_only=True):
    """How much to reason, and whether to show it."""

    mode: Literal["off", "effort", "budget", "adaptive"]
    effort: Effort = ""
    """With ``effort`` and ``adaptive``."""
    budget: int = 0
    show: bool | None = None
    """The client wants to see it (a summary); None: it did not say."""
    summary: str = ""
    """Responses' own word: auto, concise, detailed."""
    at: str = "reasoning_effort"


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request for an answer. None and empty mean the client did not say."""

    origin: str
    """The client's dialect."""
    model: str
    system: tuple[Text, ...] = ()
    """Leading instructions, one Text per message or part."""
    turns: tuple[Turn, ...] = ()
    tools: tuple[Tool | ServerTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel: bool | None = None
    legacy_functions: bool = False
    """Chat's ``functions``: the answer uses ``function_call``."""
    max_output: int | None = None
    max_output_at: str = "max_tokens"
    temperature: Json | None = None
    top_p: Json | None = None
    top_k: Json | None = None
    seed: Json | None = None
    presence: Json | None = None
    frequency: Json | None = None
    logit_bias: Json | None = None
    stop: tuple[str, ...] = ()
    stop_at: str = "stop"
    logprobs: bool | None = None
    top_logprobs: int | None = None
    choices: int | None = None
    choices_at: str = "n"
    format: Format | None = None
    thinking: Thinking | None = None
    verbosity: str = ""
    user: str = ""
    metadata: Json | None = None
    service_tier: str = ""
    store: bool | None = None
    cache_key: str = ""
    cache_retention: str = ""
    stream: bool | None = None
    include_usage: bool = False
    ext: tuple[tuple[str, Json], ...] = ()
    """Top-level members that only ``origin`` knows, by their wire name (``container``, ``safetySettings``,
    ``prediction`` ...) and members of no dialect at all. Written only by ``origin``'s own dialect."""
    words: Mapping[str, str] = {}
    """What ``origin`` calls members of this Struct, for what is said of them; absent ones are called the same."""
    elsewhere: frozenset[str] = frozenset()
    """Members of ``ext`` that refer to something only ``origin``'s own vendors keep."""
    modalities_at: str = ""
    """The member of ``ext`` that lists what the answer is to consist of (``TEXT``, ``AUDIO``, ``IMAGE``)."""


# -- answers -----------------------------------------------------------------------------------------------------
FinishClass = Literal["stop", "stop_sequence", "length", "context_window", "tool", "filter", "pause", "error"]


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """Why it ended."""

    reason: FinishClass
    detail: str = ""
    """The stop sequence that matched; a filter's explanation."""
    category: str = ""
    raw: str = ""
    """The vendor's own word."""
    unknown: bool = False
    """``raw`` was in no table: taken as ``stop``, and reported."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One answer."""

    blocks: tuple[Block, ...]
    finish: Finish | None = None
    index: int = 0


class ChatResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer."""

    id: str
    model: str
    candidates: tuple[Candidate, ...]
    usage: Usage = Usage()
    created_epoch_s: int = 0
    service_tier: str = ""
    ext: tuple[tuple[str, Json], ...] = ()
    """Members that only ``origin`` knows."""
    origin: str = ""
