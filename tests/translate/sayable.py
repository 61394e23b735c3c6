"""Values of the hub that a dialect can say whole: what it writes of them, it reads as the same."""

from __future__ import annotations

from itertools import groupby
from typing import Final

import msgspec
from hypothesis import strategies as st

from omniroute.domain import Usage
from omniroute.translate.canonical import (
    Block,
    Candidate,
    ChatRequest,
    ChatResponse,
    Finish,
    FinishClass,
    Image,
    Inline,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from omniroute.translate.conversation import merged, without_empty
from omniroute.translate.jsontext import RAW_ARGUMENTS

DIALECTS: Final = ("openai_chat", "openai_responses", "anthropic", "gemini", "ollama")
ORDERED: Final = frozenset({"openai_responses", "anthropic", "gemini"})
"""An answer is a list of blocks; elsewhere it is one thought, one text and then calls."""

# Any character but a half of a pair; those that JSON escapes, and those that end lines in some readers, more often.
_chars = st.one_of(
    st.sampled_from('"\\/\n\r\t\0\u2028\x85 é😀<>&{}[]'), st.characters(exclude_categories=["Cs"], max_codepoint=0x2FF)
)
words = st.text(_chars, min_size=1, max_size=12).filter(lambda text: bool(text.strip()) and "<" not in text)
names = st.from_regex(r"[a-z_][a-zA-Z0-9_]{0,12}", fullmatch=True).filter(lambda name: name != RAW_ARGUMENTS)
numbers = st.sampled_from(["0", "-1", "1.50", "1E2", "12345678901234567890123", "0.10", "1e400"])
literals = st.one_of(
    numbers, words.map(lambda text: msgspec.json.encode(text).decode()), st.sampled_from(["null", "[]"])
)
arguments = st.dictionaries(names, literals, max_size=3).map(
    lambda members: "{" + ",".join(f'"{name}":{raw}' for name, raw in members.items()) + "}"
)
"""JSON objects without white space: as dialects write them whose arguments are objects."""
base64 = st.sampled_from(["U0lH", "QUJD", "c2lnbmF0dXJl"])
pictures = st.builds(Image, source=st.builds(Inline, media_type=st.just("image/png"), data=st.just("iVBORw0KGgo=")))
temperatures = st.sampled_from([b"0", b"0.10", b"1.0", b"1"])


def calls(dialect: str) -> st.SearchStrategy[ToolCall]:
    """Calls; the ids of a turn are made different by whoever draws several."""
    ids = {"anthropic": "toolu", "gemini": "call", "ollama": "call"}.get(dialect, "call")
    return st.builds(
        ToolCall,
        call_id=st.integers(0, 10**6).map(lambda number: f"{ids}_{number}"),
        name=names,
        arguments=arguments,
    )


def thoughts(dialect: str) -> st.SearchStrategy[Reasoning]:
    """Reasoning as the dialect's own vendor gives it."""
    match dialect:
        case "anthropic":
            return st.builds(Reasoning, text=words, signature=base64, origin=st.just("anthropic"))
        case "openai_responses":
            return st.builds(
                Reasoning,
                text=words,
                data=base64,
                origin=st.just(dialect),
                item_id=st.just("rs_1"),
                summary=st.just(True),
            )
        case _:
            return st.builds(Reasoning, text=words)


@st.composite
def said(draw: st.DrawFn, dialect: str) -> tuple[Block, ...]:
    """What a model says in one answer."""
    texts = st.builds(Text, text=words)
    found: list[Block] = []
    if dialect in ORDERED:
        kinds = st.one_of(texts, thoughts(dialect), calls(dialect))
        for _, run in groupby(draw(st.lists(kinds, min_size=1, max_size=5)), type):
            # Neighbours of one kind may be one to the dialect; calls are always several.
            listed = list(run)
            found += listed if isinstance(listed[0], ToolCall) else listed[:1]
    else:
        found += draw(st.lists(thoughts(dialect), max_size=1))
        found += draw(st.lists(texts, max_size=1))
        found += draw(st.lists(calls(dialect), min_size=0 if found else 1, max_size=3))
    return _different(found)


def _different(blocks: list[Block]) -> tuple[Block, ...]:
    """``blocks`` with an id of its own for each call."""
    return tuple(
        msgspec.structs.replace(block, call_id=f"{block.call_id}{place}") if isinstance(block, ToolCall) else block
        for place, block in enumerate(blocks)
    )


_FINISHES: Final[dict[str, tuple[FinishClass, ...]]] = {
    "anthropic": ("stop", "length", "pause", "context_window"),
    "openai_chat": ("stop", "length", "filter"),
    "gemini": ("stop", "length", "filter"),
    "openai_responses": ("stop", "length"),
    "ollama": ("stop", "length"),
}


@st.composite
def answers(draw: st.DrawFn, dialect: str) -> ChatResponse:
    """Whole answers."""
    blocks = draw(said(dialect))
    called = any(isinstance(block, ToolCall) for block in blocks)
    reason: FinishClass = "tool" if called else draw(st.sampled_from(_FINISHES[dialect]))
    reading, output = draw(st.integers(1, 10**6)), draw(st.integers(1, 10**6))
    cached = 0 if dialect == "ollama" else draw(st.integers(0, reading))
    return ChatResponse(
        id=draw(st.sampled_from(["msg_1", "resp_1", "chatcmpl-1"])),
        model="m-1",
        candidates=(Candidate(blocks=blocks, finish=Finish(reason=reason)),),
        usage=Usage(input_total=reading, cache_read=cached, output_total=output, known=True),
    )


@st.composite
def requests(draw: st.DrawFn, dialect: str) -> ChatRequest:
    """Requests: a conversation in which every call is answered, tools, settings."""
    turns: list[Turn] = []
    for _ in range(draw(st.integers(0, 2))):
        turns.append(_heard(draw, ()))
        blocks = tuple(block for block in draw(said(dialect)) if _goes_back(block, dialect))
        turns.append(Turn(role="assistant", blocks=blocks or (Text(text="so"),)))
        results = tuple(
            ToolResult(call_id=block.call_id, name=block.name, blocks=(Text(text=draw(words)),))
            for block in blocks
            if isinstance(block, ToolCall)
        )
        if results:
            turns.append(Turn(role="user", blocks=results))
            turns.append(Turn(role="assistant", blocks=(Text(text=draw(words)),)))
    turns.append(_heard(draw, draw(st.lists(pictures, max_size=1))))
    tools = draw(st.lists(_tools(), max_size=2, unique_by=lambda tool: tool.name))
    modes = st.sampled_from(["auto", "none", "required"])
    return ChatRequest(
        origin=dialect,
        model="m",
        system=tuple(draw(st.lists(st.builds(Text, text=words), max_size=1))),
        turns=tuple(turns),
        tools=tuple(tools),
        tool_choice=draw(st.none() | st.builds(ToolChoice, mode=modes)) if tools and dialect != "ollama" else None,
        max_output=draw(st.integers(1, 4096)),
        temperature=draw(st.none() | temperatures),
        top_p=draw(st.none() | temperatures),
        stop=() if dialect == "openai_responses" else tuple(draw(st.lists(words, max_size=2, unique=True))),
        stream=draw(st.booleans()),
    )


def _heard(draw: st.DrawFn, more: list[Image] | tuple[()]) -> Turn:
    return Turn(role="user", blocks=(Text(text=draw(words)), *more))


def _tools() -> st.SearchStrategy[Tool]:
    schemas = arguments.map(lambda text: b'{"type":"object","properties":{},"x-more":%b}' % text.encode())
    return st.builds(Tool, name=names, description=words, schema=schemas)


def _goes_back(block: Block, dialect: str) -> bool:
    """Whether clients send such a block back, and the dialect's upstreams take it."""
    if isinstance(block, Reasoning):
        return dialect in ("anthropic", "openai_responses")
    return not isinstance(block, Refusal)


# -- what is compared --------------------------------------------------------------------------------------------------
def plain_answer(response: ChatResponse) -> object:
    """What an answer says, without where it stood and whose words it was in. An empty text says nothing."""
    return (
        [
            ([_plain(block) for block in one.blocks if block != Text(text="")], one.finish.reason if one.finish else "")
            for one in response.candidates
        ],
        response.model,
        (response.usage.input_total, response.usage.cache_read, response.usage.output_total),
    )


def plain_request(request: ChatRequest) -> object:
    """The same of a request: turns of one side are one, as most dialects have it."""
    return (
        [text.text for text in request.system],
        [(turn.role, [_plain(block) for block in turn.blocks]) for turn in merged(without_empty(request.turns))],
        [(tool.name, tool.description, tool.schema) for tool in request.tools if isinstance(tool, Tool)],
        request.tool_choice.mode if request.tool_choice else "",
        (request.model, request.max_output, request.temperature, request.top_p, request.stop, bool(request.stream)),
    )


def _plain(block: Block) -> object:
    match block:
        case Text() | Refusal():
            return (type(block).__name__, block.text)
        case Reasoning():
            return ("Reasoning", block.text, block.signature, block.data)
        case ToolCall():
            return ("ToolCall", block.call_id, block.name, block.arguments)
        case ToolResult():
            return ("ToolResult", block.call_id, [_plain(inner) for inner in block.blocks])
        case _:
            assert isinstance(block, Image)
            return ("Image", block.source)
