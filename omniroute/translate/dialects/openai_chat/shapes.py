"""Chunks that are one more piece of something: what vendors send, member for member (see ``_speedups.stream_py``).

Source: the recordings of OpenAI, Azure, DeepSeek, OpenRouter, Groq, Mistral, Perplexity, xAI, Z.ai, Alibaba and
Ollama's compatible endpoint; vLLM's and SGLang's protocol definitions.
"""

from __future__ import annotations

from typing import Final

from omniroute._speedups import ANY, CHOICE, EMPTY, INDEX, NULL, STASH, TEXT, Is

CONTENT: Final = 0
REASONING_CONTENT: Final = 1
REASONING: Final = 2
DETAIL_TEXT: Final = 3
DETAIL_SUMMARY: Final = 4
ARGUMENTS: Final = 5
REFUSAL: Final = 6
THOUGHT_PART: Final = 7
WITH_USAGE: Final = 8
"""Places in ``SHAPES``; the same with usage in the chunk are ``WITH_USAGE`` further on."""

Shape = dict[str, object]

_DELTA: Final[Shape] = {
    "role": ANY,
    "content": EMPTY,
    "reasoning_content": EMPTY,
    "reasoning": EMPTY,
    "reasoning_details": EMPTY,
    "refusal": EMPTY,
    "tool_calls": EMPTY,
    "function_call": EMPTY,
    "annotations": EMPTY,
    "images": EMPTY,
    "audio": EMPTY,
    "extra_content": EMPTY,
    "channel": ANY,  # Groq
}

_DETAIL: Final[Shape] = {"signature": EMPTY, "data": EMPTY, "format": ANY, "id": ANY, "index": INDEX}


def _chunk(**delta: object) -> Shape:
    choice: Shape = {
        "index": CHOICE,
        "delta": _DELTA | delta,
        "finish_reason": EMPTY,
        "native_finish_reason": ANY,  # OpenRouter
        "logprobs": NULL,
        "message": ANY,  # Perplexity: the text so far, beside the delta
        "content_filter_results": ANY,  # Azure
        "content_filter_offsets": ANY,
        "stop_reason": NULL,  # vLLM
        "matched_stop": NULL,  # SGLang
        "token_ids": NULL,
    }
    return {
        "id": ANY,
        "object": ANY,
        "created": ANY,
        "model": ANY,
        "choices": [choice],
        "usage": NULL,
        "system_fingerprint": ANY,
        "service_tier": ANY,
        "obfuscation": ANY,
        "provider": ANY,  # OpenRouter
        "p": ANY,  # Mistral's padding
        "citations": ANY,  # Perplexity
        "search_results": ANY,
        "prompt_token_ids": NULL,
        "error": NULL,
    }


def _detail(kind: bytes, member: str) -> list[object]:
    return [{"type": Is(kind), member: TEXT} | _DETAIL]


def _arguments() -> list[object]:
    function: Shape = {"name": EMPTY, "arguments": TEXT}
    return [{"index": INDEX, "id": EMPTY, "type": ANY, "function": function, "extra_content": EMPTY}]


def _thought_part() -> list[object]:
    """Mistral's reasoning."""
    return [{"type": Is(b"thinking"), "thinking": [{"type": Is(b"text"), "text": TEXT}], "closed": ANY}]


_PLAIN: Final = (
    _chunk(content=TEXT),
    _chunk(reasoning_content=TEXT),
    _chunk(reasoning=TEXT),
    _chunk(reasoning_details=_detail(b"reasoning.text", "text"), reasoning=ANY, reasoning_content=ANY),
    _chunk(reasoning_details=_detail(b"reasoning.summary", "summary"), reasoning=ANY, reasoning_content=ANY),
    _chunk(tool_calls=_arguments()),
    _chunk(refusal=TEXT),
    _chunk(content=_thought_part()),
)

SHAPES: Final[tuple[object, ...]] = (*_PLAIN, *(shape | {"usage": STASH} for shape in _PLAIN))
