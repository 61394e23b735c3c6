"""Requests that are wrong, over HTTP: a 400 in the client's dialect, soon, and the gateway goes on as before."""

from __future__ import annotations

import time

import msgspec
import pytest

from tests.e2e.caller import Answer, call, calling
from tests.e2e.standing import Standing
from tests.fakes.upstream import Talk, scripted
from tests.pipeline.speech import ANSWERS, ASKS, TEXT

pytestmark = pytest.mark.slow  # several requests each, through a gateway of four processes

NOBODY = "http://127.0.0.1:9/v1"
"""Who is asked there answers with a refused connection, which would not be a 400."""
SAID = b"Say hi"
DEEP = b'"of_tomorrow":' + b"[" * 100_000 + b"]" * 100_000
MANY = 100_001
LISTS = {"openai_completions": ("stop", b'"x"'), "openai_responses": ("input", b"{}"), "gemini": ("contents", b"{}")}


def far_from(near: str) -> str:
    return "openai_chat" if near == "anthropic" else "anthropic"


def asking(near: str, provider: str) -> tuple[str, bytes]:
    """Path and body of a request of ``near`` to ``provider``."""
    path, _, body = ASKS[near].request(stream=False)
    return path.replace("acme/m", f"{provider}/m"), body.replace(b"acme/m", f"{provider}/m".encode())


def wrong(near: str, body: bytes) -> dict[str, bytes]:
    """``body``, spoiled, by what is the matter with it."""
    end = body.removesuffix(b"}")
    field, items = LISTS.get(near, ("messages", b"{}"))
    many = msgspec.json.decode(body) | {field: msgspec.Raw(b"[" + (items + b",") * MANY + items + b"]")}
    return {
        "empty": b"",
        "half": body.replace(SAID, rb"a\ud800b"),
        "not utf-8": body.replace(SAID, b"a\xffb"),
        "cut": end[:-3],
        "deep": end + b"," + DEEP + b"}",
        "no number": end + b',"of_tomorrow":NaN}',
        "many": msgspec.json.encode(many),
    }


def told(near: str, answer: Answer) -> str:
    """The message of an error in the words of ``near``."""
    body = msgspec.json.decode(answer.body)
    error = body["error"]
    if near == "ollama":
        assert isinstance(error, str)
        return error
    match near:
        case "anthropic":
            assert (body["type"], error["type"]) == ("error", "invalid_request_error")
        case "gemini":
            assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
        case _:
            assert error["type"] == "invalid_request_error"
    return str(error["message"])


@pytest.mark.parametrize("near", list(ASKS))
async def test_what_is_wrong_is_told_and_the_connection_goes_on(gateway: Standing, near: str) -> None:
    provider = await gateway.connect(NOBODY, dialect=far_from(near))
    path, body = asking(near, provider)
    async with calling(gateway) as caller:
        for what, bad in wrong(near, body).items():
            began = time.monotonic()
            await caller.send(bad, path=path)
            answer = await caller.answer()
            assert answer.status == 400, (what, answer.body)
            assert told(near, answer), what
            assert answer.headers["content-type"] == "application/json"
            assert answer.reusable, what
            assert time.monotonic() - began < 5, what


async def answer_all(talk: Talk) -> None:
    """As an upstream of Chat's dialect, which takes whatever it is sent."""
    while True:
        await talk.request()
        body = ANSWERS["openai_chat"].whole
        await talk.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )


async def test_where_bytes_pass_the_upstream_judges(gateway: Standing) -> None:
    async with scripted(answer_all) as peer:
        provider = await gateway.connect(peer.url() + "/v1", dialect="openai_chat")
        path, body = asking("openai_chat", provider)
        for said in (rb"a\ud800b", b"a\xffb"):
            answer = await call(gateway, body.replace(SAID, said), path=path)
            assert answer.status == 200
            assert TEXT in msgspec.json.decode(answer.body)["choices"][0]["message"]["content"]
            assert said in peer.talks[-1].requests[-1]
