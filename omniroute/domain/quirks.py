"""How an upstream (or one of its models) deviates from what its dialect says: what a translation must know of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec


class Quirks(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Capabilities of a target. The defaults are what an unknown server of the dialect most probably does."""

    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What a Chat upstream calls the limit: OpenAI and Azure the new name, everybody else the old one."""
    developer_role: bool = False
    """A Chat upstream takes role ``developer``; otherwise it is written as ``system``."""
    chat_top_k: bool = False
    chat_cache_control: bool = False
    """A Chat upstream takes ``cache_control`` on parts."""
    reasoning_details: bool = False
    """A Chat upstream takes ``reasoning_details`` of earlier turns back (OpenRouter)."""
    reasoning_echo: Literal["", "optional", "required"] = ""
    """Whether a Chat upstream wants ``reasoning_content`` of earlier turns back: "" ignores it, so it is left out."""
    plain_messages: bool = False
    """A Chat upstream refuses what others add to messages (``reasoning_content`` and its like)."""
    mistral: bool = False
    """Mistral's Chat: ids of 9 letters or digits, ``any``, part arrays, ``random_seed``, no ``stream_options``."""
    merge_choices: bool = False
    """A Chat upstream spreads one answer's text and calls over several choices (GitHub Copilot)."""
    think_tags: bool = False
    """The model writes its reasoning as ``<think>`` at the start of the content."""
    default_max_tokens: int = 4096
    """Where the target requires a limit and the client gave none."""
    anthropic_mid_system: bool = False
    """Role ``system`` is accepted inside ``messages``."""
    anthropic_thinking: Literal["adaptive", "budget"] = "budget"
    anthropic_sampling: bool = True
    """``temperature``, ``top_p`` and ``top_k`` are accepted."""
    anthropic_prefill: bool = True
    """The last message may be the assistant's."""
    anthropic_threads: bool = False
    """The service keeps message threads (beta), so ``thread`` may be passed on to it."""
    effort_budgets: tuple[int, int, int] = (1024, 10240, 131072)
    """Thinking tokens for effort low, medium, high."""
    gemini_thinking: Literal["level", "budget"] = "budget"
    gemini_schema: Literal["json", "openapi"] = "json"
    gemini_signatures: Literal["required", "optional"] = "optional"
    gemini_function_response_parts: bool = False
    ollama_think_levels: bool = False
    responses_reasoning: bool = False
    """A Responses model that reasons: encrypted reasoning may be asked for."""
    responses_store: bool = False
    """A Responses upstream keeps responses itself, so ``previous_response_id`` may be passed on to it."""


PRESETS: Final[Mapping[str, Quirks]] = MappingProxyType(
    {
        "openai": Quirks(
            max_tokens_field="max_completion_tokens", developer_role=True, plain_messages=True, responses_store=True
        ),
        "azure": Quirks(
            max_tokens_field="max_completion_tokens", developer_role=True, plain_messages=True, responses_store=True
        ),
        "anthropic": Quirks(anthropic_threads=True),
        "openrouter": Quirks(reasoning_details=True, chat_cache_control=True, chat_top_k=True),
        "deepseek": Quirks(reasoning_echo="optional"),
        "groq": Quirks(plain_messages=True),
        "cerebras": Quirks(plain_messages=True),
        "mistral": Quirks(mistral=True),
        "github-copilot": Quirks(merge_choices=True),
    }
)
"""By provider id, until a connection says otherwise (translation.md §10)."""


def quirks_of(provider: str, given: Mapping[str, object]) -> Quirks:
    """The preset of ``provider`` with what is ``given`` in its place. Raises ``msgspec.ValidationError``."""
    preset = PRESETS.get(provider, Quirks())
    return msgspec.convert({**msgspec.structs.asdict(preset), **given}, Quirks)


def own_quirks(provider: str, quirks: Quirks) -> dict[str, object]:
    """What ``quirks`` says differently from the preset of ``provider``: ``quirks_of`` gives them back."""
    preset = msgspec.structs.asdict(PRESETS.get(provider, Quirks()))
    return {name: value for name, value in msgspec.structs.asdict(quirks).items() if value != preset[name]}
