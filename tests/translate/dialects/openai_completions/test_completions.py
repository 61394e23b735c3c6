"""Legacy completions: a prompt in, text out, whole and streamed, and what only a completion model can do refused."""

from collections.abc import Iterable

import msgspec
import pytest
from openai.types import Completion

from omniroute.domain import Quirks, Usage
from omniroute.errors import ClientError, UpstreamError
from omniroute.translate.canonical import (
    Candidate,
    ChatRequest,
    ChatResponse,
    Image,
    Link,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Turn,
)
from omniroute.translate.canonical import Finish as Reason
from omniroute.translate.dialect import AnswerContext, GrammarError
from omniroute.translate.dialects.openai_chat import DIALECT as CHAT
from omniroute.translate.dialects.openai_completions import DIALECT
from omniroute.translate.dialects.openai_completions.encoder import CompletionsEncoder
from omniroute.translate.dialects.openai_completions.grammar import CompletionsChecker
from omniroute.translate.events import (
    Close,
    Delta,
    End,
    Failure,
    Finish,
    Open,
    Probabilities,
    Report,
    Start,
    StreamEvent,
    Whole,
)
from omniroute.translate.notes import Notes, Unsupported
from tests.translate.dialects.openai_chat.asking import Asking

assert DIALECT.client is not None
CLIENT = DIALECT.client


def ask(**members: object) -> Asking:
    return Asking(msgspec.json.encode({"model": "m", "prompt": "Once"} | members), path="/v1/completions")


def read(**members: object) -> ChatRequest:
    asked = ask(**members)
    return CLIENT.read_request(asked, CLIENT.peek(asked))


def test_what_is_peeked_at() -> None:
    peeked = CLIENT.peek(ask(stream=True, stream_options={"include_usage": True}, n=3, echo=True))
    assert (peeked.model, peeked.stream, peeked.include_usage, peeked.choices, peeked.variant) == (
        "m",
        True,
        True,
        3,
        "echo",
    )
    plain = CLIENT.peek(ask(stream_options={"include_usage": True}))
    assert (plain.stream, plain.include_usage, plain.choices, plain.variant) == (False, False, 1, "")


@pytest.mark.parametrize("prompt", ["Once", ["Once"]])
def test_a_prompt_is_a_message(prompt: object) -> None:
    request = read(prompt=prompt)
    assert request.turns == (Turn(role="user", blocks=(Text(text="Once", at="prompt"),), at="prompt"),)


def test_parameters() -> None:
    request = read(
        max_tokens=9, temperature=1.5, top_p=0.5, seed=1, presence_penalty=0.5, frequency_penalty=0.25, logit_bias={"1": 1},
        stop="END", logprobs=2, n=2, best_of=2, user="u", stream=True, min_p=0.1,
    )  # fmt: skip
    assert (request.origin, request.max_output, request.stop, request.choices) == ("openai_completions", 9, ("END",), 2)
    assert (request.temperature, request.top_p, request.seed) == (b"1.5", b"0.5", b"1")
    assert (request.presence, request.frequency, request.logit_bias) == (b"0.5", b"0.25", b'{"1":1}')
    assert (request.logprobs, request.top_logprobs, request.user, request.stream) == (True, 2, "u", True)
    assert request.ext == (("min_p", b"0.1"),)


def test_it_goes_to_a_chat_upstream() -> None:
    assert CHAT.upstream is not None
    notes = Notes()
    out = CHAT.upstream.write_request(read(stop=["a"], min_p=0.1), Quirks(), notes)
    body = msgspec.json.decode(b"".join(out.body))
    assert body == {"model": "m", "messages": [{"role": "user", "content": "Once"}], "stop": ["a"]}
    assert [note.field for note in notes] == ["min_p"]


@pytest.mark.parametrize(
    ("members", "param", "kind"),
    [
        ({"prompt": ["a", "b"]}, "prompt", Unsupported),
        ({"prompt": [1, 2]}, "prompt", Unsupported),
        ({"prompt": [[1, 2]]}, "prompt", Unsupported),
        ({"prompt": []}, "prompt", Unsupported),
        ({"suffix": "end"}, "suffix", Unsupported),
        ({"best_of": 3}, "best_of", Unsupported),
        ({"echo": True, "logprobs": 1}, "echo", Unsupported),
        ({"prompt": None}, "prompt", ClientError),
        ({"prompt": ""}, "prompt", ClientError),
        ({"prompt": 7}, "prompt", ClientError),
        ({"model": 7}, "model", ClientError),
        ({"model": ""}, "model", ClientError),
        ({"n": 0}, "n", ClientError),
        ({"logprobs": 21}, "logprobs", ClientError),
        ({"logit_bias": 1}, "logit_bias", ClientError),
        ({"stop": ["a"] * 300}, "stop", ClientError),
        ({"stream": "yes"}, "stream", ClientError),
    ],
)
def test_what_is_refused_is_named(members: dict[str, object], param: str, kind: type[ClientError]) -> None:
    with pytest.raises(kind) as caught:
        read(**members)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize("field", ["model", "prompt", "stream"])
def test_what_is_given_twice_is_refused(field: str) -> None:
    body = b'{"model":"m","prompt":"p","stream":false,"%s":null}' % field.encode()
    with pytest.raises(ClientError, match="more than once") as caught:
        CLIENT.peek(Asking(body, path="/v1/completions"))
    assert caught.value.param == field


# -- answers -------------------------------------------------------------------------------------------------------
def context(**members: object) -> AnswerContext:
    given: dict[str, object] = {"attempt_id": "abc", "created_epoch_s": 7, "model": "m", "include_usage": False}
    return AnswerContext(**{**given, **members})  # type: ignore[arg-type]


def echoing(**members: object) -> AnswerContext:
    return context(variant="echo", request=read(echo=True), **members)


PROBABLE = b'[{"token":" upon","logprob":-0.5,"top_logprobs":[{"token":" upon","logprob":-0.5},{"token":" a","logprob":-1.0}]}]'


def test_a_whole_answer() -> None:
    blocks = (
        Reasoning(text="hm"),
        Text(text=" upon", logprobs=PROBABLE),
        Text(text="a time", apart=True),
        Refusal(text="!"),
        ToolCall(call_id="c", name="f", arguments="{}"),
        Image(source=Link("u")),
    )
    candidates = (Candidate(blocks=blocks, finish=Reason(reason="length")), Candidate(blocks=(), index=1))
    usage = Usage(3, output_total=5, known=True)
    body = CLIENT.write_answer(ChatResponse(id="x", model="", candidates=candidates, usage=usage), echoing())
    Completion.model_validate_json(body)
    columns = {
        "tokens": [" upon"],
        "token_logprobs": [-0.5],
        "top_logprobs": [{" upon": -0.5, " a": -1.0}],
        "text_offset": [4],
    }
    assert msgspec.json.decode(body) == {
        "id": "cmpl-abc", "object": "text_completion", "created": 7, "model": "m",
        "choices": [{"text": "Once upon\n\na time!", "index": 0, "logprobs": columns, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }  # fmt: skip


def written(events: Iterable[StreamEvent], told: AnswerContext | None = None) -> list[dict[str, object]]:
    encoder, checker = CompletionsEncoder(told or context()), CompletionsChecker()
    chunks: list[dict[str, object]] = []
    for block in b"".join(encoder.encode(event) for event in events).split(b"\n\n")[:-1]:
        data = block.removeprefix(b"data: ")
        checker.event(b"", data)
        if data != b"[DONE]":
            chunks.append(msgspec.json.decode(data))
            if chunks[-1].get("choices"):
                Completion.model_validate(
                    chunks[-1] | {"choices": [c | {"finish_reason": "stop"} for c in chunks[-1]["choices"]]}
                )  # type: ignore[attr-defined]
    checker.end()
    return chunks


def texts(chunks: list[dict[str, object]], index: int = 0) -> list[str]:
    return [choice["text"] for chunk in chunks for choice in chunk.get("choices", ()) if choice["index"] == index]  # type: ignore[attr-defined]


STREAM: tuple[StreamEvent, ...] = (
    Start(id="cmpl-1", model="up", created_epoch_s=9),
    Open(block=0, kind="reasoning"),
    Delta(0, 0, b"hm"),
    Close(0, 0),
    Open(block=1, kind="text"),
    Delta(0, 1, b" upon"),
    Probabilities(0, 1, PROBABLE),
    Close(0, 1),
    Open(block=2, kind="text", apart=True),
    Delta(0, 2, rb"a\ntime"),
    Close(0, 2),
    Open(choice=1, block=3, kind="text"),
    Delta(1, 3, b" more"),
    Close(1, 3),
    Whole(block=4, value=Text(text=" end")),
    Whole(block=5, value=Image(source=Link("u"))),
    Finish(0, Reason(reason="filter")),
    Finish(1, Reason(reason="tool")),
    Report(Usage(3, output_total=5, known=True)),
    End(),
)


def test_a_stream() -> None:
    chunks = written(STREAM, context(include_usage=True))
    head = {"id": "cmpl-1", "object": "text_completion", "created": 9, "model": "up"}
    first = {"text": " upon", "index": 0, "logprobs": None, "finish_reason": None}
    assert chunks[0] == head | {"choices": [first], "usage": None}
    assert texts(chunks) == [" upon", "", "\n\na\ntime", " end", ""]
    probable = chunks[1]["choices"][0]["logprobs"]  # type: ignore[index]
    assert (probable["tokens"], probable["text_offset"]) == ([" upon"], [0])
    assert [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]][-1] == "content_filter"  # type: ignore[attr-defined]
    assert chunks[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def test_choices_and_the_prompt_repeated() -> None:
    chunks = written(STREAM, echoing(choices=2))
    assert texts(chunks)[:2] == ["Once", " upon"]
    assert texts(chunks, 1) == ["Once", " more", ""]
    assert not [chunk for chunk in chunks if "usage" in chunk]
    probable = next(choice["logprobs"] for chunk in chunks for choice in chunk["choices"] if choice["logprobs"])  # type: ignore[attr-defined]
    assert probable["text_offset"] == [4]


def test_a_failure_is_the_last_thing_said() -> None:
    error = UpstreamError("gone", error_class="x", status=503, kind="overloaded", code="overloaded")
    chunks = written([*STREAM[:6], Failure(error)])
    assert chunks[-1] == {"error": {"message": "gone", "type": "server_error", "param": None, "code": "overloaded"}}


@pytest.mark.parametrize("block", [0, 1])
def test_a_frame_says_what_encode_says(block: int) -> None:
    one, other = CompletionsEncoder(context()), CompletionsEncoder(context())
    begun = [STREAM[0], *(event for event in STREAM[1:8] if isinstance(event, Open | Delta) and event.block == block)]
    assert [one.encode(event) for event in begun] == [other.encode(event) for event in begun]
    frame = one.frame(block)
    assert frame is not None
    framed = b"" if frame.silent else frame.head + b"x" + frame.tail
    assert framed == other.encode(Delta(0, block, b"x"))
    one.caught(block, b"x")
    rest = [Probabilities(0, block, PROBABLE), Close(0, block), Finish(0, Reason(reason="stop")), End()]
    assert [one.encode(event) for event in rest] == [other.encode(event) for event in rest]


def test_no_frame_before_the_first_text() -> None:
    encoder = CompletionsEncoder(context())
    encoder.encode(Open(block=0, kind="text"))
    assert encoder.frame(0) is None


@pytest.mark.parametrize(
    ("events", "rule"),
    [
        ([b'{"choices":[{"text":1,"index":0}]}'], "choice"),
        ([b'{"choices":[{"text":"a","index":"0"}]}'], "index"),
        (
            [b'{"choices":[{"text":"a","index":0,"finish_reason":"stop"}]}', b'{"choices":[{"text":"b","index":0}]}'],
            "after its finish",
        ),
        ([b'{"choices":[{"text":"a","index":0,"finish_reason":"tool_calls"}]}'], "finish 'tool_calls'"),
        ([b'{"choices":[{"text":"a","index":0}]}', b"[DONE]"], "before every choice"),
        ([b'{"choices":[]}'], "no usage"),
        ([b"[DONE]"], "before any choice"),
        ([b"x"], "not JSON"),
        ([], "no .DONE."),
    ],
)
def test_the_grammar_is_held(events: list[bytes], rule: str) -> None:
    head = b'{"id":"c","object":"text_completion","created":1,"model":"m",'
    checker = CompletionsChecker()

    def run() -> None:
        for event in events:
            checker.event(b"", head + event[1:] if event.startswith(b'{"choices"') else event)
        checker.end()

    with pytest.raises(GrammarError, match=rule):
        run()
