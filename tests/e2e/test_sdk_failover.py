"""Two connections of one provider that speak differently: the SDK does not notice which of them answered."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.e2e.standing import Standing
from tests.e2e.upstreams import DIALECTS, Upstream, connected

NOWHERE = "http://127.0.0.1:9"
"""The discard port, where nobody listens."""
SAID = [{"role": "user", "content": "one two"}]
PDF = "JVBERi0xLjQKJSVFT0YK"


@pytest.fixture(scope="module")
def client(gateway: Standing) -> Iterator[openai.OpenAI]:
    """One for all tests, as a program has: making one reads the system's certificates."""
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.fixture(params=DIALECTS)
def behind(request: pytest.FixtureRequest, gateway: Standing, upstream: Upstream) -> Upstream:
    """``upstream`` as the second choice, behind one of each dialect that cannot be reached."""
    first = connected(gateway, NOWHERE, str(request.param), label="dead", priority=1)
    return upstream.fresh(provider=first.provider, label="alive", priority=2)


def test_another_dialect_takes_over(client: openai.OpenAI, behind: Upstream) -> None:
    chat = client.chat.completions.create(model=behind.model(), messages=SAID)
    with client.responses.stream(model=behind.model(), input=SAID) as stream:
        response = stream.get_final_response()

    assert (chat.choices[0].message.content, response.output_text) == ("one two", "one two")
    raw = client.chat.completions.with_raw_response.create(model=behind.model(), messages=SAID)
    assert raw.headers["x-omniroute-connection"] == "alive"


@pytest.mark.parametrize("upstream", ["openai_chat", "openai_responses", "anthropic", "gemini"], indirect=True)
def test_who_cannot_carry_a_document_is_passed_over(gateway: Standing, upstream: Upstream) -> None:
    first = connected(gateway, upstream.mock_url, "ollama", label="ollama", priority=1)
    able = upstream.fresh(provider=first.provider, label="able", priority=2)
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    said = [{"role": "user", "content": [{"type": "document", "source": source}, {"type": "text", "text": "read"}]}]
    with anthropic.Anthropic(base_url=gateway.root, api_key=gateway.key, max_retries=0) as client:
        raw = client.messages.with_raw_response.create(model=able.model(), messages=said, max_tokens=9)
        plain = client.messages.with_raw_response.create(model=able.model(), messages=SAID, max_tokens=9)

    assert raw.headers["x-omniroute-connection"] == "able"
    assert [block.text for block in raw.parse().content] == ["read"]  # type: ignore[union-attr]  # all of them texts
    assert plain.headers["x-omniroute-connection"] == "ollama", "the others' requests are still the first one's"
