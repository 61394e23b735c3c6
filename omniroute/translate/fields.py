"""What each client's dialect calls the parameters of a request: the path a note of loss names (translation.md §16)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from omniroute.errors import ClientError
from omniroute.translate.canonical import ChatRequest, Json
from omniroute.translate.notes import Unsupported

_CHAT: Final = {
    "presence": "presence_penalty", "frequency": "frequency_penalty", "choices": "n", "parallel": "parallel_tool_calls",
    "cache_key": "prompt_cache_key", "cache_retention": "prompt_cache_retention",
}  # fmt: skip
_GEMINI: Final = {
    "temperature": "temperature", "top_p": "topP", "top_k": "topK", "seed": "seed", "presence": "presencePenalty",
    "frequency": "frequencyPenalty", "logprobs": "responseLogprobs", "top_logprobs": "logprobs",
    "choices": "candidateCount",
}  # fmt: skip
_OLLAMA: Final = ("temperature", "top_p", "top_k", "seed")

_WORDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "openai_chat": _CHAT,
        "openai_completions": _CHAT,
        "anthropic": {"user": "metadata", "parallel": "tool_choice.disable_parallel_tool_use"},
        "gemini": {name: f"generationConfig.{word}" for name, word in _GEMINI.items()}
        | {"metadata": "labels", "service_tier": "serviceTier"},
        "openai_responses": _CHAT | {"verbosity": "text.verbosity", "logprobs": "include"},
        "ollama": {name: f"options.{name}" for name in _OLLAMA}
        | {"presence": "options.presence_penalty", "frequency": "options.frequency_penalty"},
    }
)

_STATE: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "openai_responses": frozenset({"previous_response_id", "conversation", "background", "prompt"}),
        "gemini": frozenset({"cachedContent"}),
        "anthropic": frozenset({"container"}),
    }
)
"""Members that name something the client's own vendor keeps (translation.md §11.11)."""

_CONVERSATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"gemini": "contents", "openai_responses": "input", "openai_completions": "prompt"}
)
"""Where the conversation is, if not in ``messages``."""

_MODALITIES: Final[Mapping[str, str]] = MappingProxyType({"gemini": "generationConfig.responseModalities"})
"""What the answer is to consist of; OpenAI Chat's reader refuses its own."""
_words: Final = msgspec.json.Decoder(list[str])

_NOTHING: Final = frozenset({b"null", b"false", b'""'})


def field(request: ChatRequest, name: str) -> str:
    """The path, in the client's own words, of what ``ChatRequest`` calls ``name``."""
    return _WORDS.get(request.origin, {}).get(name, name)


def says_nothing(request: ChatRequest) -> ClientError:
    """The error for a request of which no content is left to be answered."""
    at = _CONVERSATIONS.get(request.origin, "messages")
    return ClientError(
        f"The conversation in '{at}' is empty: send at least one message with content.",
        param=at,
        code="invalid_value",
    )


def refuse_state(request: ChatRequest) -> None:
    """Raise Unsupported if the request builds on something that only its own dialect's vendors keep or make."""
    names = _STATE.get(request.origin, frozenset())
    for name, raw in request.ext:
        if name == _MODALITIES.get(request.origin) and not _may_be_text(raw):
            raise Unsupported(
                f"'{name}' asks for an answer that is no text, which the chosen model's provider cannot give in this "
                "dialect. Leave it out, or choose one of its own provider's models.",
                param=name,
            )
        if name in names and bytes(raw) not in _NOTHING:
            raise Unsupported(
                f"'{name}' refers to something kept elsewhere, which the chosen model's provider does not have. "
                "Send the whole conversation instead.",
                param=name,
            )


def _may_be_text(modalities: Json) -> bool:
    """Whether text alone may answer: not where sound is asked for, or nothing but pictures."""
    asked = {word.upper() for word in _words.decode(modalities)}
    return not asked & {"AUDIO", "VIDEO"} and asked != {"IMAGE"}
