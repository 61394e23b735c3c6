"""How many tokens a request has: asked of the first upstream that counts, else of our own vocabulary."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.errors import UpstreamError
from tests.pipeline.house import DOORS as KNOWN
from tests.pipeline.house import JSON, Answer, House, connection, house, incoming, snapshot
from tests.pipeline.speech import USER

PATH = "/v1/messages/count_tokens"
BODY = msgspec.json.encode({"model": "acme/m", "messages": [USER]})
DEAF = connection("deaf", dialect="openai_chat", priority=1)
CLAUDE = connection("claude", dialect="anthropic", priority=2)
OTHER = connection("other", dialect="anthropic", priority=3)
COUNTED = Answer(body=b'{"input_tokens":12}')
OWN = (200, b'{"tokens":9,"encoding":"o200k_base"}')


async def count(h: House) -> None:
    await h.pipeline.chat(KNOWN["anthropic"], incoming(BODY, h.client, path=PATH), h.reply)


async def test_the_first_upstream_that_counts_is_asked() -> None:
    async with house(COUNTED, configured=snapshot(DEAF, CLAUDE)) as h:
        await count(h)
        assert msgspec.json.decode(h.reply.body) == {"input_tokens": 12}
        assert h.reply.headers[b"x-omniroute-token-count"] == b"upstream"
        assert h.reply.headers[b"x-omniroute-connection"] == b"claude"
        (sent,) = h.upstream.requests
        assert sent.path == PATH.removeprefix("/v1")
        assert msgspec.json.decode(b"".join(sent.body))["model"] == "m"
        (record,) = h.journal.records
        assert (record.outcome, record.usage.input_total, record.usage.known) == ("ok", 0, True)  # it costs nothing


@pytest.mark.parametrize("failure", [Answer(500, JSON, b"{}"), Answer(body=b"<html>"), Answer(body=b"{}")])
async def test_one_that_fails_to_is_followed_by_the_next(failure: Answer) -> None:
    async with house(failure, COUNTED, configured=snapshot(CLAUDE, OTHER)) as h:
        await count(h)
        assert msgspec.json.decode(h.reply.body) == {"input_tokens": 12}
        assert [record.outcome for record in h.journal.records] == ["upstream_error", "ok"]


async def test_a_refusal_of_the_request_is_the_answer() -> None:
    refused = Answer(400, JSON, b'{"type":"error","error":{"type":"invalid_request_error","message":"no such role"}}')
    async with house(refused, configured=snapshot(CLAUDE, OTHER)) as h:
        with pytest.raises(UpstreamError, match="no such role"):
            await count(h)


@pytest.mark.parametrize("others", [[DEAF], [DEAF, CLAUDE]])
async def test_where_no_upstream_counts_we_do(others: list[object]) -> None:
    async with house(Answer(500, JSON, b"{}"), configured=snapshot(*others)) as h:
        h.control.answers["POST", "/api/tokens"] = OWN
        await count(h)
        assert msgspec.json.decode(h.reply.body)["input_tokens"] >= 9
        assert h.reply.headers[b"x-omniroute-token-count"] == b"tokenizer; encoding=o200k_base"
        assert (h.summaries[0].outcome, h.summaries[0].status, h.summaries[0].provider) == ("ok", 200, "")
