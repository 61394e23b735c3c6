"""What a target's dialect cannot carry: said, refused where the client is strict, passed over where it is content."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.errors import ClientError, UpstreamError
from omniroute.pipeline.encode import STRICT_HEADER
from omniroute.translate import Unsupported
from tests.pipeline.house import SSE, Answer, connection, house, snapshot
from tests.pipeline.speech import ANSWERS

SAID = ANSWERS["anthropic"]
SOUND = {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}
CLAUDE = connection("claude", dialect="anthropic", priority=1)
GPT = connection("gpt", dialect="openai_chat", priority=2)


async def test_what_is_lost_is_said_in_the_answer_the_record_and_the_log() -> None:
    async with house(Answer(body=SAID.whole), configured=snapshot(CLAUDE)) as h:
        await h.ask("openai_chat", seed=3, logprobs=True)
        assert h.reply.headers[b"x-omniroute-lossy"] == b"seed, logprobs"
        told = h.reply.headers[b"x-omniroute-translation"].decode()
        assert {"dropped:seed", "dropped:logprobs", "synthesised:max_tokens"} == set(told.split(";"))
        assert h.journal.records[0].losses == h.summaries[0].losses == told
        assert "seed" not in msgspec.json.decode(b"".join(h.upstream.requests[0].body))


async def test_the_head_of_a_stream_says_it_too() -> None:
    async with house(Answer(headers=SSE, body=SAID.stream), configured=snapshot(CLAUDE)) as h:
        await h.ask("openai_chat", stream=True, seed=3)
        assert h.reply.headers[b"x-omniroute-lossy"] == b"seed"


async def test_where_nothing_is_lost_nothing_is_said() -> None:
    async with house(Answer(body=SAID.whole), Answer(body=SAID.whole), configured=snapshot(CLAUDE)) as h:
        await h.ask("anthropic", top_k=3)
        assert not {b"x-omniroute-lossy", b"x-omniroute-translation"} & h.reply.headers.keys()
        assert h.journal.records[0].losses == ""


@pytest.mark.parametrize("word", [b"true", b"1", b"TRUE"])
async def test_a_strict_client_is_refused_before_anything_is_called(word: bytes) -> None:
    async with house(configured=snapshot(CLAUDE)) as h:
        with pytest.raises(Unsupported, match="seed, logprobs") as caught:
            await h.ask("openai_chat", headers={STRICT_HEADER: word}, seed=3, logprobs=True)
        assert (caught.value.status, caught.value.param, caught.value.code) == (400, "seed", "unsupported_feature")
        assert h.story == []
        assert (h.summaries[0].outcome, h.summaries[0].attempts) == ("client_error", 0)


async def test_a_strict_client_gets_the_target_that_loses_nothing() -> None:
    both = snapshot(CLAUDE, GPT)
    async with house(Answer(body=ANSWERS["openai_chat"].whole), configured=both) as h:
        await h.ask("openai_chat", headers={STRICT_HEADER: b"true"}, seed=3)
        assert h.story[1] == "call gpt"
        assert h.reply.headers[b"x-omniroute-attempts"] == b"1"  # what was passed over was no attempt


async def test_a_target_that_cannot_carry_the_content_is_passed_over() -> None:
    both = snapshot(CLAUDE, GPT)
    async with house(Answer(body=ANSWERS["openai_chat"].whole), configured=both) as h:
        await h.ask("openai_chat", messages=[SOUND])
        assert [step for step in h.story if step.startswith("call")] == ["call gpt"]
        assert len(h.journal.records) == 1


async def test_if_none_can_the_client_is_told() -> None:
    two = snapshot(CLAUDE, connection("other", dialect="anthropic", priority=2))
    async with house(configured=two) as h:
        with pytest.raises(Unsupported) as caught:
            await h.ask("openai_chat", messages=[SOUND])
        assert (caught.value.status, caught.value.param) == (400, "messages[0].content[0]")
        assert h.story == []


async def test_the_failure_of_one_that_could_says_more_than_that_another_could_not() -> None:
    refused = Answer(error=UpstreamError("no connection", error_class="connect"))
    async with house(refused, configured=snapshot(CLAUDE, GPT)) as h:
        with pytest.raises(UpstreamError, match="no connection"):
            await h.ask("openai_chat", messages=[SOUND])


async def test_a_request_that_is_wrong_in_itself_is_nobodys_to_try() -> None:
    async with house(configured=snapshot(CLAUDE, GPT)) as h:
        with pytest.raises(ClientError) as caught:
            await h.ask("openai_chat", messages=[{"role": "king", "content": "off with their heads"}])
        assert not isinstance(caught.value, Unsupported)
        assert h.story == []


async def test_a_connection_of_a_dialect_nobody_knows_is_passed_over() -> None:
    both = snapshot(connection("new", dialect="klingon", priority=1), GPT)
    async with house(Answer(body=ANSWERS["openai_chat"].whole), configured=both) as h:
        await h.ask("openai_chat")
        assert [step for step in h.story if step.startswith("call")] == ["call gpt"]


async def test_a_reason_to_stop_that_nobody_knows_is_in_the_record() -> None:
    odd = SAID.stream.replace(b"end_turn", b"tired")
    async with house(Answer(headers=SSE, body=odd), configured=snapshot(CLAUDE)) as h:
        await h.ask("openai_chat", stream=True)
        assert "approximated:finish_reason" in h.journal.records[0].losses
        assert b'"finish_reason":"stop"' in h.received()
