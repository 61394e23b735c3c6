"""docs/translation.md, and that nothing a client can ask for is lost in silence."""

from __future__ import annotations

import pytest

from omniroute.translate import find_dialects
from tests.architecture.translation_page import PAGE, carried, render
from tests.architecture.translation_probes import PROBES, request_of

AS_IF_UNSAID = {
    # How much to think is left to the model, as it is where nothing is said.
    ("anthropic", "openai_chat", "`thinking` adaptive"),
    ("anthropic", "openai_responses", "`thinking` adaptive"),
    # No priority is asked for, and there is none.
    ("anthropic", "ollama", "`service_tier`"),
}


def test_the_translation_page_is_what_the_code_does() -> None:
    assert PAGE.read_text() == render(), "run `make docs`"


def test_there_is_a_column_for_every_upstream_dialect() -> None:
    assert {name for name, dialect in find_dialects().items() if dialect.upstream} == set(PROBES)


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize("upstream", PROBES)
def test_what_a_client_asks_for_changes_the_request_or_is_told_of(name: str, upstream: str) -> None:
    dialects = find_dialects()
    base = carried(dialects[name], dialects[upstream], request_of(name))
    silent = set()
    for label, patch in PROBES[name]:
        found = carried(dialects[name], dialects[upstream], request_of(name, patch))
        if found.body == base.body and set(found.marks) <= set(base.marks):
            silent.add((name, upstream, label))
    assert silent == {told for told in AS_IF_UNSAID if told[:2] == (name, upstream)}
