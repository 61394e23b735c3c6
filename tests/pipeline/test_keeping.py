"""Responses kept by the gateway: a request goes on from one, an answer becomes one before its last byte is sent."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Quirks, Snapshot, StoredResponse
from omniroute.errors import ClientError
from tests.pipeline.house import JSON, Answer, House, connection, house, snapshot
from tests.pipeline.speech import ANSWERS, TEXT

STORED = b'{"input_items":[{"id":"msg_1","role":"user","content":"Name a town"}],"context_items":[],"body":%b}' % (
    b'{"id":"resp_old","output":[{"id":"msg_2","type":"message","role":"assistant","status":"completed",'
    b'"content":[{"type":"output_text","text":"Delft","annotations":[]}]}]}'
)


def speaking(dialect: str, **changes: object) -> Snapshot:
    return snapshot(connection("one", dialect=dialect, **changes))


def sent(h: House) -> dict[str, object]:
    (request,) = h.upstream.requests
    body = msgspec.json.decode(b"".join(request.body))
    assert isinstance(body, dict)
    return body


def kept(h: House) -> StoredResponse:
    (response,) = h.kept
    return response


@pytest.mark.parametrize("far", ["openai_chat", "anthropic", "gemini", "ollama", "openai_responses"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_kept_before_the_client_has_it(far: str, stream: bool) -> None:
    said = ANSWERS[far]
    answer = (
        Answer(headers=((b"content-type", said.content_type),), body=said.stream) if stream else Answer(body=said.whole)
    )
    async with house(answer, configured=speaking(far)) as h:
        await h.ask("openai_responses", stream=stream)

        body = msgspec.json.decode(kept(h).body)
        assert body["id"] == kept(h).response_id
        assert body["status"] == "completed"
        assert TEXT in msgspec.json.encode(body).decode()
        assert kept(h).key_id == "key_1"
        (own,) = msgspec.json.decode(kept(h).input_items)
        assert own["id"]
        if not stream:
            assert h.story.index(f"keep {kept(h).response_id}") < h.story.index("complete 200")


@pytest.mark.parametrize("far", ["openai_chat", "openai_responses"])
async def test_what_the_client_does_not_want_stored_is_not(far: str) -> None:
    async with house(Answer(body=ANSWERS[far].whole), configured=speaking(far)) as h:
        await h.ask("openai_responses", store=False)
        assert not h.kept


async def test_a_request_goes_on_from_a_kept_answer() -> None:
    async with house(Answer(body=ANSWERS["openai_chat"].whole), configured=speaking("openai_chat")) as h:
        h.control.answers["GET", "/v1/responses/resp_old"] = (200, STORED)

        await h.ask("openai_responses", previous_response_id="resp_old", input="And a river?")

        said = [(m["role"], m["content"]) for m in sent(h)["messages"]]
        assert said == [("user", "Name a town"), ("assistant", "Delft"), ("user", "And a river?")]
        assert h.control.asked[0][2].startswith(b"sk-or-")  # in the name of the client's own key
        assert msgspec.json.decode(h.reply.body)["previous_response_id"] == "resp_old"
        assert kept(h).previous_response_id == "resp_old"
        assert [item["id"] for item in msgspec.json.decode(kept(h).context_items)] == ["msg_1", "msg_2"]
        assert len(msgspec.json.decode(kept(h).input_items)) == 1


async def test_an_item_is_referred_to_instead_of_repeated() -> None:
    async with house(Answer(body=ANSWERS["openai_chat"].whole), configured=speaking("openai_chat")) as h:
        h.control.answers["GET", "/v1/responses/resp_old"] = (200, STORED)

        await h.ask(
            "openai_responses", previous_response_id="resp_old", input=[{"type": "item_reference", "id": "msg_1"}]
        )

        assert [m["content"] for m in sent(h)["messages"]] == ["Name a town", "Delft", "Name a town"]


async def test_an_id_nobody_keeps_is_refused_by_its_name() -> None:
    async with house(configured=speaking("anthropic")) as h:
        with pytest.raises(ClientError) as caught:
            await h.ask("openai_responses", previous_response_id="resp_gone")
        assert (caught.value.status, caught.value.param) == (400, "previous_response_id")
        assert caught.value.code == "previous_response_not_found"
        assert "resp_gone" in caught.value.message
        assert not h.upstream.requests


async def test_an_id_that_is_not_ours_may_be_the_providers() -> None:
    said = Answer(body=ANSWERS["openai_responses"].whole)
    async with house(said, configured=speaking("openai_responses")) as h:
        await h.ask("openai_responses", previous_response_id="resp_theirs")
        assert sent(h)["previous_response_id"] == "resp_theirs"


async def test_what_a_provider_keeps_itself_is_left_to_it() -> None:
    native = speaking("openai_responses", quirks=Quirks(responses_store=True))
    async with house(Answer(body=ANSWERS["openai_responses"].whole), configured=native) as h:
        await h.ask("openai_responses", previous_response_id="resp_theirs")
        assert sent(h)["previous_response_id"] == "resp_theirs"
        assert not h.kept


async def test_a_failed_answer_is_not_kept() -> None:
    failed = Answer(500, JSON, b'{"error":{"message":"oops"}}')
    async with house(failed, configured=speaking("openai_chat")) as h:
        with pytest.raises(Exception, match="oops"):
            await h.ask("openai_responses")
        assert not h.kept


@pytest.mark.parametrize("previous", [1, [], {}])
async def test_an_id_that_is_no_text_is_refused(previous: object) -> None:
    async with house(configured=speaking("openai_chat")) as h:
        with pytest.raises(ClientError) as caught:
            await h.ask("openai_responses", previous_response_id=previous)
        assert caught.value.param == "previous_response_id"


async def test_other_dialects_keep_nothing() -> None:
    async with house(Answer()) as h:
        await h.chat()
        assert not h.kept
        assert not h.control.asked
