"""What a script says comes out in every dialect, and the vendor's own types can read it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from omniroute.domain import Secret
from omniroute.mock import Mock, MockOptions, running
from tests.mock.client import once
from tests.mock.wires import PNG, WIRES

THINKING = ("openai_chat", "openai_responses", "anthropic", "gemini", "gemini_array", "ollama", "ollama_generate")
CALLING = ("openai_chat", "openai_responses", "anthropic", "gemini", "gemini_array", "ollama")
FINISHES = {
    "openai_chat": ("stop", "length", "content_filter"),
    "openai_completions": ("stop", "length", "content_filter"),
    "openai_responses": ("completed", "incomplete", "incomplete"),
    "anthropic": ("end_turn", "max_tokens", "refusal"),
    "gemini": ("STOP", "MAX_TOKENS", "SAFETY"),
    "gemini_array": ("STOP", "MAX_TOKENS", "SAFETY"),
    "ollama": ("stop", "length", "stop"),
    "ollama_generate": ("stop", "length", "stop"),
}
KEYS = {
    "openai_chat": "Authorization: Bearer k1\r\n",
    "openai_completions": "Authorization: Bearer k1\r\n",
    "openai_responses": "Authorization: Bearer k1\r\n",
    "anthropic": "x-api-key: k1\r\n",
    "gemini": "x-goog-api-key: k1\r\n",
    "ollama": "Authorization: Bearer k1\r\n",
}
EVERY = pytest.mark.parametrize("name", WIRES)
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture
async def mock() -> AsyncIterator[Mock]:
    async with running(MockOptions(keep_requests=4)) as one:
        yield one


@EVERY
@BOTH
async def test_says_the_last_words_again_and_counts_them(mock: Mock, name: str, stream: bool) -> None:
    said = await WIRES[name].said(mock, stream=stream)
    assert (said.text, said.finish, said.usage) == ("one two three", FINISHES[name][0], (3, 3))
    assert mock.counts.total.completion_tokens == 3


@pytest.mark.parametrize("name", THINKING)
@BOTH
async def test_reasons_before_it_speaks(mock: Mock, name: str, stream: bool) -> None:
    said = await WIRES[name].said(mock, stream=stream, script="reasoning=3;signed")
    assert (said.thought, said.text, said.usage) == ("mock thought mock", "one two three", (3, 6))
    assert bool(said.signature) is not name.startswith("ollama")
    hidden = await WIRES[name].said(mock, stream=stream, script="reasoning=3;redacted")
    if not name.startswith("ollama"):  # which has no way to say it
        assert hidden.thought == ""
        assert hidden.signature


@pytest.mark.parametrize("name", CALLING)
@BOTH
async def test_calls_the_tool_offered(mock: Mock, name: str, stream: bool) -> None:
    said = await WIRES[name].said(mock, stream=stream, tools=True)
    ((call_id, tool, arguments),) = said.calls
    assert (tool, arguments, said.text) == ("weather", {"city": "one two three", "days": 1}, "")
    assert call_id


@pytest.mark.parametrize("name", CALLING)
@BOTH
async def test_calls_what_the_script_names(mock: Mock, name: str, stream: bool) -> None:
    script = 'call=look;calls=2;arguments={"a": [1, {"b": "c;d,e"}]};preamble=2;no-ids'
    said = await WIRES[name].said(mock, stream=stream, tools=True, script=script)
    assert [(tool, arguments) for _, tool, arguments in said.calls] == [
        ("look", {"a": [1, {"b": "c;d,e"}]}),
        ("weather", {"a": [1, {"b": "c;d,e"}]}),
    ]
    assert said.text == "one two"
    ids = [call_id for call_id, _, _ in said.calls]
    assert len(set(ids)) == (1 if name in {"gemini", "gemini_array", "ollama"} else 2)


@EVERY
@BOTH
@pytest.mark.parametrize("place", [1, 2])
async def test_finishes_in_its_own_words(mock: Mock, name: str, stream: bool, place: int) -> None:
    script = f"finish={('stop', 'length', 'content_filter')[place]}"
    assert (await WIRES[name].said(mock, stream=stream, script=script)).finish == FINISHES[name][place]


@EVERY
@BOTH
async def test_a_document_and_a_big_event(mock: Mock, name: str, stream: bool) -> None:
    said = await WIRES[name].said(mock, stream=stream, script='document={"a": "b c"}')
    assert said.text == '{"a":"b c"}'
    assert len((await WIRES[name].said(mock, stream=stream, script="big-event=5KB")).text) > 5 * 1024


SCHEMAS = {
    "openai_chat": lambda schema: {
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    },
    "openai_responses": lambda schema: {"text": {"format": {"type": "json_schema", "name": "n", "schema": schema}}},
    "anthropic": lambda schema: {"output_config": {"format": {"type": "json_schema", "schema": schema}}},
    "gemini": lambda schema: {"generationConfig": {"responseJsonSchema": schema}},
    "ollama": lambda schema: {"format": schema},
}


@pytest.mark.parametrize("name", SCHEMAS)
async def test_fits_the_schema_asked_for(mock: Mock, name: str) -> None:
    schema = {
        "type": "object",
        "$defs": {"kind": {"enum": ["x", "y"]}},
        "properties": {
            "kind": {"$ref": "#/$defs/kind"},
            "n": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "list": {"type": "array", "items": {"type": "boolean"}, "minItems": 1},
            "name": {"type": ["null", "string"]},
        },
        "required": ["kind", "n", "list", "name"],
    }
    said = await WIRES[name].said(mock, "hi", stream=False, more=SCHEMAS[name](schema))
    assert msgspec.json.decode(said.text) == {"kind": "x", "n": 1, "list": [True], "name": "hi"}


@EVERY
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 503, 504])
async def test_errors_have_the_vendors_shape(mock: Mock, name: str, status: int) -> None:
    answer = await WIRES[name].ask(mock, script=f"status={status};code=odd")
    assert answer.status == status
    error = answer.json["error"]
    if name.startswith("ollama"):
        assert isinstance(error, str)
    elif name == "anthropic":
        assert (answer.json["type"], error["type"]) == ("error", "odd")
    elif name.startswith("gemini"):
        assert (error["code"], error["status"]) == (status, "odd")
    else:
        assert (error["code"], error["param"]) == ("odd", None)


@EVERY
@pytest.mark.parametrize("place", [0, 2])
async def test_an_error_inside_the_stream_ends_it(mock: Mock, name: str, place: int) -> None:
    wire = WIRES[name]
    answer = await wire.ask(mock, stream=True, script=f"error-event-after={place}")
    events = [msgspec.json.decode(data) for data in wire.cut(b"".join(answer.chunks))]
    if name == "openai_responses":
        assert [event["type"] for event in events[place:]] == ["error", "response.failed"]
        assert [event["sequence_number"] for event in events] == list(range(place + 2))
        for event in events:
            wire.event.validate_python(event)
        responses = [event["response"]["id"] for event in events if "response" in event]
        assert responses == ["resp_mock1"] * len(responses)
    else:
        pings = name == "anthropic" and place > 1
        assert len(events) == place + 1 - pings
        assert "error" in events[-1]


@EVERY
async def test_the_end_mark_can_be_left_out(mock: Mock, name: str) -> None:
    wire = WIRES[name]
    whole = wire.cut(b"".join((await wire.ask(mock, stream=True)).chunks))
    cut = wire.cut(b"".join((await wire.ask(mock, stream=True, script="no-done")).chunks))
    if name.startswith("gemini"):
        assert b"finishReason" in whole[-1]
        assert b"finishReason" not in cut[-1]
    else:
        assert len(cut) == len(whole) - 1


@EVERY
async def test_line_ends_and_comments_fit_the_framing(mock: Mock, name: str) -> None:
    wire = WIRES[name]
    plain = wire.cut(b"".join((await wire.ask(mock, stream=True)).chunks))
    answer = await wire.ask(mock, stream=True, script="crlf;comments")
    dressed = wire.cut(b"".join(answer.chunks))
    assert b"\n" not in b"".join(answer.chunks).replace(b"\r\n", b"")
    assert len(dressed) == len(plain)
    assert (b": mock is working" in b"".join(answer.chunks)) == ("text/event-stream" in answer.head)


@pytest.mark.parametrize("name", KEYS)
async def test_a_key_is_looked_for_where_the_vendor_looks(name: str) -> None:
    async with running(MockOptions(key=Secret("k1"))) as mock:
        wire = WIRES[name]
        assert (await wire.ask(mock)).status == 401
        for other, header in KEYS.items():
            knows = msgspec.structs.replace(wire, headers=wire.headers + header)
            # who signed in brings Anthropic a bearer
            right = header == KEYS[name] or (name == "anthropic" and "Bearer" in header)
            assert (await knows.ask(mock)).status == (200 if right else 401), other


async def test_a_google_key_may_stand_in_the_query() -> None:
    async with running(MockOptions(key=Secret("k1"))) as mock:
        wire = msgspec.structs.replace(WIRES["gemini"], path="/v1beta/models/{model}:generateContent?key=k1")
        assert (await wire.ask(mock)).status == 200
        assert "k1" not in repr(mock.last.of(""))


IMAGES = {
    "openai_chat": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a b"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                ],
            }
        ]
    },
    "openai_responses": {
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "a b"},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                ],
            }
        ]
    },
    "anthropic": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a b"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                ],
            }
        ]
    },
    "gemini": {
        "contents": [
            {"role": "user", "parts": [{"text": "a b"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]}
        ]
    },
    "ollama": {"messages": [{"role": "user", "content": "a b", "images": [PNG]}]},
}


@pytest.mark.parametrize("name", IMAGES)
async def test_pictures_are_counted(mock: Mock, name: str) -> None:
    said = await WIRES[name].said(mock, stream=False, more=IMAGES[name])
    assert (said.text, said.usage) == ("a b", (2 + 85, 2))


async def test_what_was_asked_last_can_be_read(mock: Mock) -> None:
    await WIRES["ollama"].ask(mock, "first", model="a;tokens=2")
    await WIRES["anthropic"].ask(mock, "second", model="b", more={"temperature": 1.50})
    last = (await once(mock, b"GET /mock/last HTTP/1.1\r\nHost: m\r\n\r\n")).json
    assert (last["path"], last["body"]["model"], last["headers"]["anthropic-version"]) == (
        "/v1/messages",
        "b",
        "2023-06-01",
    )
    first = (await once(mock, b"GET /mock/last?model=a%3Btokens%3D2 HTTP/1.1\r\nHost: m\r\n\r\n")).json
    assert first["body"]["messages"] == [{"role": "user", "content": "first"}]
    assert (await once(mock, b"GET /mock/last?model=c HTTP/1.1\r\nHost: m\r\n\r\n")).status == 404


def _post(path: str, body: object, headers: str = "") -> bytes:
    raw = msgspec.json.encode(body)
    return f"POST {path} HTTP/1.1\r\nHost: m\r\n{headers}Content-Length: {len(raw)}\r\n\r\n".encode() + raw


VERSION = "anthropic-version: 2023-06-01\r\n"
USER = {"role": "user", "content": "x"}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "r"}]}
MARKED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
ASKED = {"model": "m", "max_tokens": 9}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"model": "m", "messages": [USER]}, b"max_tokens"),
        (ASKED | {"messages": []}, b"at least one message"),
        (ASKED | {"messages": [{"role": "user", "content": ""}]}, b"non-empty content"),
        (ASKED | {"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, b"non-whitespace"),
        (ASKED | {"messages": [USER, CALL]}, b"without `tool_result`"),
        (ASKED | {"messages": [USER, CALL, USER]}, b"without `tool_result`"),
        (ASKED | {"messages": [USER, RESULT]}, b"unexpected `tool_use_id`"),
        (
            ASKED
            | {"messages": [USER, CALL, RESULT | {"content": [{"type": "text", "text": "x"}, *RESULT["content"]]}]},
            b"before any other",
        ),
        (ASKED | {"messages": [{"role": "user", "content": [MARKED] * 5}]}, b"Found 5"),
        (
            ASKED
            | {
                "messages": [
                    USER,
                    {
                        "role": "assistant",
                        "content": [{"type": "thinking", "thinking": "h", "signature": "omr1:gemini:x"}],
                    },
                    USER,
                ]
            },
            b"Invalid `signature`",
        ),
        (ASKED | {"messages": [USER], "thinking": {"type": "enabled", "budget_tokens": 2000}}, b"budget_tokens"),
        (
            ASKED
            | {
                "max_tokens": 4000,
                "messages": [USER],
                "temperature": 0.5,
                "thinking": {"type": "enabled", "budget_tokens": 2000},
            },
            b"temperature",
        ),
        (
            ASKED
            | {
                "max_tokens": 4000,
                "messages": [USER],
                "tool_choice": {"type": "any"},
                "thinking": {"type": "adaptive"},
            },
            b"forces tool use",
        ),
    ],
)
async def test_anthropics_rules_are_enforced(mock: Mock, body: object, says: bytes) -> None:
    answer = await once(mock, _post("/v1/messages", body, VERSION))
    assert answer.status == 400
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert says in answer.body


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/v1/messages", ASKED | {"messages": [USER]}, b"anthropic-version"),
        ("/v1beta/models/m:generateContent", {"contents": []}, b"contents is not specified"),
        ("/v1beta/models/m:generateContent", {"contents": [{"parts": []}]}, b"must not be empty"),
        ("/v1beta/models/m:generateContent", {"contents": [], "max_tokens": 3}, b"maxTokens"),
        (
            "/v1beta/models/m:generateContent",
            {
                "contents": [
                    {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
                    {"role": "user", "parts": [{"text": "x"}]},
                ]
            },
            b"number of function response parts",
        ),
        (
            "/v1beta/models/m:generateContent",
            {
                "contents": [
                    {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
                    {"role": "model", "parts": [{"functionCall": {"name": "g", "args": {}}}]},
                    {"role": "user", "parts": [{"functionResponse": {"name": "g", "response": {}}}]},
                ]
            },
            b"number of function response parts",
        ),
        ("/v1/responses", {"model": "m", "input": []}, b"must not be empty"),
        ("/v1/responses", {"model": "m", "input": "x", "previous_response_id": "r"}, b"previous_response_not_found"),
        (
            "/v1/responses",
            {"model": "m", "input": [{"type": "function_call_output", "call_id": "c", "output": "r"}]},
            b"No tool call found",
        ),
        (
            "/v1/responses",
            {"model": "m", "input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]},
            b"No tool output found",
        ),
        (
            "/v1/responses",
            {"model": "m", "input": [{"type": "reasoning", "summary": [], "encrypted_content": "omr1:x"}, USER]},
            b"could not be verified",
        ),
        ("/api/chat", {"model": "m", "messages": [{"role": "user", "content": "x", "images": ["data:"]}]}, b"base64"),
        ("/api/chat", {"model": "m", "messages": [{"role": "developer", "content": "x"}]}, b"request of Ollama"),
        ("/api/chat", {"model": "m", "messages": [USER], "think": "hard"}, b"not supported"),
        ("/v1/completions", {"model": "m", "prompt": ["a", "b"]}, b"one prompt"),
    ],
)
async def test_what_the_others_refuse(mock: Mock, path: str, body: object, says: bytes) -> None:
    answer = await once(mock, _post(path, body))
    assert answer.status == 400
    assert says in answer.body
    assert mock.counts.rejected == 1


async def test_reasoning_of_others_is_not_found(mock: Mock) -> None:
    """Of its own the mock knows the id, as the service knows what it stored."""

    async def asked(**item: object) -> int:
        body = {"model": "m", "input": [{"type": "reasoning", "summary": [], **item}, USER]}
        return (await once(mock, _post("/v1/responses", body))).status

    assert await asked(id="rs_0123") == 404
    assert await asked() == 404
    assert await asked(id="rs_0123", encrypted_content="c") == 200
    assert await asked(id="rs_mock1") == 200


async def test_a_google_turn_may_come_in_pieces(mock: Mock) -> None:
    contents = [
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "g", "args": {}}}]},
        {"role": "model", "parts": [{"text": ""}]},
        {"role": "user", "parts": [{"functionResponse": {"name": n, "response": {"output": n}}} for n in "fg"]},
    ]
    answer = await once(mock, _post("/v1beta/models/m:generateContent", {"contents": contents}))
    assert answer.status == 200


@pytest.mark.parametrize(
    ("target", "headers", "says"),
    [
        ("/v1/models", "", b'"object":"list"'),
        ("/v1/models", VERSION, b'"has_more":false'),
        ("/v1/models/echo", VERSION, b'"display_name":"echo"'),
        ("/v1beta/models", "", b'"models/echo"'),
        ("/v1/models", "x-goog-api-key: k\r\n", b'"models/echo"'),
        ("/v1beta/models/echo", "", b'"supportedGenerationMethods"'),
        ("/api/tags", "", b'"digest"'),
        ("/api/version", "", b'"version"'),
    ],
)
async def test_each_vendors_clients_get_its_list_of_models(mock: Mock, target: str, headers: str, says: bytes) -> None:
    answer = await once(mock, f"GET {target} HTTP/1.1\r\nHost: m\r\n{headers}\r\n".encode())
    assert answer.status == 200
    assert says in answer.body


@pytest.mark.parametrize(
    ("path", "body", "member"),
    [
        ("/v1/messages/count_tokens", {"model": "m", "messages": [USER], "system": "a b"}, "input_tokens"),
        ("/v1beta/models/m:countTokens", {"contents": [{"parts": [{"text": "a b x"}]}]}, "totalTokens"),
    ],
)
async def test_counts_tokens_without_an_answer(mock: Mock, path: str, body: object, member: str) -> None:
    answer = await once(mock, _post(path, body, VERSION))
    assert answer.json[member] == 3
    assert mock.counts.total.begun == 0


async def test_a_body_nested_without_end_is_refused(mock: Mock) -> None:
    deep = b'{"tools":' + b"[" * 100_000
    for wire in WIRES.values():
        path = wire.path.replace("{model}", "m")
        head = f"POST {path} HTTP/1.1\r\nHost: m\r\n{wire.headers}Content-Length: {len(deep)}\r\n\r\n"
        assert (await once(mock, head.encode() + deep, quiet_s=0.01)).status == 400


def test_every_dialect_is_tried_here() -> None:
    assert {name.removesuffix("_array").removesuffix("_generate") for name in WIRES} == set(KEYS)
