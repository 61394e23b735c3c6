"""Google's own SDK, unchanged, speaks to the dialect's client side: its types parse everything that is written.

There is no socket: the SDK's transport is handed over to the dialect's functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest

from omniroute.errors import OmniRouteError, UnknownModel
from omniroute.translate.canonical import (
    Candidate,
    ChatRequest,
    ChatResponse,
    Document,
    Finish,
    Image,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from omniroute.translate.conversation import paired
from omniroute.translate.dialect import Asked, Listed, Peeked
from omniroute.translate.events import End
from omniroute.translate.fold import unfold
from omniroute.translate.notes import Notes
from tests.translate.dialects.gemini.speech import context, encoded, near, request

genai = pytest.importorskip("google.genai", reason="the vendor's SDK is not installed")
httpx = pytest.importorskip("httpx", reason="the vendor's SDK needs it")

pytestmark = pytest.mark.slow  # the SDK takes its time to be imported and set up

Answer = Callable[[ChatRequest], tuple[object, ...]]


class Gateway:
    """The client's side of the dialect behind the SDK's transport."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[ChatRequest] = []
        self.peeked: list[Peeked] = []

    def client(self, version: str | None = None) -> object:
        """An SDK client of it."""
        options = genai.types.HttpOptions(
            base_url="http://gateway.test",
            api_version=version,
            client_args={"transport": httpx.MockTransport(self._serve)},
        )
        return genai.Client(api_key="omr_key", http_options=options)

    def _serve(self, asked: object) -> object:
        headers = {name.lower().encode(): value.encode() for name, value in asked.headers.items()}
        assert headers[b"x-goog-api-key"] == b"omr_key"
        given = request(asked.content, asked.url.path, asked.url.query.decode(), headers)
        try:
            status, body, kind = 200, *self._answered(asked.method, given)
        except OmniRouteError as error:
            status, body, kind = near().error_status(error), near().error_body(error, "r"), "application/json"
        return httpx.Response(status, content=body, headers={"content-type": kind})

    def _answered(self, method: str, given: Asked) -> tuple[bytes, str]:
        if method == "GET":
            return self._listed(given), "application/json"
        peeked = near().peek(given)
        canonical = near().read_request(given, peeked)
        self.requests.append(canonical)
        self.peeked.append(peeked)
        if peeked.operation == "count":
            assert near().write_count is not None
            return near().write_count(42, False), "application/json"
        finish = Finish(reason="stop")
        response = ChatResponse(
            id="r1", model=peeked.model, candidates=(Candidate(blocks=self.answer(canonical), finish=finish),)
        )
        if peeked.stream:
            return encoded([*unfold(response), End()], context(variant=peeked.variant)), "text/event-stream"
        return near().write_answer(response, context()), "application/json"

    def _listed(self, given: Asked) -> bytes:
        models = [Listed("openai/gpt-4o", 0, 1000, 100), Listed("a/b", 0)]
        for listing in near().listings:
            exact = given.path == listing.path
            inside = listing.path.endswith("{model}") and given.path.startswith(listing.path.removesuffix("{model}"))
            if (exact or inside) and listing.claims(given):
                return listing.render(given, models)
        raise UnknownModel(given.path)


@pytest.fixture(params=["v1", "v1beta", None], ids=["v1", "v1beta", "default"])
def gateway(request: pytest.FixtureRequest) -> Iterator[tuple[Gateway, object]]:
    found = Gateway(_conversation)
    client = found.client(request.param)
    yield found, client
    client.close()


def _conversation(request: ChatRequest) -> tuple[object, ...]:
    """A tool is called once, then there is an answer."""
    last = request.turns[-1].blocks[-1]
    if request.tools and not isinstance(last, ToolResult):
        thought = Reasoning(text="hm", origin="gemini", signature="U0lH")
        return (thought, ToolCall(call_id="c1", name="get_weather", arguments='{"city":"Rome"}', signature="U0lI"))
    if isinstance(last, ToolResult):
        return (Text(text=f"It is {last.blocks[0].text}."),)
    return (Reasoning(text="hm", origin="gemini"), Text(text="Hello "), Text(text="you"))


def test_generate_and_stream_and_chat(gateway: tuple[Gateway, object]) -> None:
    house, client = gateway
    answer = client.models.generate_content(
        model="openai/gpt-4o",
        contents=["hi", genai.types.Part.from_bytes(data=b"\xfb\xff\xfe", mime_type="image/png")],
        config={
            "system_instruction": "S",
            "max_output_tokens": 9,
            "top_k": 40,
            "thinking_config": {"thinking_budget": 5},
        },
    )
    assert answer.text == "Hello you"
    assert answer.model_version == "openai/gpt-4o"
    assert answer.candidates[0].finish_reason == genai.types.FinishReason.STOP
    asked = house.requests[-1]
    assert (asked.model, asked.max_output, asked.top_k, asked.system[0].text) == ("openai/gpt-4o", 9, b"40", "S")
    image = asked.turns[0].blocks[1]
    assert isinstance(image, Image)
    assert image.source.data == "+//+", "the SDK writes the URL-safe alphabet"

    pieces = list(client.models.generate_content_stream(model="m", contents="hi"))
    assert "".join(piece.text or "" for piece in pieces) == "Hello you"
    assert pieces[-1].usage_metadata is not None
    assert house.peeked[-1].variant == ""

    chat = client.chats.create(model="m")
    chat.send_message("one")
    assert "".join(piece.text or "" for piece in chat.send_message_stream("two")) == "Hello you"
    assert [turn.role for turn in house.requests[-1].turns] == ["user", "assistant", "user"]


def test_functions_are_called_by_the_sdk_itself(gateway: tuple[Gateway, object]) -> None:
    house, client = gateway

    def get_weather(city: str) -> str:
        """Weather for a city."""
        return f"sunny in {city}"

    answer = client.models.generate_content(model="m", contents="weather?", config={"tools": [get_weather]})
    assert answer.text == "It is sunny in Rome."
    (tool,) = house.requests[0].tools
    assert isinstance(tool, Tool)
    assert msgspec.json.decode(tool.schema)["properties"] == {"city": {"type": "string"}}
    call = house.requests[1].turns[1].blocks[-1]
    assert isinstance(call, ToolCall)
    assert (call.call_id, call.name, call.signature) == ("c1", "get_weather", "U0lI")
    result = paired(house.requests[1].turns, Notes())[2].blocks[0]
    assert isinstance(result, ToolResult)
    assert result.call_id == "c1", "the SDK leaves the id out; the name is enough"


def test_schemas_files_counts_and_lists(gateway: tuple[Gateway, object]) -> None:
    house, client = gateway
    client.models.generate_content(
        model="m",
        contents=genai.types.Part.from_uri(file_uri="https://x.test/a.pdf", mime_type="application/pdf"),
        config={
            "response_mime_type": "application/json",
            "response_schema": {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}},
        },
    )
    asked = house.requests[-1]
    assert asked.format is not None
    assert msgspec.json.decode(asked.format.schema) == {
        "type": "object",
        "properties": {"a": {"type": ["string", "null"]}},
    }
    assert isinstance(asked.turns[0].blocks[0], Document)
    assert client.models.count_tokens(model="m", contents="hi").total_tokens == 42
    assert {model.name for model in client.models.list(config={"page_size": 1})} == {
        "models/openai/gpt-4o",
        "models/a/b",
    }
    assert client.models.get(model="openai/gpt-4o").input_token_limit == 1000


def test_errors_are_the_sdks(gateway: tuple[Gateway, object]) -> None:
    _, client = gateway
    with pytest.raises(genai.errors.ClientError) as caught:
        client.models.get(model="nobody")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    with pytest.raises(genai.errors.ClientError) as caught:
        client.models.generate_content(model="m", contents="x", config={"max_output_tokens": 0})
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
