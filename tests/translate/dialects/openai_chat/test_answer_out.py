"""Whole answers for clients, written: OpenAI's SDK reads them, and nothing the dialect can say is lost."""

import msgspec
import pytest
from openai.types.chat import ChatCompletion

from omniroute.domain import Usage
from omniroute.translate.canonical import (
    Block,
    Candidate,
    ChatRequest,
    ChatResponse,
    Citation,
    Finish,
    Held,
    Image,
    Link,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
)
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.openai_chat.answer_out import write_answer


def context(**members: object) -> AnswerContext:
    given: dict[str, object] = {"attempt_id": "abc", "created_epoch_s": 7, "model": "m"}
    return AnswerContext(**{**given, **members})  # type: ignore[arg-type]


def answer(
    *blocks: Block, finish: Finish | None = None, told: AnswerContext | None = None, **members: object
) -> dict[str, object]:
    candidate = Candidate(blocks=blocks, finish=finish or Finish(reason="stop"))
    given: dict[str, object] = {"id": "msg_1", "model": "claude", "candidates": (candidate,)}
    body = write_answer(ChatResponse(**{**given, **members}), told or context())  # type: ignore[arg-type]
    ChatCompletion.model_validate_json(body)
    found: dict[str, object] = msgspec.json.decode(body)
    return found


def message(*blocks: Block, **members: object) -> dict[str, object]:
    choices = answer(*blocks, **members)["choices"]  # type: ignore[arg-type]
    found: dict[str, object] = choices[0]["message"]  # type: ignore[index]
    return {name: value for name, value in found.items() if value is not None and name != "role"}


def test_a_text() -> None:
    usage = Usage(130, 100, 20, output_total=4, known=True)
    found = answer(Text(text="a"), Text(text="b"), usage=usage, created_epoch_s=9, service_tier="standard")
    assert found == {
        "id": "chatcmpl-abc", "object": "chat.completion", "created": 9, "model": "claude", "service_tier": "default",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "ab", "refusal": None}, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 130, "completion_tokens": 4, "total_tokens": 134, "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 20}},
    }  # fmt: skip


def test_what_is_not_told_is_left_out_or_filled_in() -> None:
    found = answer(Text(text="a"), id="chatcmpl-1", model="")
    assert (found["id"], found["model"], found["created"]) == ("chatcmpl-1", "m", 7)
    assert not {"usage", "service_tier"} & found.keys()
    assert message() == {}
    assert message(origin="ollama") == {"content": ""}


def test_reasoning_and_what_only_its_maker_can_read() -> None:
    found = message(
        Reasoning(text="hm", signature="SIG", origin="anthropic"),
        Reasoning(data="RED", origin="anthropic", redacted=True),
        Reasoning(text="s", data="ENC", origin="openai_responses", item_id="rs", summary=True),
        Reasoning(text="plain", origin="ollama"),
        Reasoning(text="g", signature="G", origin="gemini"),
        Text(text="a"),
    )
    assert found == {
        "content": "a",
        "reasoning_content": "hm\n\ns\n\nplain\n\ng",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "hm", "signature": "SIG", "format": "anthropic-claude-v1", "index": 0},
            {"type": "reasoning.encrypted", "data": "RED", "format": "anthropic-claude-v1", "index": 1},
            {"type": "reasoning.summary", "summary": "s", "format": "openai-responses-v1", "id": "rs", "index": 2},
            {"type": "reasoning.encrypted", "data": "ENC", "format": "openai-responses-v1", "id": "rs", "index": 2},
        ],
        "extra_content": {"google": {"thought_signature": "G"}},
    }


def test_calls() -> None:
    request = ChatRequest(origin="openai_chat", model="m", tools=(Tool(name="run", custom=True),))
    told = context(request=request, names={"f_1": "f.1"}, call_ids={"hash": "long"})
    found = message(
        ToolCall(call_id="hash", name="f_1", arguments='{"a": 1.0}'),
        ToolCall(call_id="", name="g", arguments="", signature="S"),
        ToolCall(call_id="c", name="run", arguments='{"input":"l\\ns"}'),
        ToolCall(call_id="d", name="run", arguments="{bad"),
        told=told,
        finish=Finish(reason="tool"),
    )
    assert found["tool_calls"] == [
        {"id": "long", "type": "function", "function": {"name": "f.1", "arguments": '{"a": 1.0}'}},
        {"id": "call_abc_0", "type": "function", "function": {"name": "g", "arguments": "{}"}, "extra_content": {"google": {"thought_signature": "S"}}},
        {"id": "c", "type": "custom", "custom": {"name": "run", "input": "l\ns"}},
        {"id": "d", "type": "custom", "custom": {"name": "run", "input": "{bad"}},
    ]  # fmt: skip


def test_the_legacy_function_call() -> None:
    request = ChatRequest(origin="openai_chat", model="m", legacy_functions=True)
    found = answer(
        ToolCall(call_id="c", name="f", arguments="{}"), told=context(request=request), finish=Finish(reason="tool")
    )
    choice = found["choices"][0]  # type: ignore[index]
    assert choice["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "function_call"


def test_sources_stand_behind_their_characters() -> None:
    web = Citation(url="u", title="T")
    found = message(
        Text(text="é😀 "),
        Text(text="blue", citations=(web, Citation(url="v", start=1, end=2), Citation(raw=b"{}", origin="anthropic"))),
        Text(text="x", apart=True, citations=(web,)),
    )
    assert found["content"] == "é😀 blue\n\nx"
    notes = [note["url_citation"] for note in found["annotations"]]  # type: ignore[attr-defined]
    assert [(note["url"], note["start_index"], note["end_index"]) for note in notes] == [
        ("u", 3, 7),
        ("v", 4, 5),
        ("u", 9, 10),
    ]


def test_what_else_a_message_holds() -> None:
    found = message(
        Image(source=Link("https://e.com/a.png")),
        Image(source=Held("f", "gemini")),
        Opaque(origin="anthropic", raw=b"{}"),
        Text(text="", signature="S"),
        Refusal(text="no"),
    )
    assert found == {
        "content": "",
        "refusal": "no",
        "images": [{"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}],
        "extra_content": {"google": {"thought_signature": "S"}},
    }


def test_log_probabilities_are_one_list() -> None:
    entry = b'{"token":"a","logprob":-1.0e-5,"bytes":null,"top_logprobs":[]}'
    candidate = Candidate(blocks=(Text(text="a", logprobs=b"[%b]" % entry), Text(text="a", logprobs=b"[%b]" % entry)))
    body = write_answer(ChatResponse(id="", model="", candidates=(candidate,)), context())
    assert b'"logprobs":{"content":[%b,%b],"refusal":null}' % (entry, entry) in body


def test_as_many_as_were_asked_for() -> None:
    both = tuple(Candidate(blocks=(Text(text=text),), index=index) for index, text in ((1, "b"), (0, "a")))
    for choices, texts in ((1, ["a"]), (2, ["a", "b"])):
        found = answer(candidates=both, told=context(choices=choices))
        assert [choice["message"]["content"] for choice in found["choices"]] == texts  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("finish", "blocks", "word", "said"),
    [
        (Finish(reason="filter", detail="Not allowed."), (), "content_filter", "Not allowed."),
        (Finish(reason="filter", detail="Not allowed."), (Text(text="a"),), "content_filter", None),
        (Finish(reason="length"), (Text(text="a"),), "length", None),
    ],
)
def test_how_it_ended(finish: Finish, blocks: tuple[Block, ...], word: str, said: str | None) -> None:
    choice = answer(*blocks, finish=finish)["choices"][0]  # type: ignore[index]
    assert (choice["finish_reason"], choice["message"]["refusal"]) == (word, said)
