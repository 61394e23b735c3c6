"""Take credentials out of texts that vendors wrote. A masked word too many costs nothing, a leaked key does."""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"

# Prefixes vendors give their keys (OpenAI and the many that copied sk-, Anthropic sk-ant-, Groq gsk_, xAI xai-,
# Perplexity pplx-, Hugging Face hf_, Replicate r8_, NVIDIA nvapi-, Cerebras csk-, Fireworks fw_, GitHub
# ghp_/gho_/ghu_, Slack-like xox, Stripe-like rk_/pk_).
_PREFIXED: Final = re.compile(
    r"\b(?:(?:sk|pk|rk|gsk|xai|pplx|hf|r8|nvapi|csk|fw|tgp|gh[opsu]|xox[abp]|ya29)[-_.]|AKIA|ASIA)"
    r"[A-Za-z0-9*][A-Za-z0-9_\-.*]{7,}"
)
_GOOGLE: Final = re.compile(r"\bAIza[A-Za-z0-9_\-*]{10,}")
_JWT: Final = re.compile(r"\beyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)*")
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=_\-.~*]{8,}")
# With a digit or an asterisk in it, so that ``"key": "messages"`` keeps its word.
_NAMED: Final = re.compile(
    r"""(?ix) \b ( (?: api [_\- ]? key | (?: access | auth ) [_\- ]? token | secret (?: [_\- ]? key )? | password
    | key ) ["']? \s* [=:] \s* ["']? ) (?= [^\s"']{0,64} [0-9*] ) [A-Za-z0-9+/=_\-.~*]{8,}"""
)
_LONG: Final = re.compile(r"\b(?=[A-Za-z_]*[0-9])(?=[0-9_]*[A-Za-z])[A-Za-z0-9_]{40,}\b")


def mask(text: str) -> str:
    """``text`` with everything that looks like a credential replaced by ``***``."""
    text = _BEARER.sub(rf"\1 {MASK}", text)
    text = _NAMED.sub(rf"\1{MASK}", text)
    for pattern in (_PREFIXED, _GOOGLE, _JWT, _LONG):
        text = pattern.sub(MASK, text)
    return text
