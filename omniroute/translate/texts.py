"""What of a request is to be counted where no upstream counts it: its texts, and tokens for what is not text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from omniroute.translate.canonical import (
    Audio,
    Block,
    ChatRequest,
    Document,
    Image,
    Inline,
    Opaque,
    Reasoning,
    Refusal,
    ServerTool,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

TURN_TOKENS: Final = 4
"""Role and separators of a message, as OpenAI documents for its chat format."""
IMAGE_TOKENS: Final = 765
"""A picture of 1024 x 1024 at high detail (OpenAI's guide to vision); its size is not looked at."""
FILE_BYTES_PER_TOKEN: Final = 60
"""A PDF of mostly text, about: 3 KB of file hold 50 tokens."""
AUDIO_BYTES_PER_TOKEN: Final = 3200
"""16-bit mono sound at 16 kHz, ten tokens a second."""


def texts_of(request: ChatRequest) -> tuple[list[str], int]:
    """Every text a model is shown, and the tokens of everything else (messages' frames, pictures, files)."""
    texts = [text.text for text in request.system]
    more = TURN_TOKENS * (len(request.turns) + bool(request.system))
    for turn in request.turns:
        for block in turn.blocks:
            found, tokens = _of_block(block)
            texts += found
            more += tokens
    for tool in request.tools:
        texts += _of_tool(tool)
        more += TURN_TOKENS
    if request.format is not None and request.format.schema:
        texts.append(request.format.schema.decode("utf-8", "replace"))
    return [text for text in texts if text], more


def _of_tool(tool: Tool | ServerTool) -> Iterator[str]:
    if isinstance(tool, ServerTool):
        yield tool.raw.decode("utf-8", "replace")
        return
    yield tool.name
    yield tool.description
    yield (tool.schema or tool.format).decode("utf-8", "replace")


def _of_block(block: Block) -> tuple[list[str], int]:
    texts: list[str] = []
    tokens = 0
    match block:
        case Text() | Refusal() | Reasoning():
            texts = [block.text]
        case ToolCall():
            texts, tokens = [block.name, block.arguments], TURN_TOKENS
        case Image():
            tokens = IMAGE_TOKENS
        case Audio():
            tokens = _size(block.source) // AUDIO_BYTES_PER_TOKEN
        case Document():
            inner, tokens = _of_blocks(block.blocks)
            texts = [block.title, block.context, block.text, *inner]
            tokens += _size(block.source) // FILE_BYTES_PER_TOKEN
        case ToolResult():
            texts, tokens = _of_blocks(block.blocks)
            tokens += TURN_TOKENS
        case Opaque():
            texts = [block.raw.decode("utf-8", "replace")]
    return texts, tokens


def _of_blocks(blocks: tuple[Block, ...]) -> tuple[list[str], int]:
    """Blocks inside a block: a few, and no deeper than a dialect nests them."""
    texts: list[str] = []
    tokens = 0
    for block in blocks:
        found, more = _of_block(block)
        texts += found
        tokens += more
    return texts, tokens


def _size(source: object) -> int:
    """Bytes of what is there in base64; of what only a URL names, nothing is known."""
    return len(source.data) * 3 // 4 if isinstance(source, Inline) else 0
