"""The vendor's own SDK reads what a client is sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from omniroute.domain import Usage
from omniroute.errors import RateLimited
from omniroute.translate.canonical import Candidate, ChatResponse, Finish, Reasoning, Text, ToolCall
from omniroute.translate.dialect import Listed
from omniroute.translate.events import Close, Delta, Open, Report, Sign
from tests.translate.dialects.anthropic.wire import CLIENT, CONTEXT, asked, encode, ended

anthropic = pytest.importorskip("anthropic", reason="the vendor's SDK is not installed")
httpx = pytest.importorskip("httpx2", reason="what the SDK calls with")

USAGE = Usage(input_total=130, cache_read=100, cache_write_1h=20, output_total=9, reasoning=3, known=True)
PROMPT = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def client(body: bytes, content_type: str = "application/json", status: int = 200) -> object:
    """The SDK in front of one answer."""

    def answer(request: object) -> object:
        del request
        return httpx.Response(status, content=body, headers={"content-type": content_type, "request-id": "req_1"})

    transport: Callable[..., object] = httpx.MockTransport
    return anthropic.Anthropic(
        api_key="k", base_url="http://gateway", max_retries=0, http_client=httpx.Client(transport=transport(answer))
    )


def test_a_stream_accumulates() -> None:
    events = ended(
        Open(block=0, kind="reasoning"), Delta(0, 0, b"hm"), Sign(block=0, signature="S", origin="gemini"), Close(0, 0),
        Open(block=1, kind="text"), Delta(0, 1, rb"a\n"), Delta(0, 1, b"b"), Close(0, 1),
        Open(block=2, kind="tool", call_id="c", name="f"), Delta(0, 2, rb"{\"a\""), Delta(0, 2, b":1}"), Close(0, 2),
        Open(block=3, kind="tool", call_id="d", name="g"), Close(0, 3), Report(USAGE),
    )  # fmt: skip
    sdk = client(encode(events), "text/event-stream")
    with sdk.messages.stream(**PROMPT) as stream:  # type: ignore[attr-defined]
        message = stream.get_final_message()

    thought, text, first, second = message.content
    assert (thought.thinking, thought.signature) == ("hm", "omr1:gemini:S")
    assert text.text == "a\nb"
    assert (first.id, first.name, first.input) == ("c", "f", {"a": 1})
    assert second.input == {}
    assert message.stop_reason == "tool_use"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (10, 9)
    assert message.usage.cache_read_input_tokens == 100


def test_a_whole_answer_parses() -> None:
    response = ChatResponse(
        id="x", model="m", usage=USAGE,
        candidates=(
            Candidate(
                blocks=(
                    Reasoning(text="hm"), Reasoning(data="D", item_id="i", origin="openai_responses"), Text(text="a"),
                    ToolCall(call_id="c", name="f", arguments='{"a":1}'),
                ),
                finish=Finish(reason="stop"),
            ),
        ),
    )  # fmt: skip
    message = client(CLIENT.write_answer(response, CONTEXT)).messages.create(**PROMPT)  # type: ignore[attr-defined]

    assert [block.type for block in message.content] == ["thinking", "redacted_thinking", "text", "tool_use"]
    assert message.usage.cache_creation.ephemeral_1h_input_tokens == 20
    assert message.usage.output_tokens_details.thinking_tokens == 3


def test_an_error_is_the_sdks_own() -> None:
    body = CLIENT.error_body(RateLimited("slow down"), "req_1")

    with pytest.raises(anthropic.RateLimitError, match="slow down"):
        client(body, status=429).messages.create(**PROMPT)  # type: ignore[attr-defined]


def test_counts_and_lists_parse() -> None:
    assert CLIENT.write_count is not None
    sdk = client(CLIENT.write_count(7, False))
    assert sdk.messages.count_tokens(model="m", messages=PROMPT["messages"]).input_tokens == 7  # type: ignore[attr-defined]

    models = (Listed("p/m", 1_700_000_000),)
    listed = CLIENT.listings[0].render(asked(b"", path="/v1/models"), models)
    (model,) = client(listed).models.list().data  # type: ignore[attr-defined]
    assert (model.id, model.created_at.year) == ("p/m", 2023)
