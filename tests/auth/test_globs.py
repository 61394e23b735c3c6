from __future__ import annotations

import pytest

from omniroute.auth import model_allowed


@pytest.mark.parametrize(
    ("pattern", "model", "allowed"),
    [
        ("openai/*", "openai/gpt-5", True),
        ("openai/*", "openai-compatible/gpt-5", False),
        ("*/gpt-5", "openai/gpt-5", True),
        ("openai/gpt-?", "openai/gpt-5", True),
        ("openai/gpt-?", "openai/gpt-5x", False),
        ("anthropic/claude[1m]", "anthropic/claude[1m]", True),
        ("anthropic/claude[1m]", "anthropic/claude1", False),
        ("openai/gpt.5", "openai/gpt-5", False),
        ("*", "a/b\nc", True),
    ],
)
def test_globs_are_anchored_and_nothing_else_is_special(pattern: str, model: str, allowed: bool) -> None:
    assert model_allowed(model, ("no/match", pattern)) is allowed


def test_no_pattern_allows_nothing() -> None:
    assert not model_allowed("a/b", ())
