"""OpenAI Chat streams: which events commit the answer, and what the tap is told to hide."""

from pathlib import Path
from typing import Final

import msgspec
import pytest

from omniroute._speedups import SseTap, event_data
from omniroute.translate.dialects.openai_chat.peek import peek
from omniroute.translate.dialects.openai_chat.stream import EventKind, classify_event, tap, unfold
from tests.translate.dialects.openai_chat.asking import Asking

RECORDED: Final = Path(__file__).parents[5] / "shared" / "fixtures" / "recorded"


def chunk(choice: str) -> bytes:
    return f'{{"id":"c","object":"chat.completion.chunk","model":"m","choices":[{choice}],"usage":null}}'.encode()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", EventKind.HANDSHAKE),
        (b" [DONE] ", EventKind.DONE),
        (chunk(""), EventKind.HANDSHAKE),
        (b'{"choices":[],"prompt_filter_results":[{"x":1}]}', EventKind.HANDSHAKE),
        (b'{"choices":[],"usage":{"prompt_tokens":1}}', EventKind.HANDSHAKE),
        (b'{"choices":null}', EventKind.HANDSHAKE),
        (chunk('{"index":0,"delta":{"role":"assistant"},"finish_reason":null}'), EventKind.HANDSHAKE),
        (chunk('{"index":0,"delta":{"role":"assistant","content":"","refusal":null}}'), EventKind.HANDSHAKE),
        (chunk('{"index":0,"delta":{"content":null,"reasoning_content":""}}'), EventKind.HANDSHAKE),
        (chunk('{"index":0,"delta":{},"logprobs":{"content":[],"refusal":null}}'), EventKind.HANDSHAKE),
        (chunk('{"index":0,"delta":{"content":"","reasoning":null,"reasoning_details":[]}}'), EventKind.HANDSHAKE),
        (chunk('{"index":0,"content_filter_results":{"hate":{"filtered":false}}}'), EventKind.HANDSHAKE),
        (chunk('{"index":0,"text":"","finish_reason":null}'), EventKind.HANDSHAKE),
        (chunk('{"index":0,"delta":{"content":" "}}'), EventKind.CONTENT),
        (chunk('{"index":0,"delta":{}},{"index":1,"delta":{"content":"x"}}'), EventKind.CONTENT),
        (chunk('{"index":0,"delta":{"reasoning_content":"x"}}'), EventKind.CONTENT),
        (chunk('{"index":0,"delta":{"refusal":"x"}}'), EventKind.CONTENT),
        (chunk('{"index":0,"delta":{"audio":{"id":"a"}}}'), EventKind.CONTENT),
        (chunk('{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c"}]}}'), EventKind.CONTENT),
        (chunk('{"index":0,"delta":{"something_new":0}}'), EventKind.CONTENT),
        (chunk('{"index":0,"delta":{},"finish_reason":"stop"}'), EventKind.CONTENT),
        (chunk('{"index":0,"text":"x"}'), EventKind.CONTENT),
        (chunk('{"index":0,"message":{"content":"x"}}'), EventKind.CONTENT),
        (chunk('"x"'), EventKind.CONTENT),
        (b'{"choices":{}}', EventKind.CONTENT),
        (b'{"id":"c"}', EventKind.CONTENT),
        (b"{}", EventKind.CONTENT),
        (b"[1]", EventKind.CONTENT),
        (b"not json", EventKind.CONTENT),
        (b'{"choices":[{"delta":{"content":"\xff"}}]}', EventKind.CONTENT),
        (b'{"choices":[{"x":' + b"[" * 800 + b"]" * 800 + b"}]}", EventKind.HANDSHAKE),
        (b'{"error":{"message":"x"}}', EventKind.ERROR),
        (b'{"error":"x","choices":[{"delta":{"content":"x"}}]}', EventKind.ERROR),
        (b'{"object":"error","message":"x"}', EventKind.ERROR),
        (b'{"error":null,"choices":[]}', EventKind.HANDSHAKE),
        (b'{"choices":' + b"[" * 100_000, EventKind.CONTENT),
    ],
)  # fmt: skip
def test_classification(data: bytes, kind: EventKind) -> None:
    assert classify_event(data) is kind


@pytest.mark.skipif(not RECORDED.exists(), reason="../shared/fixtures is not beside the repository")
@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("openai-chat/azure-prompt-filter-first-chunk-stream", 2),
        ("openai-chat/n2-choices-stream", 1),
        ("openai-chat/refusal-logprobs-stream", 1),
        ("openai-chat/ollama-v1-text-stream", 0),
        ("deepseek/reasoner-stream", 1),
        ("openrouter/text-comments-stream", 5),
        ("provider/groq-mid-stream-error-stream", 1),
    ],
)
def test_events_held_before_the_answer_of_recordings(name: str, held: int) -> None:
    blocks = SseTap().split((RECORDED / f"{name}.sse").read_bytes())
    kinds = [classify_event(event_data(block)) for block in blocks]
    assert kinds[: held + 1] == [EventKind.HANDSHAKE] * held + [EventKind.CONTENT]


def test_tap_hides_what_the_client_did_not_ask_for() -> None:
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n'
    for options, shown in ((b"", b""), (b'"stream_options":{"include_usage":true},', usage)):
        peeked = peek(Asking(b'{"model":"m","stream":true,"n":2,' + options + b'"messages":[]}'))
        reader = tap(peeked)
        assert reader.feed(usage) == shown
        assert reader.usage == b'{"prompt_tokens":1}'
        reader.feed(b'data: {"choices":[{"index":0,"finish_reason":"stop"}]}\n\n')
        assert not reader.finished
        reader.feed(b'data: {"choices":[{"index":1,"finish_reason":"stop"}]}\n\n')
        assert reader.finished


def test_a_whole_answer_becomes_one_chunk() -> None:
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "a\nb", "tool_calls": [call], "odd": 1}
    body = {
        "id": "c",
        "created": 1,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    written = unfold(b"\n " + msgspec.json.encode(body))
    data, end = written.removesuffix(b"\n\n").split(b"\n\n")
    assert end == b"data: [DONE]"
    chunk = msgspec.json.decode(data.removeprefix(b"data: "))
    assert chunk["object"] == "chat.completion.chunk"
    delta = {"role": "assistant", "content": "a\nb", "tool_calls": [{"index": 0} | call], "odd": 1}
    assert chunk["choices"] == [{"index": 0, "delta": delta, "finish_reason": "stop"}]


@pytest.mark.parametrize(
    ("body", "written"),
    [
        (b'{"a":\n1}', None),
        (b"{nonsense", None),
        (b'{"choices":[{"delta":{},"message":{}}]}', None),
        (b'{"choices":[{"message":{}}]}', b'data: {"choices":[{"delta":{}}],"object":"chat.completion.chunk"}\n\n'),
        (b'{"choices":[1]}', None),
    ],
)
def test_what_is_no_finished_answer_has_no_end_mark(body: bytes, written: bytes | None) -> None:
    assert unfold(body) == written
