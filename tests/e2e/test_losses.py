"""What a translation loses is said, in the head of the answer and in the ledger, or refused: over plain HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import httpx
import msgspec
import pytest
import trio

from tests.e2e.standing import Standing
from tests.e2e.upstreams import TEXT, Upstream

PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/{model}:generateContent",
    "ollama": "/api/chat",
}
USER = {"role": "user", "content": TEXT}
ASKED: Mapping[str, Mapping[str, object]] = {
    "openai_chat": {"messages": [USER]},
    "openai_responses": {"input": TEXT},
    "anthropic": {"max_tokens": 100, "messages": [USER]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]},
    "ollama": {"messages": [USER], "stream": False},
}
TOOL = {"name": "f", "parameters": {"type": "object", "properties": {}}}
CHAT_TOOLS = [{"type": "function", "function": TOOL}]
FORCED = {"type": "function", "function": {"name": "f"}}
ANTHROPIC_TOOLS = [{"name": "f", "input_schema": TOOL["parameters"], "cache_control": {"type": "ephemeral"}}]

Case = tuple[str, str, Mapping[str, object], set[str], set[str]]
CASES: Mapping[str, Case] = {
    # name: client, upstream, what is asked for beside the text, fields that are lost, what else is told
    "chat-anthropic": (
        "openai_chat", "anthropic", {"seed": 7, "logit_bias": {"1": 2}, "n": 2, "user": "me", "store": True},
        {"seed", "logit_bias", "n"}, {"dropped:store"},
    ),
    "chat-anthropic-warmer": (
        "openai_chat", "anthropic", {"temperature": 1.5, "max_tokens": 10}, {"temperature"}, {"approximated:temperature"},
    ),
    "chat-responses": (
        "openai_chat", "openai_responses", {"seed": 7, "stop": ["x"], "presence_penalty": 0.5},
        {"seed", "stop", "presence_penalty"}, set(),
    ),
    "chat-gemini": (
        "openai_chat", "gemini", {"logit_bias": {"1": 2}, "tools": CHAT_TOOLS, "parallel_tool_calls": False, "user": "me"},
        {"logit_bias", "parallel_tool_calls"}, {"dropped:user"},
    ),
    "chat-ollama": (
        "openai_chat", "ollama", {"n": 2, "tools": CHAT_TOOLS, "tool_choice": FORCED}, {"n", "tool_choice"}, set(),
    ),
    "responses-anthropic": (
        "openai_responses", "anthropic", {"top_logprobs": 2, "truncation": "auto", "text": {"verbosity": "low"}},
        {"top_logprobs", "text.verbosity"}, {"dropped:truncation"},
    ),
    "anthropic-chat": (
        "anthropic", "openai_chat", {"top_k": 5, "tools": ANTHROPIC_TOOLS}, {"top_k"}, {"dropped:tools[0].cache_control"},
    ),
    "anthropic-responses": (
        "anthropic", "openai_responses", {"top_k": 5, "stop_sequences": ["x"]}, {"top_k", "stop_sequences"}, set(),
    ),
    "gemini-anthropic": (
        "gemini", "anthropic", {"generationConfig": {"seed": 7, "candidateCount": 2, "maxOutputTokens": 9}},
        {"generationConfig.seed", "generationConfig.candidateCount"}, set(),
    ),
    "gemini-responses": (
        "gemini", "openai_responses", {"generationConfig": {"topK": 7, "stopSequences": ["x"]}},
        {"generationConfig.topK", "generationConfig.stopSequences"}, set(),
    ),
    "ollama-anthropic": (
        "ollama", "anthropic", {"options": {"seed": 7, "num_ctx": 4096}, "keep_alive": "5m"},
        {"options.seed"}, {"dropped:options.num_ctx", "dropped:keep_alive", "synthesised:options.num_predict"},
    ),
    "ollama-gemini": (
        "ollama", "gemini", {"options": {"temperature": 0.5, "repeat_penalty": 1.1}}, set(), {"dropped:options.repeat_penalty"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def http(gateway: Standing) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {gateway.key}", "anthropic-version": "2023-06-01"}
    with httpx.Client(base_url=gateway.root, headers=headers, timeout=20, verify=False) as http:
        yield http


def ask(
    http: httpx.Client, client: str, model: str, asked: Mapping[str, object], *, strict: str = "", stream: bool = False
) -> httpx.Response:
    body: dict[str, object] = {"model": model, **ASKED[client], **asked}
    path = PATHS[client].format(model=body.pop("model")) if client == "gemini" else PATHS[client]
    if client == "gemini":
        path = path.replace(":generate", ":streamGenerate") if stream else path
    elif stream:
        body["stream"] = True
    return http.post(path, json=body, headers={"x-omniroute-strict": strict} if strict else {})


def lossy(answer: httpx.Response) -> set[str]:
    return set(answer.headers["x-omniroute-lossy"].split(", ")) if "x-omniroute-lossy" in answer.headers else set()


CASE = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@CASE
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_losses_are_in_the_head(
    http: httpx.Client, upstreams: Mapping[str, Upstream], case: Case, *, stream: bool
) -> None:
    client, far, asked, lost, told = case
    answer = ask(http, client, upstreams[far].model(), asked, stream=stream)

    assert answer.status_code == 200, answer.text
    assert lossy(answer) == lost
    notes = set(answer.headers["x-omniroute-translation"].split(";"))
    assert told <= notes
    assert {note.partition(":")[2] for note in notes} >= lost


@CASE
def test_a_strict_client_is_refused_instead(http: httpx.Client, upstreams: Mapping[str, Upstream], case: Case) -> None:
    client, far, asked, lost, _ = case
    upstream = upstreams[far]
    before = upstream.counts()
    for word in ("true", "1"):
        answer = ask(http, client, upstream.model(), asked, strict=word)
        if not lost:
            assert answer.status_code == 200, "nothing that matters is lost"
            continue
        assert answer.status_code == 400
        error = answer.json()["error"]
        message = error if isinstance(error, str) else error["message"]
        assert all(field in message for field in lost)
        if client.startswith("openai"):
            assert (error["code"], error["param"] in lost) == ("unsupported_feature", True)
        elif client == "gemini":
            assert error["status"] == "INVALID_ARGUMENT"
        elif client == "anthropic":
            assert error["type"] == "invalid_request_error"
    assert not lost or upstream.counts() == before, "nobody was asked"
    assert ask(http, client, upstream.model(), asked, strict="false").status_code == 200


@pytest.mark.parametrize("client", PATHS)
def test_where_nothing_is_lost_nothing_is_said(
    http: httpx.Client, upstreams: Mapping[str, Upstream], client: str
) -> None:
    same = ask(
        http, client, upstreams[client].model(), {"made_up": 1} if client == "openai_chat" else {}, strict="true"
    )
    assert same.status_code == 200, same.text
    assert "x-omniroute-lossy" not in same.headers
    assert "x-omniroute-translation" not in same.headers
    for upstream in upstreams.values():
        answer = ask(http, client, upstream.model(), {}, strict="yes")
        assert answer.status_code == 200, answer.text
        assert "x-omniroute-lossy" not in answer.headers


async def test_the_ledger_and_the_log_have_the_same_list(gateway: Standing, upstreams: Mapping[str, Upstream]) -> None:
    with httpx.Client(base_url=gateway.root, headers={"authorization": f"Bearer {gateway.key}"}, verify=False) as http:
        answer = ask(http, "openai_chat", upstreams["anthropic"].model(), {"seed": 7, "logit_bias": {"1": 2}})
    (row,) = await gateway.rows(request_id=answer.headers["x-request-id"])
    page = msgspec.json.decode(await gateway.admin("GET", f"/api/ledger?request_id={row.request_id}"))

    assert page["data"][0]["losses"] == answer.headers["x-omniroute-translation"]
    log = gateway.data_dir.with_suffix(".log")
    deadline = time.monotonic() + 5
    while not (found := [line for line in log.read_text().splitlines() if row.request_id in line]):
        assert time.monotonic() < deadline, "the log has no line of the request"
        await trio.sleep(0.02)  # the log is written by another process
    assert any("logit_bias" in line for line in found)


def test_a_long_list_ends_in_a_count(http: httpx.Client, upstreams: Mapping[str, Upstream]) -> None:
    members = {f"member_{number}" + "x" * 30: 1 for number in range(300)}
    answer = ask(http, "openai_chat", upstreams["anthropic"].model(), members)

    told = answer.headers["x-omniroute-translation"]
    assert len(told) <= 1024
    *shown, count = told.split(";")
    assert count == f"+{len(members) + 1 - len(shown)} more", "the members, and the limit that was made up"


def test_no_name_breaks_out_of_a_header(http: httpx.Client, upstreams: Mapping[str, Upstream]) -> None:
    members = {"a\r\nset-cookie: b": 1, "ü;,\u2028": 2, "": 3, "x" * 5000: 4}
    for client in ("openai_chat", "openai_responses"):
        answer = ask(http, client, upstreams["anthropic"].model(), members)
        assert answer.status_code == 200, answer.text
        assert "set-cookie" not in answer.headers
        assert answer.headers["x-omniroute-translation"].isascii()


async def test_another_connection_may_lose_less(gateway: Standing, upstreams: Mapping[str, Upstream]) -> None:
    """Strict: who would lose a field is passed over. A sound is never lost: who cannot hear is passed over anyway."""
    url = upstreams["openai_chat"].mock_url
    provider = await gateway.connect(f"{url}/v1", label="a-deaf", dialect="anthropic", models=["m"])
    await gateway.connect(f"{url}/v1", provider=provider, label="b-whole", dialect="openai_chat", models=["m"])
    sound = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    heard = {"messages": [{"role": "user", "content": [{"type": "text", "text": "hear"}, sound]}]}
    with httpx.Client(base_url=gateway.root, headers={"authorization": f"Bearer {gateway.key}"}, verify=False) as http:
        loose = ask(http, "openai_chat", f"{provider}/m", {"seed": 7})
        strict = ask(http, "openai_chat", f"{provider}/m", {"seed": 7}, strict="true")
        hearing = ask(http, "openai_chat", f"{provider}/m", heard)
        deaf = ask(http, "openai_chat", upstreams["anthropic"].model(), heard)

    assert (loose.headers["x-omniroute-connection"], lossy(loose)) == ("a-deaf", {"seed"})
    assert (strict.headers["x-omniroute-connection"], lossy(strict)) == ("b-whole", set())
    assert (hearing.status_code, hearing.headers["x-omniroute-connection"]) == (200, "b-whole")
    error = deaf.json()["error"]
    assert (deaf.status_code, error["code"], error["param"]) == (400, "unsupported_content", "messages[0].content[1]")
