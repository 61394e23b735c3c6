"""A request's fields in its client's own words, for notes, and what only its own dialect can carry (§11.1, §11.11)."""

from __future__ import annotations

from typing import Final

from omniroute.translate.canonical import ChatRequest
from omniroute.translate.notes import Notes, Unsupported

# The hub's name of a parameter to the client's; where they agree there is no entry.
_PLACES: Final = {
    "gemini": {
        "top_k": "generationConfig.topK",
        "top_p": "generationConfig.topP",
        "temperature": "generationConfig.temperature",
        "seed": "generationConfig.seed",
        "presence_penalty": "generationConfig.presencePenalty",
        "frequency_penalty": "generationConfig.frequencyPenalty",
        "logprobs": "generationConfig.responseLogprobs",
        "top_logprobs": "generationConfig.logprobs",
        "metadata": "labels",
    },
    "ollama": {
        "top_k": "options.top_k",
        "top_p": "options.top_p",
        "temperature": "options.temperature",
        "seed": "options.seed",
        "presence_penalty": "options.presence_penalty",
        "frequency_penalty": "options.frequency_penalty",
    },
    "anthropic": {"user": "metadata.user_id"},
}
_STATE: Final = frozenset({"cachedContent", "container"})
"""Members that name something the vendor keeps: what stands in it would be lost without them."""


def field_of(request: ChatRequest, name: str) -> str:
    """Where the client wrote the parameter the hub calls ``name``."""
    return _PLACES.get(request.origin, {}).get(name, name)


def note_foreign(request: ChatRequest, target: str, notes: Notes) -> None:
    """Note the members that ``target`` cannot be told of. Raises Unsupported for one that stands for content."""
    if request.origin == target:
        return
    for name, _ in request.ext:
        if name in _STATE:
            raise Unsupported(f"'{name}' is kept by a provider of another kind than the chosen model's.", param=name)
        notes.add(name, "dropped", f"{target} has no such member", info=True)
