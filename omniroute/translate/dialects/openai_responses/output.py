"""Items of an answer, made from blocks: ids, carriers for foreign signatures, custom calls turned back (§12.1, §15)."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, Raw

from omniroute.translate import carriers
from omniroute.translate.canonical import Citation, Reasoning, Tool
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.openai_responses.schema import (
    CustomCallItem,
    FunctionCallItem,
    ImageItem,
    ReasoningItem,
    ReasoningText,
    Status,
    SummaryText,
    UrlCitation,
)
from omniroute.translate.jsontext import literal, quoted

NAME: Final = "openai_responses"
EMPTY: Final = Raw(b'""')
MAX_ID: Final = 256
"""Of an item; the vendor's own have some sixty characters, some relays' far more."""

_PREFIXES: Final = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "image_generation_call": "ig",
}


class _Wrapped(msgspec.Struct, frozen=True):
    """Arguments of a custom tool that the upstream only knows as a function with one text."""

    input: str


_wrapped: Final = msgspec.json.Decoder(_Wrapped)


class Namer:
    """Ids and names of the items of one answer, in the client's words."""

    __slots__ = ("_calls", "_context", "_custom", "_used")

    def __init__(self, context: AnswerContext) -> None:
        self._context = context
        self._calls = 0
        self._used: set[str] = set()
        request = context.request
        tools = request.tools if request is not None else ()
        self._custom = frozenset(tool.name for tool in tools if isinstance(tool, Tool) and tool.custom)

    def item_id(self, kind: str, output_index: int, upstream_id: str = "") -> str:
        """The upstream's id of an item if it looks like one of this dialect, else one made of the attempt."""
        prefix = _PREFIXES[kind]
        fits = upstream_id.startswith(f"{prefix}_") and upstream_id.isascii() and upstream_id.isprintable()
        if fits and len(upstream_id) <= MAX_ID and upstream_id not in self._used:
            self._used.add(upstream_id)
            return upstream_id
        return f"{prefix}_{self._context.attempt_id}_{output_index}"

    def call_id(self, upstream_id: str) -> str:
        """The client's id of a call: its own if it had been renamed, the upstream's, or a new one."""
        self._calls += 1
        call_id = self._context.call_ids.get(upstream_id, upstream_id)
        if not call_id or call_id in self._used:
            call_id = f"call_{self._context.attempt_id}_{self._calls - 1}"
        self._used.add(call_id)
        return call_id

    def tool_name(self, name: str) -> str:
        """The client's name of a tool."""
        return self._context.names.get(name, name)

    def is_custom(self, name: str) -> bool:
        """Whether the client declared the tool (its own name) to take free text."""
        return name in self._custom


def unwrapped(arguments: str) -> str:
    """The free text in the arguments of an emulated custom call; the arguments themselves if there is none in them."""
    try:
        return _wrapped.decode(arguments).input
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return arguments


def encrypted_of(signature: str, data: str, origin: str) -> str:
    """``encrypted_content`` for what a vendor wants back: its own as it is, another's in a carrier; "" for nothing."""
    if origin == NAME or not origin:
        return data if origin else ""
    if signature:
        return carriers.wrap(carriers.Carried(origin, signature))
    return carriers.wrap(carriers.Carried(origin, data, redacted=True)) if data else ""


def reasoning_item(item_id: str, text: bytes, *, raw: bool, encrypted: str) -> ReasoningItem:
    """A reasoning item of escaped ``text``, maybe empty. ``raw``: the thought itself rather than a summary."""
    return ReasoningItem(
        id=item_id,
        summary=(SummaryText(quoted(text)),) if text and not raw else (),
        content=(ReasoningText(quoted(text)),) if text and raw else UNSET,
        encrypted_content=encrypted or UNSET,
    )


def is_raw(block: Reasoning) -> bool:
    """Whether the text is a thought that this dialect itself told in full; everybody else's is shown as a summary."""
    return block.origin == NAME and not block.summary


def call_item(
    item_id: str, call_id: str, name: str, arguments: Raw, *, custom: bool, status: Status
) -> FunctionCallItem | CustomCallItem:
    """A call of a tool."""
    if custom:
        return CustomCallItem(item_id, call_id, name, arguments)
    return FunctionCallItem(item_id, call_id, name, arguments, status)


def image_item(item_id: str, data: str) -> ImageItem:
    """A picture the model made."""
    return ImageItem(item_id, "completed", data)


def annotation_of(citation: Citation) -> Raw | None:
    """A source in the vendor's words; None for one that only another vendor can read."""
    if citation.origin == NAME and citation.raw:
        return Raw(citation.raw)
    if not citation.url:
        return None
    # The type demands both ends: where nobody said, the span is empty rather than invented.
    start = citation.start or 0
    return Raw(msgspec.json.encode(UrlCitation(citation.url, citation.title, start, max(citation.end or 0, start))))


def text_literal(text: str) -> Raw:
    """``text`` as a member's value."""
    return Raw(literal(text))
