"""The commit point on real sockets: until the first content a failure is the next connection's chance, whatever either of
them speaks; after it the client is told in its own dialect, and never that the answer was complete.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import cycle

import msgspec
import pytest
import trio

from tests.e2e import answers
from tests.e2e.caller import Answer, Caller, calling
from tests.e2e.standing import Standing
from tests.fakes.upstream import Script, Talk, scripted
from tests.pipeline.speech import ANSWERS, ASKS
from tests.pipeline.test_dialects import check, text_in

OTHERS = dict(zip(ANSWERS, [*list(ANSWERS)[1:], next(iter(ANSWERS))], strict=True))
"""To each dialect another one, that of the second connection."""
LABELS = ("one", "two")
HELD_S = 0.5
"""More than the silence after which clients that wait for a head get it."""


def speaking(dialect: str, *pieces: bytes, end: bytes = answers.LAST_CHUNK) -> Script:
    """An upstream that says ``pieces``, a chunk each, and ``end``."""
    said = ANSWERS[dialect]
    head = answers.head(200, said.content_type.decode(), "transfer-encoding: chunked")

    async def speak(talk: Talk) -> None:
        await talk.request()
        await talk.send(head + answers.chunked(*filter(None, pieces)) + end)
        if end:
            await talk.gone()

    return speak


def whole(dialect: str) -> Script:
    said = ANSWERS[dialect]
    return speaking(dialect, said.head, said.said, said.rest)


@asynccontextmanager
async def behind(gateway: Standing, *upstreams: tuple[str, Script]) -> AsyncIterator[str]:
    """A provider with a connection to each of the upstreams, tried in this order."""
    provider = ""
    async with trio.open_nursery() as nursery:
        for label, (dialect, script) in zip(LABELS, upstreams, strict=False):
            peer = await nursery.start(_listen, script)
            provider = await gateway.connect(f"{peer}/v1", provider=provider, label=label, dialect=dialect)
        yield provider
        nursery.cancel_scope.cancel()


async def _listen(script: Script, task_status: trio.TaskStatus[str]) -> None:
    async with scripted(script) as peer:
        task_status.started(peer.url())
        await trio.sleep_forever()


async def ask(caller: Caller, near: str, provider: str) -> None:
    path, query, body = ASKS[near].request(stream=True)
    path = path.replace("acme/", f"{provider}/") + (f"?{query.decode()}" if query else "")
    await caller.send(body.replace(b"acme/", f"{provider}/".encode()), path=path)


async def answer(gateway: Standing, near: str, provider: str) -> Answer:
    async with calling(gateway) as caller:
        await ask(caller, near, provider)
        return await caller.answer()


def told(near: str, body: bytes) -> list[dict[str, object]]:
    """The events of a stream; that an error is the last of them is checked by the callers."""
    if near == "ollama":
        return [msgspec.json.decode(line) for line in body.splitlines()]
    lines = body.replace(b"\r\n", b"\n").split(b"\n")
    return [msgspec.json.decode(line[6:]) for line in lines if line.startswith(b"data: {")]


def is_complete(near: str, body: bytes) -> bool:
    """Whether a client would take the answer for whole."""
    events = told(near, body)
    if near == "anthropic":
        return any(event["type"] in {"message_delta", "message_stop"} for event in events)
    if near == "openai_responses":
        return any(event["type"] in {"response.completed", "response.incomplete"} for event in events)
    if near == "ollama":
        return any(event.get("done") for event in events)
    if near == "gemini":
        return any("finishReason" in one for event in events for one in event.get("candidates", ()))
    choices = [choice for event in events for choice in event.get("choices", ())]
    return b"[DONE]" in body or any(choice.get("finish_reason") for choice in choices)


def is_error(near: str, event: dict[str, object]) -> bool:
    if near in {"anthropic", "openai_responses"}:
        return event["type"] in {"error", "response.failed"}
    return "error" in event


@pytest.mark.parametrize("near", ASKS)
async def test_an_error_first_is_the_next_connections_chance(gateway: Standing, near: str) -> None:
    async with trio.open_nursery() as nursery:  # all at once: each waits for its rows
        for far in ANSWERS:
            nursery.start_soon(_fails_first, gateway, near, far)


async def _fails_first(gateway: Standing, near: str, far: str) -> None:
    said, other = ANSWERS[far], OTHERS[far]
    failing = speaking(far, said.head, said.failure)
    async with behind(gateway, (far, failing), (other, whole(other))) as provider:
        heard = await answer(gateway, near, provider)
        rows = await gateway.rows(provider=provider, count=2)

    assert (heard.status, heard.headers["x-omniroute-connection"], heard.headers["x-omniroute-attempts"]) == (
        200, "two", "2",
    ), far  # fmt: skip
    check(near, heard.body)
    assert text_in(heard.body), far
    assert is_complete(near, heard.body), far
    assert b"gpu on fire" not in heard.body, far
    assert [row.outcome for row in rows] == ["upstream_error", "ok"]


BREAKS: dict[str, Callable[[str], Script]] = {
    "error event": lambda far: speaking(far, ANSWERS[far].head, ANSWERS[far].said, ANSWERS[far].failure),
    "end without an end": lambda far: speaking(far, ANSWERS[far].head, ANSWERS[far].said),
    "closed": lambda far: speaking(far, ANSWERS[far].head, ANSWERS[far].said, end=b""),
}


@pytest.mark.parametrize("near", ASKS)
@pytest.mark.parametrize("how", BREAKS)
async def test_an_error_after_content_is_told_in_band(gateway: Standing, near: str, how: str) -> None:
    async with trio.open_nursery() as nursery:  # as above
        for far in ANSWERS:
            nursery.start_soon(_breaks_off, gateway, near, far, how)


async def _breaks_off(gateway: Standing, near: str, far: str, how: str) -> None:
    other = OTHERS[far]
    async with behind(gateway, (far, BREAKS[how](far)), (other, whole(other))) as provider:
        heard = await answer(gateway, near, provider)
        (row,) = await gateway.rows(provider=provider)

    assert (heard.status, heard.headers["x-omniroute-attempts"]) == (200, "1"), far
    if near != far:  # else the bytes are the upstream's own
        check(near, heard.body)
    assert text_in(heard.body), far
    assert is_error(near, told(near, heard.body)[-1]), far
    assert not is_complete(near, heard.body), how
    assert (b"gpu on fire" in heard.body) == (how == "error event")
    assert row.outcome == "upstream_error"


class Slow:
    """An upstream that says its first events, and the rest when it is told to."""

    def __init__(self, dialect: str, rest: Callable[[str], bytes]) -> None:
        self.dialect = dialect
        self.go_on = trio.Event()
        self._rest = rest(dialect)

    async def __call__(self, talk: Talk) -> None:
        said = ANSWERS[self.dialect]
        await talk.request()
        await talk.send(answers.head(200, said.content_type.decode(), "transfer-encoding: chunked"))
        await talk.send(answers.chunked(said.head))
        await self.go_on.wait()
        await talk.send(answers.chunked(self._rest) + answers.LAST_CHUNK)
        await talk.gone()


HEADED = [name for name, said in ANSWERS.items() if said.head]
"""Upstreams whose streams begin with events that say nothing."""


@pytest.mark.slow
@pytest.mark.parametrize("far", HEADED)
@pytest.mark.parametrize("failing", [False, True])
async def test_anthropics_clients_get_the_head_of_a_silent_stream(
    gateway: Standing, far: str, *, failing: bool
) -> None:
    rest = (lambda name: ANSWERS[name].failure) if failing else (lambda name: ANSWERS[name].said + ANSWERS[name].rest)
    slow, other = Slow(far, rest), OTHERS[far]
    async with behind(gateway, (far, slow), (other, whole(other))) as provider, calling(gateway) as caller:
        await ask(caller, "anthropic", provider)
        head = await caller.head()
        assert head.status_code == 200
        first = await caller.data()
        assert b"message_start" in first
        assert not text_in(first)
        slow.go_on.set()
        body = first
        while data := await caller.data():
            body += data
    check("anthropic", body)
    assert body.count(b"event: message_start") == 1
    assert is_complete("anthropic", body) != failing
    assert is_error("anthropic", told("anthropic", body)[-1]) == failing, "it has begun: nobody else can be asked"


@pytest.mark.slow
async def test_other_clients_see_nothing_of_a_silent_stream_that_fails(gateway: Standing) -> None:
    async with trio.open_nursery() as nursery:  # all at once: each is silent for a while
        for near, far in zip([near for near in ASKS if near != "anthropic"], cycle(HEADED), strict=False):
            nursery.start_soon(_fails_in_silence, gateway, near, far)


async def _fails_in_silence(gateway: Standing, near: str, far: str) -> None:
    slow, other = Slow(far, lambda name: ANSWERS[name].failure), OTHERS[far]
    async with behind(gateway, (far, slow), (other, whole(other))) as provider, calling(gateway) as caller:
        await ask(caller, near, provider)
        with trio.move_on_after(HELD_S) as held:
            await caller.head()
        assert held.cancelled_caught
        slow.go_on.set()
        heard = await caller.answer()
    assert (heard.status, heard.headers["x-omniroute-attempts"]) == (200, "2")
    check(near, heard.body)
    assert is_complete(near, heard.body)
    assert b"gpu on fire" not in heard.body
