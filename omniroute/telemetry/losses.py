"""How often which fields were lost between which dialects, for the metrics page (translation.md §16).

Control counts them as records reach the ledger: label values are open-ended there, a worker's statistics cells are not.
Names of fields are a client's to make up, so only words of the vendors' are told apart, and label sets are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from omniroute.domain import AttemptRecord
from omniroute.telemetry.exposition import Reading

MAX_SERIES: Final = 1024
"""Label sets told apart; what comes after is of field ``other``. Three client and three upstream dialects in use make
about two hundred."""
OTHER: Final = "other"

ACTIONS: Final = frozenset({"dropped", "approximated", "emulated", "synthesised"})
WORDS: Final = frozenset(
    {
        "audio", "background", "cache_control", "cachedContent", "candidateCount", "code_execution", "container",
        "content", "contents", "context", "context_management", "conversation", "finish_reason", "format",
        "frequencyPenalty", "frequency_penalty", "function_call", "functions", "generationConfig", "guided_json",
        "images", "include", "input", "instructions", "keep_alive", "labels", "logit_bias", "logprobs",
        "maxOutputTokens", "max_completion_tokens", "max_output_tokens", "max_tokens", "max_tool_calls",
        "mcp_servers", "messages", "metadata", "min_p", "modalities", "n", "name", "num_ctx", "num_predict", "options",
        "output", "parallel_tool_calls", "parts", "penalty", "prediction", "presencePenalty", "presence_penalty",
        "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_retention", "raw", "reasoning",
        "reasoning_content", "reasoning_details", "reasoning_effort", "repeat_penalty", "repetition_penalty",
        "responseLogprobs", "responseMimeType", "responseModalities", "responseSchema", "response_format",
        "safetySettings", "safety_identifier", "seed", "serviceTier", "service_tier", "signature", "speechConfig",
        "stop", "stopSequences", "stop_sequences", "store", "stream_options", "strict", "suffix", "summary",
        "system", "systemInstruction", "temperature", "template", "text", "think", "thinking", "thinkingConfig",
        "toolConfig", "tool_calls", "tool_choice", "tools", "topK", "topP", "top_k", "top_logprobs", "top_p",
        "truncation", "user", "verbosity", "web_search_options",
    }
)  # fmt: skip
"""Members of requests that a loss is counted by, whatever dialect they are of."""

_STEP: Final = re.compile(r"\[[^\]]*\]")


class Sink(Protocol):
    """Where records go on to (``storage.ledger.Ledger``)."""

    async def append(self, records: list[AttemptRecord]) -> int:
        """Store them in one transaction; how many were new. Raises, and then none of them is stored."""
        ...


class LossCounter:
    """A ``storage.drain.Ledger`` over another that counts the losses of what it passes on."""

    def __init__(self, ledger: Sink) -> None:
        self._ledger = ledger
        self._counts: dict[tuple[str, str, str, str], int] = {}

    async def append(self, records: list[AttemptRecord]) -> int:
        """Store them; counted when they are stored (again after a crash between the two steps of the drain)."""
        new = await self._ledger.append(records)
        if new:
            self._count(record for record in records if record.losses)
        return new

    def readings(self) -> Iterator[Reading]:
        """One per label set, in a steady order."""
        for (client, upstream, action, field), count in sorted(self._counts.items()):
            yield Reading(
                "translation_losses",
                "Fields that a translation could not carry as they were.",
                count,
                "counter",
                (("client", client), ("upstream", upstream), ("action", action), ("field", field)),
            )

    def _count(self, records: Iterable[AttemptRecord]) -> None:
        for record in records:
            for action, field in losses_of(record.losses):
                key = (record.client_dialect, record.dialect, action, field)
                if key not in self._counts and len(self._counts) >= MAX_SERIES:
                    key = (record.client_dialect, record.dialect, action, OTHER)
                self._counts[key] = self._counts.get(key, 0) + 1


def losses_of(told: str) -> Iterator[tuple[str, str]]:
    """The (action, field) pairs of a record's ``losses``: a field is one of ``WORDS``, or two with a point between."""
    for loss in told.split(";"):
        action, colon, path = loss.partition(":")
        if colon and action in ACTIONS:
            yield action, group(path)


def group(path: str) -> str:
    """What the loss of ``path`` is counted as."""
    first, *rest = _STEP.sub("", path).split(".")
    if first not in WORDS:
        return OTHER
    return f"{first}.{rest[0]}" if rest and rest[0] in WORDS else first
