"""What is counted of a request."""

from __future__ import annotations

from omniroute.translate.canonical import (
    Audio,
    ChatRequest,
    Document,
    Format,
    Image,
    Inline,
    Link,
    Reasoning,
    ServerTool,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from omniroute.translate.texts import FILE_BYTES_PER_TOKEN, IMAGE_TOKENS, TURN_TOKENS, texts_of


def test_everything_a_model_is_shown_is_counted() -> None:
    request = ChatRequest(
        origin="anthropic",
        model="m",
        system=(Text(text="be brief"),),
        turns=(
            Turn(role="user", blocks=(Text(text="look"), Image(source=Link("https://a.example/x.png")))),
            Turn(role="assistant", blocks=(Reasoning(text="hm"), ToolCall(call_id="1", name="f", arguments='{"a":1}'))),
            Turn(
                role="user",
                blocks=(ToolResult(call_id="1", blocks=(Text(text="ten"), Image(source=Inline("image/png", "aGk=")))),),
            ),
        ),
        tools=(
            Tool(name="f", description="does f", schema=b'{"type":"object"}'),
            ServerTool(origin="anthropic", kind="web_search_20250305", raw=b'{"type":"web_search_20250305"}'),
        ),
        format=Format(kind="json_schema", schema=b'{"x":1}'),
    )

    texts, more = texts_of(request)

    assert texts == [
        "be brief", "look", "hm", "f", '{"a":1}', "ten", "f", "does f", '{"type":"object"}',
        '{"type":"web_search_20250305"}', '{"x":1}',
    ]  # fmt: skip
    assert more == 2 * IMAGE_TOKENS + TURN_TOKENS * (4 + 2 + 2)


def test_files_and_sounds_are_counted_by_their_size() -> None:
    data = "A" * 8000
    request = ChatRequest(
        origin="openai_chat",
        model="m",
        turns=(
            Turn(
                role="user",
                blocks=(
                    Document(source=Inline("application/pdf", data), title="t", blocks=(Text(text="inner"),)),
                    Audio(source=Inline("audio/wav", data)),
                ),
            ),
        ),
    )

    texts, more = texts_of(request)

    assert texts == ["t", "inner"]
    assert more == TURN_TOKENS + 6000 // FILE_BYTES_PER_TOKEN + 1
