"""Recorded answers of real providers pass through the whole gateway byte for byte, in whatever pieces they come.

The recordings are not part of the repository; without them these tests are skipped.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec
import pytest

from tests.e2e import answers
from tests.e2e.caller import call, calling, chat
from tests.e2e.standing import Standing
from tests.fakes.upstream import Script, Talk, scripted

RECORDED: Final = Path(__file__).parents[3] / "shared" / "fixtures" / "recorded"
FOLDERS: Final = ("openai-chat", "deepseek", "openrouter")

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not beside this checkout")


class Recording(msgspec.Struct, frozen=True):
    """An entry of the manifest."""

    file: str
    framing: str
    http_status: int | None = None
    content_type: str | None = None

    @property
    def data(self) -> bytes:
        return (RECORDED / self.file).read_bytes()


class _Manifest(msgspec.Struct, frozen=True):
    recordings: tuple[Recording, ...]


def recordings(framing: str) -> list[Recording]:
    if not RECORDED.is_dir():
        return []
    manifest = msgspec.json.decode((RECORDED / "MANIFEST.json").read_bytes(), type=_Manifest)
    return [r for r in manifest.recordings if r.file.startswith(FOLDERS) and r.framing == framing]


STREAMS: Final = recordings("sse")
BODIES: Final = recordings("json body")


def name(recording: Recording) -> str:
    return recording.file


def head_of(stream: Recording) -> bytes:
    kind = stream.content_type or "text/event-stream"
    return answers.head(200, kind, f"content-length: {len(stream.data)}")


def without_usage_chunks(data: bytes) -> bytes:
    """What a client that did not ask for usage sees: no event whose ``choices`` is empty and whose ``usage`` is not."""
    events = re.split(rb"(?<=\n\n)", data)
    return b"".join(e for e in events if not (b'"choices":[]' in e.replace(b" ", b"") and b'"completion_tokens"' in e))


def test_there_are_recordings() -> None:
    assert (len(STREAMS), len(BODIES)) == (23, 12)
    assert sum(without_usage_chunks(stream.data) != stream.data for stream in STREAMS) > 3


async def through(gateway: Standing, script: Script, *, usage: bool) -> bytes:
    more = {"stream_options": {"include_usage": True}} if usage else {}
    async with scripted(script) as peer:
        provider = await gateway.connect(peer.url())
        answer = await call(gateway, chat(f"{provider}/m", **more))
    assert answer.status == 200
    return answer.body


@pytest.mark.parametrize("stream", STREAMS, ids=name)
async def test_a_recorded_stream_arrives_as_it_was_sent(gateway: Standing, stream: Recording) -> None:
    async def whole(talk: Talk) -> None:
        await talk.serve(head_of(stream) + stream.data)

    assert await through(gateway, whole, usage=True) == stream.data


@pytest.mark.parametrize("stream", STREAMS, ids=name)
async def test_only_the_usage_chunk_nobody_asked_for_is_left_out(gateway: Standing, stream: Recording) -> None:
    async def whole(talk: Talk) -> None:
        await talk.serve(head_of(stream) + stream.data)

    assert await through(gateway, whole, usage=False) == without_usage_chunks(stream.data)


@pytest.mark.slow
@pytest.mark.parametrize("usage", [True, False])
@pytest.mark.parametrize("stream", STREAMS, ids=name)
async def test_a_recorded_stream_arrives_in_single_bytes(gateway: Standing, stream: Recording, *, usage: bool) -> None:
    """One byte per write on a socket without Nagle's delay: every boundary of the stream is one of the wire's."""
    data = stream.data

    async def bytewise(talk: Talk) -> None:
        await talk.request()
        await talk.send(head_of(stream))
        for at in range(len(data)):
            await talk.send(data[at : at + 1])
        await talk.gone()

    assert await through(gateway, bytewise, usage=usage) == (data if usage else without_usage_chunks(data))


@pytest.mark.slow
@pytest.mark.parametrize("stream", STREAMS[:1], ids=name)
async def test_a_recorded_stream_arrives_cut_in_two_at_every_byte(gateway: Standing, stream: Recording) -> None:
    """As two HTTP chunks, one cut after another on one connection: framing inside an event, inside a line end."""
    first, second, *_ = stream.data.split(b"\n\n")
    data = first + b"\n\n" + second + b"\n\n" + answers.DONE

    async def two(talk: Talk) -> None:
        for cut in range(1, len(data)):
            await talk.request()
            await talk.send(answers.STREAM_HEAD + answers.chunked(data[:cut], data[cut:]) + answers.LAST_CHUNK)
        await talk.gone()

    async with scripted(two) as peer:
        provider = await gateway.connect(peer.url())
        async with calling(gateway) as caller:
            for _ in range(1, len(data)):
                await caller.send(chat(f"{provider}/m", stream_options={"include_usage": True}))
                assert (await caller.answer()).body == data
        assert len(peer.talks) == 1


@pytest.mark.parametrize("body", BODIES, ids=name)
async def test_a_recorded_body_arrives_as_it_was_sent(gateway: Standing, body: Recording) -> None:
    status = body.http_status or 200
    data = answers.whole(body.data, status=status, kind=body.content_type or "application/json")
    async with scripted(lambda talk: talk.serve(data)) as peer:
        provider = await gateway.connect(peer.url())
        answer = await call(gateway, chat(f"{provider}/m", stream=False))
    if status < 300 and b'"choices"' in body.data:
        assert (answer.status, answer.body) == (200, body.data)
        assert answer.headers["content-type"] == (body.content_type or "application/json")
        return
    # an error is told in our own shape, with the provider's words in it
    assert answer.status == (status if status >= 400 else 400)
    told = msgspec.json.decode(body.data)["error"]
    assert answer.error["request_id"] == answer.headers["x-request-id"]
    assert told["message"].split("sk-")[0][:20] in str(answer.error["message"])


ODD: Final = (
    b'\n {"temperature" : 1.0e0,\t"messages":[ {"role":"user" ,"content":"\\u00e9\xc3\xa9\\/\\ud83d\\ude00"} ] ,'
    b' "zz":{"b":1E5,"a":-0.0}, "model"\r\n:"%b","seed":12345678901234567890123,"top_p":0.10000000000000000000001 }\n'
)
"""Spellings that a parser and a writer would not give back."""

REQUESTS: Final = (
    # what is sent, what the upstream gets: %b is the model
    (b'{"model":"%b","messages":[]}', b'{"model":"m","messages":[]}'),
    (ODD, ODD.replace(b"%b", b"m")),
    (
        b'{"model":"%b","stream":true,"messages":[],"stream_options":{"odd":[1.50]}}',
        b'{"model":"m","stream":true,"messages":[],"stream_options":{"include_usage":true,"odd":[1.50]}}',
    ),
    (
        b'{"messages":[],"stream_options":{"include_usage":true , "x":1},"stream":true,"model":"%b"}',
        b'{"messages":[],"stream_options":{"include_usage":true , "x":1},"stream":true,"model":"m"}',
    ),
    (
        b'{"messages":[],"stream":true,"model":"%b"}',
        b'{"stream_options":{"include_usage":true},"messages":[],"stream":true,"model":"m"}',
    ),
    (
        b'{"zz":1,"model":"%b","messages":[],"stream":null,"zz":2}',
        b'{"zz":1,"model":"m","messages":[],"stream":null,"zz":2}',
    ),
)


@pytest.mark.parametrize("number", range(len(REQUESTS)))
async def test_a_request_differs_in_the_fields_we_own_alone(gateway: Standing, number: int) -> None:
    sent, wanted = REQUESTS[number]
    streamed = b'"stream":true' in sent
    async with scripted(lambda talk: talk.serve(answers.stream() if streamed else answers.whole())) as peer:
        provider = await gateway.connect(peer.url(), headers={"x-extra": "1"})
        answer = await call(gateway, sent.replace(b"%b", f"{provider}/m".encode()))
        head, _, body = peer.talks[0].requests[0].partition(b"\r\n\r\n")
    assert answer.status == 200
    assert body == wanted
    line, *headers = head.lower().split(b"\r\n")
    assert line == b"post /chat/completions http/1.1"
    assert b"authorization: bearer sk-upstream" in headers
    assert b"x-extra: 1" in headers
    assert gateway.key.encode().lower() not in head.lower(), "our own key is nobody's business"


async def test_a_request_of_megabytes_arrives_whole(gateway: Standing) -> None:
    image = b"A" * (5 * 1024 * 1024)
    sent = (
        b'{"model":"%b","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,'
        + image
        + b'"}}]}]}'
    )
    async with scripted(lambda talk: talk.serve(answers.whole())) as peer:
        provider = await gateway.connect(peer.url())
        answer = await call(gateway, sent.replace(b"%b", f"{provider}/m".encode(), 1))
        got = peer.talks[0].requests[0].partition(b"\r\n\r\n")[2]
    assert answer.status == 200
    assert got == sent.replace(b"%b", b"m", 1)
