"""Clients of each dialect in front of upstreams of each dialect: what both sides see, and what is written down."""

from __future__ import annotations

import msgspec
import pytest
import trio

from omniroute.errors import UpstreamError
from tests.pipeline.house import DOORS, JSON, Answer, House, connection, house, incoming, snapshot
from tests.pipeline.speech import ANSWERS, ASKS, TEXT

PAIRS = [(near, far) for near in ASKS if near in DOORS for far in ANSWERS if far in DOORS[near].pairs]
NEARS = sorted({near for near, _ in PAIRS})


def upstream(*dialects: str) -> list[Answer]:
    """What upstreams of these dialects say to one request each, streamed."""
    return [
        Answer(headers=((b"content-type", ANSWERS[name].content_type),), body=ANSWERS[name].stream) for name in dialects
    ]


def speaking(*dialects: str) -> list[object]:
    return [connection(f"{number}-{name}", dialect=name, priority=number) for number, name in enumerate(dialects)]


def payload(h: House) -> bytes:
    """What the client got, without the framing of its chunks."""
    _, _, rest = h.received().partition(b"HEAD ")
    if not h.reply.streamed:
        return rest
    found = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found, rest = found + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return found


def events(near: str, stream: bytes) -> list[tuple[bytes, bytes]]:
    """Name and data of each event of a client's stream."""
    if near == "ollama":
        return [(b"", one) for one in stream.splitlines() if one]
    found = []
    for block in stream.split(b"\n\n"):
        fields = dict(one.partition(b": ")[::2] for one in block.splitlines() if not one.startswith(b":"))
        if b"data" in fields:
            found.append((fields.get(b"event", b""), fields[b"data"]))
    return found


def check(near: str, stream: bytes) -> list[tuple[bytes, bytes]]:
    """The events of a client's stream, whose grammar is right."""
    checker = DOORS[near].client.checker()
    found = events(near, stream)
    for name, data in found:
        checker.event(name, data)
    checker.end()
    return found


def text_in(data: bytes) -> bool:
    return TEXT.encode() in data.replace(rb"\u003c", b"<").replace(rb"\u003e", b">")


@pytest.mark.parametrize(("near", "far"), PAIRS)
async def test_a_whole_answer(near: str, far: str) -> None:
    said = ANSWERS[far]
    async with house(Answer(body=said.whole), configured=snapshot(*speaking(far))) as h:
        await h.ask(near)
        assert text_in(h.reply.body)
        msgspec.json.decode(h.reply.body)
        assert h.reply.headers[b"content-type"] == b"application/json"
        (sent,) = h.upstream.requests
        assert sent.path == said.path
        assert said.credential in dict(sent.headers)
        assert b"Say hi" in b"".join(sent.body)
        (record,) = h.journal.records
        assert (record.outcome, record.usage.known, record.usage.input_total, record.usage.output_total) == (
            "ok", True, 7, 3,
        )  # fmt: skip


@pytest.mark.parametrize(("near", "far"), PAIRS)
async def test_a_stream(near: str, far: str) -> None:
    said = ANSWERS[far]
    async with house(*upstream(far), configured=snapshot(*speaking(far))) as h:
        await h.ask(near, stream=True)
        stream = payload(h)
        check(near, stream)
        assert text_in(stream)
        assert h.reply.headers[b"content-type"] == dict(DOORS[near].client.stream_headers)[b"content-type"]
        assert h.upstream.requests[0].path == said.stream_path
        (record,) = h.journal.records
        assert (record.outcome, record.streamed, record.usage.input_total, record.usage.output_total) == (
            "ok", True, 7, 3,
        )  # fmt: skip
        assert h.summaries[0].first_token_ms >= 0


@pytest.mark.parametrize(("near", "far"), PAIRS)
async def test_a_failure_before_anything_was_said_is_the_next_targets_chance(near: str, far: str) -> None:
    said = ANSWERS[far]
    both = snapshot(*speaking(far, "openai_chat"))
    failing = Answer(headers=((b"content-type", said.content_type),), body=said.head + said.failure)
    async with house(failing, *upstream("openai_chat"), configured=both) as h:
        await h.ask(near, stream=True)
        assert [record.outcome for record in h.journal.records] == ["upstream_error", "ok"]
        stream = payload(h)
        check(near, stream)
        assert b"gpu on fire" not in stream
        assert text_in(stream)


@pytest.mark.parametrize(("near", "far"), PAIRS)
@pytest.mark.parametrize("cut", [False, True])
async def test_a_failure_after_it_is_told_in_the_clients_dialect(near: str, far: str, cut: bool) -> None:
    said = ANSWERS[far]
    body = said.head + said.said + (b"" if cut else said.failure)
    both = snapshot(*speaking(far, "openai_chat"))
    async with house(Answer(headers=((b"content-type", said.content_type),), body=body), configured=both) as h:
        await h.ask(near, stream=True)
        stream = payload(h)
        assert text_in(stream)
        if near != far:  # bytes that pass are the upstream's own words, up to and including its error
            check(near, stream)
        assert (b"gpu on fire" in stream) is not cut
        assert b"error" in events(near, stream)[-1][1]
        (record,) = h.journal.records
        assert record.outcome == "upstream_error"
        assert record.error_class == ("truncated" if cut else "in_band_error")


@pytest.mark.parametrize(("near", "far"), PAIRS)
async def test_an_error_under_a_success_is_a_failure(near: str, far: str) -> None:
    failing = Answer(headers=JSON, body=b'{"error":{"message":"gpu on fire","type":"server_error","code":500}}')
    async with house(failing, configured=snapshot(*speaking(far))) as h:
        with pytest.raises(UpstreamError, match="gpu on fire") as caught:
            await h.ask(near)
        assert DOORS[near].client.error_status(caught.value) >= 500
        assert b"gpu on fire" in DOORS[near].client.error_body(caught.value, "req_1")
        assert not h.reply.begun


@pytest.mark.parametrize(("near", "far"), PAIRS)
async def test_a_stream_although_an_answer_was_asked_for(near: str, far: str) -> None:
    said = ANSWERS[far]
    answer = Answer(headers=((b"content-type", said.content_type),), body=said.stream)
    async with house(answer, configured=snapshot(*speaking(far))) as h:
        await h.ask(near)
        assert text_in(h.reply.body)
        msgspec.json.decode(h.reply.body)
        assert h.reply.headers[b"content-type"] == b"application/json"
        (record,) = h.journal.records
        assert (record.outcome, record.usage.input_total, record.usage.output_total) == ("ok", 7, 3)


@pytest.mark.parametrize(("near", "far"), PAIRS)
async def test_an_answer_although_a_stream_was_asked_for(near: str, far: str) -> None:
    async with house(Answer(headers=JSON, body=ANSWERS[far].whole), configured=snapshot(*speaking(far))) as h:
        await h.ask(near, stream=True)
        stream = payload(h)
        if not near == far == "openai_chat":  # there every member stays, usage too
            check(near, stream)
        assert text_in(stream)
        assert h.reply.headers[b"content-type"] == dict(DOORS[near].client.stream_headers)[b"content-type"]
        (record,) = h.journal.records
        assert (record.outcome, record.usage.input_total, record.usage.output_total) == ("ok", 7, 3)


@pytest.mark.parametrize(("near", "far"), PAIRS)
async def test_the_usage_of_a_client_that_left_is_what_was_told_until_then(near: str, far: str) -> None:
    said = ANSWERS[far]
    answer = Answer(headers=((b"content-type", said.content_type),), body=said.head + said.said, open_end=True)
    async with house(answer, configured=snapshot(*speaking(far))) as h:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(h.ask_gone, near)
            await h.until(lambda: text_in(h.received()))
            h.peer.close()
        (record,) = h.journal.records
        assert record.outcome == "client_gone"
        assert record.usage.known == (far in ("anthropic", "gemini"))  # the others tell it at the end


ARRAYS = [far for near, far in PAIRS if near == "gemini"]


async def ask_for_an_array(h: House) -> None:
    asked = ASKS["gemini"]
    body = msgspec.json.encode(asked.body)
    request = incoming(body, h.client, path=asked.stream_path, received_at=trio.current_time())
    await h.pipeline.chat(DOORS["gemini"], request, h.reply)


def elements(h: House) -> list[dict[str, object]]:
    assert h.reply.headers[b"content-type"].startswith(b"application/json")
    found = msgspec.json.decode(payload(h), type=list[dict[str, object]])
    checker = DOORS["gemini"].client.checker()
    for one in found:
        checker.event(b"", msgspec.json.encode(one))
    checker.end()
    return found


def array_of(stream: bytes) -> bytes:
    """Google's other way to stream: the same objects as one array."""
    return b"[" + b"\r\n,\r\n".join(data for _, data in events("gemini", stream)) + b"\r\n]\r\n"


@pytest.mark.parametrize("far", ARRAYS)
async def test_a_stream_as_an_array(far: str) -> None:
    said = ANSWERS[far]
    body = array_of(said.stream) if far == "gemini" else said.stream
    async with house(Answer(headers=JSON, body=body), configured=snapshot(*speaking(far))) as h:
        await ask_for_an_array(h)
        assert text_in(payload(h))
        assert elements(h)
        (record,) = h.journal.records
        assert (record.outcome, record.streamed, record.usage.input_total) == ("ok", True, 7)


@pytest.mark.parametrize("far", ARRAYS)
async def test_an_array_that_breaks_off_is_an_array_all_the_same(far: str) -> None:
    said = ANSWERS[far]
    body = said.head + said.said
    body = array_of(body).rstrip(b"]\r\n") if far == "gemini" else body
    async with house(Answer(headers=JSON, body=body), configured=snapshot(*speaking(far))) as h:
        await ask_for_an_array(h)
        assert text_in(payload(h))
        assert "error" in elements(h)[-1]
        assert [record.error_class for record in h.journal.records] == ["truncated"]


@pytest.mark.parametrize(("near", "far"), PAIRS)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_page_is_no_answer(near: str, far: str, stream: bool) -> None:
    page = Answer(headers=((b"content-type", b"text/html"),), body=b"<html>\n<p>Please log in.</p>\n</html>\n")
    async with house(page, configured=snapshot(*speaking(far))) as h:
        with pytest.raises(UpstreamError, match="base URL") as caught:
            await h.ask(near, stream=stream)
        assert caught.value.status == 502
        assert [record.error_class for record in h.journal.records] == ["malformed"]
