"""Requests that are wrong, at the pipeline's door: refused before anything is called, or passed on to be judged."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.errors import ClientError, UnknownModel
from tests.pipeline.house import DOORS, Answer, House, connection, house, incoming, snapshot
from tests.pipeline.speech import ANSWERS, ASKS

PAIRS = [(near, far) for near in ASKS for far in ANSWERS]
SAID = b"Say hi"
DEEP = b"[" * 100_000 + b"]" * 100_000
FIELD = {"openai_completions": "prompt", "openai_responses": "input", "gemini": "contents"}
LIMIT = {
    "openai_chat": b'"stop":', "openai_completions": b'"stop":', "anthropic": b'"stop_sequences":',
    "gemini": b'"generationConfig":{"stopSequences":', "ollama": b'"options":{"stop":',
}  # fmt: skip
"""Where each dialect has a list that may not be of any length."""


def speaking(*dialects: str) -> object:
    return snapshot(*(connection(f"{n}-{name}", dialect=name, priority=n) for n, name in enumerate(dialects)))


def body_of(near: str, *, said: bytes = SAID, more: bytes = b"") -> bytes:
    _, _, body = ASKS[near].request(stream=False)
    return body.replace(SAID, said)[:-1] + (b"," + more if more else b"") + b"}"


async def ask(h: House, near: str, body: bytes) -> None:
    await h.pipeline.chat(DOORS[near], incoming(body, h.client, path=ASKS[near].path), h.reply)


async def refused(h: House, near: str, body: bytes) -> ClientError:
    """The refusal of ``body``: told in the client's dialect, and nobody was called or charged."""
    with pytest.raises(ClientError) as caught:
        await ask(h, near, body)
    error = caught.value
    assert not h.upstream.requests
    assert not h.journal.records
    assert not h.reply.begun
    assert DOORS[near].client.error_status(error) == 400
    told = msgspec.json.decode(DOORS[near].client.error_body(error, "req_1"))
    assert error.message in str(told)
    (summary,) = h.summaries
    assert (summary.outcome, summary.status) == ("client_error", 400)
    return error


@pytest.mark.parametrize("said", [rb"Say \ud800 hi", b"Say \xff hi"], ids=["half", "not-utf8"])
@pytest.mark.parametrize(("near", "far"), PAIRS)
async def test_a_text_that_is_none_passes_or_is_refused(near: str, far: str, said: bytes) -> None:
    async with house(Answer(body=ANSWERS[far].whole), configured=speaking(far)) as h:
        if near == far:
            await ask(h, near, body_of(near, said=said))
            (sent,) = h.upstream.requests
            assert said in b"".join(sent.body)
            assert [record.outcome for record in h.journal.records] == ["ok"]
            assert h.reply.status == 200
            assert not h.kept  # nothing can go on from what cannot be read
        else:
            error = await refused(h, near, body_of(near, said=said))
            assert (error.param or "").startswith(FIELD.get(near, "messages"))


@pytest.mark.parametrize(("near", "far"), PAIRS)
async def test_nobody_is_asked_about_what_nests_too_deep(near: str, far: str) -> None:
    async with house(configured=speaking(far)) as h:
        error = await refused(h, near, body_of(near, more=b'"of_tomorrow":' + DEEP))
        assert (error.param or "").startswith("of_tomorrow")


@pytest.mark.parametrize(("near", "far"), [pair for pair in PAIRS if pair[0] != pair[1]])
async def test_what_is_no_json_or_too_many_is_named(near: str, far: str) -> None:
    async with house(configured=speaking(far)) as h:
        error = await refused(h, near, body_of(near, more=b'"of_tomorrow":NaN'))
        assert error.param == "of_tomorrow"
    if near in LIMIT:
        field = LIMIT[near]
        many = field + b'["x"' + b',"x"' * 5000 + b"]" + b"}" * field.count(b"{")
        async with house(configured=speaking(far)) as h:
            error = await refused(h, near, body_of(near, more=many))
            assert (error.param or "").replace(".", "") in field.decode().replace('"', "").replace(":{", "")


@pytest.mark.parametrize("near", sorted(set(ASKS) - {"gemini"}))
async def test_two_models_are_none(near: str) -> None:
    async with house(configured=speaking(near if near in ANSWERS else "openai_chat")) as h:
        error = await refused(h, near, body_of(near, more=b'"model":"acme/other"'))
        assert error.param == "model"


@pytest.mark.parametrize("near", list(ASKS))
async def test_a_body_of_nothing_is_refused(near: str) -> None:
    for body in (b"", b"{}", b"[]", b"null", b"\xff", b'{"model":'):
        async with house(configured=speaking("openai_chat")) as h:
            await refused(h, near, body)


async def test_a_model_nobody_serves_is_not_found_however_bad_the_rest() -> None:
    async with house(configured=speaking("anthropic")) as h:
        with pytest.raises(UnknownModel):
            await ask(h, "openai_chat", b'{"model":"nobody/m","messages":["\\ud800"]}')


@pytest.mark.parametrize("near", list(ANSWERS))
async def test_a_target_that_needs_no_understanding_serves_what_others_could_not_read(near: str) -> None:
    first = "anthropic" if near != "anthropic" else "openai_chat"
    # The client's mistake is the client's: it is not tried elsewhere, though the second target would not have looked.
    async with house(Answer(body=ANSWERS[near].whole), configured=speaking(first, near)) as h:
        error = await refused(h, near, body_of(near, said=rb"Say \ud800 hi"))
        assert error.param
