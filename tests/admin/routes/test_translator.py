from __future__ import annotations

import pytest

from tests.admin.house import House

REQUEST = {"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 9, "seed": 7}


async def test_a_request_and_what_is_lost_of_it(house: House) -> None:
    answer = await house.local.post("/api/translator", json={"from": "openai_chat", "to": "anthropic", "body": REQUEST})
    assert answer.status_code == 200
    told = answer.json()
    assert told["kind"] == "request"
    assert told["path"] == "/messages"
    assert told["body"]["messages"] == [{"role": "user", "content": "x"}]
    assert told["losses"][0]["field"] == "seed"
    assert told["losses"][0]["action"] == "dropped"


async def test_numbers_stay_as_they_are_written(house: House) -> None:
    body = b'{"from":"openai_chat","to":"gemini","body":{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":0.10}}'
    answer = await house.local.post("/api/translator", content=body)
    assert b'"temperature":0.10' in answer.content


async def test_a_stream_is_a_text(house: House) -> None:
    stream = '{"model":"q","created_at":"t","message":{"role":"assistant","content":"Hi"},"done":false}\n' * 2
    stream += (
        '{"model":"q","created_at":"t","message":{"role":"assistant","content":""},"done_reason":"stop","done":true}\n'
    )
    answer = await house.local.post("/api/translator", json={"from": "ollama", "to": "openai_chat", "body": stream})
    told = answer.json()
    assert told["kind"] == "stream"
    assert told["body"].endswith("data: [DONE]\n\n")
    assert told["failure"] == ""


async def test_an_error_of_an_upstream(house: House) -> None:
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    asked = {"from": "anthropic", "to": "openai_chat", "kind": "response", "body": body}
    told = (await house.local.post("/api/translator", json=asked)).json()
    assert told["failure"] == "Overloaded"
    assert told["body"]["error"]["code"] == "overloaded"


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"from": "x", "to": "anthropic", "body": REQUEST}, "from"),
        ({"from": "openai_chat", "to": "x", "body": REQUEST}, "to"),
        ({"from": "openai_chat", "to": "anthropic"}, "body"),
        ({"from": "openai_chat", "to": "anthropic", "body": "hello"}, "body"),
        ({"from": "openai_chat", "to": "anthropic", "body": {}}, "kind"),
        ({"from": "openai_chat", "to": "anthropic", "body": 7}, "body"),
        ({"from": "openai_chat", "to": "anthropic", "body": REQUEST, "quirks": {"x": 1}}, "quirks.x"),
        ({"from": "openai_chat", "to": "anthropic", "body": REQUEST, "kind": "x"}, "kind"),
    ],
)
async def test_what_is_wrong_is_named(house: House, asked: object, param: str) -> None:
    answer = await house.local.post("/api/translator", json=asked)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
