"""What no SDK sends, or hides: the bytes of answers, over plain HTTP, in front of an upstream of every dialect."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import msgspec
import pytest

from tests.e2e.standing import Standing
from tests.e2e.upstreams import PIXEL, TEXT, Upstream

WORDS = 9
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture(scope="module")
def http(gateway: Standing) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=gateway.root, headers={"authorization": f"Bearer {gateway.key}"}, timeout=20, verify=False
    ) as http:
        yield http


def events(answer: httpx.Response) -> list[dict[str, object]]:
    """Of an OpenAI stream, which must end as one does."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    *said, done, rest = answer.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    assert all(one.startswith("data: {") for one in said)
    return [msgspec.json.decode(one[6:]) for one in said]


# -- /v1/completions ----------------------------------------------------------------------------------------------------


@BOTH
def test_completions(http: httpx.Client, upstream: Upstream, stream: bool) -> None:
    asked: dict[str, object] = {"model": upstream.model("echo;reasoning=2"), "prompt": TEXT, "stream": stream}
    if stream:
        asked["stream_options"] = {"include_usage": True}
    answer = http.post("/v1/completions", json=asked)
    assert answer.status_code == 200
    told = events(answer) if stream else [answer.json()]

    assert {(one["object"], one["model"]) for one in told} == {("text_completion", "echo;reasoning=2")}
    assert len({one["id"] for one in told}) == 1
    choices = [choice for one in told for choice in one["choices"]]
    assert "".join(choice["text"] for choice in choices) == TEXT, "reasoning has no place in it"
    assert [choice["finish_reason"] for choice in choices][-1] == "stop"
    usage = told[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (
        WORDS, WORDS + 2, 2 * WORDS + 2,
    )  # fmt: skip
    if stream:
        assert told[-1]["choices"] == []
        assert all(one.get("usage") is None for one in told[:-1])


def test_completions_with_settings(http: httpx.Client, upstream: Upstream) -> None:
    asked = {"model": upstream.model(), "prompt": [TEXT], "max_tokens": 3, "temperature": 0.25, "stop": "END"}
    answer = http.post("/v1/completions", json=asked).json()

    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3
    assert "0.25" in upstream.sent().text
    assert '"END"' in upstream.sent().text or upstream.dialect == "openai_responses"


@BOTH
def test_completions_that_begin_with_the_prompt(http: httpx.Client, upstream: Upstream, stream: bool) -> None:
    answer = http.post(
        "/v1/completions", json={"model": upstream.model(), "prompt": "say", "echo": True, "stream": stream}
    )
    told = events(answer) if stream else [answer.json()]

    assert "".join(choice["text"] for one in told for choice in one["choices"]) == "saysay"


@pytest.mark.parametrize(
    "asked", [{"prompt": ["a", "b"]}, {"suffix": "x"}, {"echo": True, "logprobs": 1}, {"best_of": 3}]
)
def test_completions_that_chat_cannot_give(http: httpx.Client, upstream: Upstream, asked: dict[str, object]) -> None:
    answer = http.post("/v1/completions", json={"model": upstream.model(), "prompt": "x"} | asked)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["param"] in asked
    assert error["code"] == "unsupported_feature"


def test_completions_fail_inside_the_stream(http: httpx.Client, upstream: Upstream) -> None:
    model = upstream.fresh().model("echo;tokens=20;error-event-after=9")
    answer = http.post("/v1/completions", json={"model": model, "prompt": TEXT, "stream": True})

    *said, last, rest = answer.text.split("\n\n")
    assert rest == ""
    assert "error" in msgspec.json.decode(last[6:])
    assert "[DONE]" not in answer.text
    assert not any(choice["finish_reason"] for one in said for choice in msgspec.json.decode(one[6:])["choices"])


# -- Ollama's paths -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/chat", "/v1/api/chat"])
def test_ollamas_lines(http: httpx.Client, upstream: Upstream, path: str) -> None:
    asked = {"model": upstream.model(), "messages": [{"role": "user", "content": TEXT}]}
    answer = http.post(path, json=asked)

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.text.endswith("}\n")
    told = [msgspec.json.decode(line) for line in answer.text.splitlines()]
    assert "".join(one["message"]["content"] for one in told) == TEXT
    assert [one["done"] for one in told] == [False] * (len(told) - 1) + [True]
    whole = http.post(path, json=asked | {"stream": False})
    assert whole.headers["content-type"].startswith("application/json")
    assert whole.json()["message"] == {"role": "assistant", "content": TEXT}


def test_generate_under_v1(http: httpx.Client, upstream: Upstream) -> None:
    answer = http.post("/v1/api/generate", json={"model": upstream.model(), "prompt": TEXT, "stream": False})

    assert answer.json()["response"] == TEXT


# -- Gemini's array, and its other spelling -----------------------------------------------------------------------------


def gemini_path(upstream: Upstream, method: str, script: str = "echo") -> str:
    return f"/v1beta/models/{upstream.model(script)}:{method}"


ASKED = {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]}


def test_a_stream_as_a_json_array(http: httpx.Client, upstream: Upstream) -> None:
    path = gemini_path(upstream, "streamGenerateContent", "echo;reasoning=2")
    answer = http.post(path, json=ASKED)

    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    told = answer.json()
    assert len(told) > WORDS
    parts = [part for one in told for part in one["candidates"][0]["content"].get("parts", ())]
    assert "".join(part["text"] for part in parts if not part.get("thought")) == TEXT
    assert "".join(part["text"] for part in parts if part.get("thought")) == "mock thought"
    assert [one["candidates"][0].get("finishReason") for one in told][-1] == "STOP"
    assert told[-1]["usageMetadata"]["promptTokenCount"] == WORDS
    as_events = [
        msgspec.json.decode(one.removeprefix("data: "))
        for one in http.post(path + "?alt=sse", json=ASKED).text.replace("\r\n", "\n").split("\n\n")
        if one
    ]
    assert [one["candidates"] for one in as_events] == [one["candidates"] for one in told]


def test_an_array_comes_piece_by_piece(http: httpx.Client, upstream: Upstream) -> None:
    path = gemini_path(upstream, "streamGenerateContent", "echo;pace=20ms")
    with http.stream("POST", path, json=ASKED) as answer:
        pieces = [piece for piece in answer.iter_raw() if piece]

    assert len(pieces) >= 4
    assert pieces[0].startswith(b"[")
    assert len(msgspec.json.decode(b"".join(pieces))) > WORDS


@pytest.mark.parametrize("how", ["error-event-after=9", "fin-after=9", "rst-after=9;pace=2ms", "no-done"])
def test_an_array_that_fails_ends_with_the_error(http: httpx.Client, upstream: Upstream, how: str) -> None:
    if how == "no-done" and upstream.dialect in {"openai_chat", "anthropic", "gemini"}:
        # Chat's and Anthropic's finish come before the end mark and are enough; an array that Gemini has closed stays so.
        how = "fin-after=9"
    model = upstream.fresh().model(f"echo;tokens=20;{how}")
    answer = http.post(f"/v1beta/models/{model}:streamGenerateContent", json=ASKED)

    *said, last = answer.json()
    assert said
    assert last["error"]["code"] in {500, 503}
    assert last["error"]["message"]
    assert not any(candidate.get("finishReason") for one in said for candidate in one["candidates"])


def test_an_error_before_an_array_is_an_object(http: httpx.Client, upstream: Upstream) -> None:
    model = upstream.fresh().model("echo;status=429;retry-after=7")
    answer = http.post(f"/v1beta/models/{model}:streamGenerateContent", json=ASKED)

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    found = answer.json()
    error = (found[0] if isinstance(found, list) else found)["error"]
    assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")


SNAKE = {
    "system_instruction": {"parts": [{"text": "Be brief."}]},
    "contents": [
        {"role": "user", "parts": [{"text": "look"}, {"inline_data": {"mime_type": "image/png", "data": PIXEL}}]},
        {"role": "model", "parts": [{"function_call": {"name": "get_sky", "args": {"city_name": "Bern"}}}]},
        {
            "role": "user",
            "parts": [{"function_response": {"name": "get_sky", "response": {"sky_colour": "blue_grey"}}}],
        },
    ],
    "tools": [
        {
            "function_declarations": [
                {
                    "name": "get_sky",
                    "parameters_json_schema": {
                        "type": "object",
                        "properties": {"city_name": {"type": "string"}},
                        "required": ["city_name"],
                    },
                }
            ]
        }
    ],
    "tool_config": {"function_calling_config": {"mode": "AUTO"}},
    "generation_config": {"max_output_tokens": 50, "top_p": 0.5, "thinking_config": {"include_thoughts": False}},
    "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
}


@BOTH
def test_snake_case_is_understood(http: httpx.Client, upstream: Upstream, stream: bool) -> None:
    path = gemini_path(upstream, "streamGenerateContent" if stream else "generateContent")
    answer = http.post(path, json=SNAKE, params={"alt": "sse"} if stream else {})

    assert answer.status_code == 200, answer.text
    assert "grey" in answer.text, "the mock says the last result again"
    sent = upstream.sent().text
    for held in ("Be brief.", "look", PIXEL, "get_sky", "city_name", "Bern", "blue_grey", "50", "0.5"):
        assert held in sent, held
    assert "no result" not in sent


def test_a_key_in_the_query(gateway: Standing, upstream: Upstream) -> None:
    answer = httpx.post(
        gateway.root + gemini_path(upstream, "generateContent"), json=ASKED, params={"key": gateway.key}, verify=False
    )

    assert answer.json()["candidates"][0]["content"]["parts"][0]["text"] == TEXT
    sent = upstream.sent()
    assert gateway.key not in sent.query
    assert gateway.key not in str(sent.headers)


@pytest.mark.parametrize(
    "asked",
    [ASKED, {"generateContentRequest": {"model": "models/m", **ASKED}}, {"generate_content_request": ASKED}],
    ids=["contents", "request", "snake"],
)
def test_tokens_are_counted_and_by_whom(http: httpx.Client, upstream: Upstream, asked: dict[str, object]) -> None:
    answer = http.post(gemini_path(upstream, "countTokens"), json=asked)

    assert answer.status_code == 200, answer.text
    by = answer.headers["x-omniroute-token-count"]
    if upstream.dialect in {"gemini", "anthropic"}:
        assert (answer.json()["totalTokens"], by) == (WORDS, "upstream")
    else:
        assert by.startswith("tokenizer")
        assert 5 <= answer.json()["totalTokens"] <= 30


# -- lists of models ----------------------------------------------------------------------------------------------------


def test_models_have_the_shape_of_who_asks(gateway: Standing, upstream: Upstream) -> None:
    known = upstream.fresh(models=["a", "b/c"]).provider
    url = f"{gateway.url}/models"
    bearer = {"authorization": f"Bearer {gateway.key}"}

    def listed(**headers: str) -> dict[str, object]:
        answer = httpx.get(
            url, headers={name.replace("_", "-"): value for name, value in headers.items()}, verify=False
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    openai = listed(**bearer)
    assert openai["object"] == "list"
    ids = [model["id"] for model in openai["data"]]
    assert {f"{known}/a", f"{known}/b/c"} <= set(ids)
    assert {model["object"] for model in openai["data"]} == {"model"}

    anthropic = listed(x_api_key=gateway.key, anthropic_version="2023-06-01")
    assert {model["type"] for model in anthropic["data"]} == {"model"}
    assert anthropic["first_id"] == anthropic["data"][0]["id"]
    assert isinstance(anthropic["has_more"], bool)

    google = listed(x_goog_api_key=gateway.key)
    assert all(model["name"].startswith("models/") for model in google["models"])
    assert "generateContent" in google["models"][0]["supportedGenerationMethods"]
    assert httpx.get(url, params={"key": gateway.key}, verify=False).json().keys() >= {"models"}
    beta = httpx.get(f"{gateway.root}/v1beta/models", headers=bearer, verify=False).json()
    assert beta["models"] == google["models"]

    one = httpx.get(f"{url}/{known}/b/c", headers=bearer | {"anthropic-version": "2023-06-01"}, verify=False).json()
    assert (one["type"], one["id"]) == ("model", f"{known}/b/c")
    for headers, names in (
        (bearer, {"message", "type", "param", "code", "request_id"}),
        ({"x-api-key": gateway.key, "anthropic-version": "2023-06-01"}, {"type", "message"}),
        ({"x-goog-api-key": gateway.key}, {"code", "message", "status"}),
    ):
        missing = httpx.get(f"{url}/{known}/none", headers=headers, verify=False)
        assert missing.status_code == 404
        assert set(missing.json()["error"]) == names
