"""A provider's preset, and what a connection says in its place."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import PRESETS, Quirks, own_quirks, quirks_of


@pytest.mark.parametrize("provider", [*PRESETS, "nobody-knows"])
def test_what_a_connection_says_comes_back_and_the_rest_is_the_presets(provider: str) -> None:
    preset = PRESETS.get(provider, Quirks())
    assert quirks_of(provider, {}) == preset
    assert own_quirks(provider, preset) == {}
    said = quirks_of(provider, {"max_tokens_field": "max_tokens", "effort_budgets": [1, 2, 3]})
    assert said == msgspec.structs.replace(preset, max_tokens_field="max_tokens", effort_budgets=(1, 2, 3))
    stored = msgspec.json.encode(own_quirks(provider, said))
    assert quirks_of(provider, msgspec.json.decode(stored)) == said


@pytest.mark.parametrize("given", [{"no_such": 1}, {"think_tags": 1}, {"effort_budgets": [1]}])
def test_what_is_no_quirk_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        quirks_of("openai", given)
