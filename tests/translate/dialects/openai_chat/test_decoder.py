"""Streams of upstreams, read: what vendors send, and how they deviate."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.domain import Quirks
from omniroute.translate.canonical import Image, Link, Reasoning, Text
from omniroute.translate.dialects.openai_chat.decoder import ChatDecoder
from omniroute.translate.events import Cite, Delta, End, Failure, Finish, Open, Probabilities, Whole
from tests.translate.dialects.openai_chat.chunks import DONE, call, chunk, read, story

START = "start chatcmpl-1 m 7"
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(
            [chunk({"role": "assistant", "content": ""}), chunk({"content": "a"}), chunk({"content": "b"}), chunk(None, "stop"), DONE],
            [START, "open0 0 text", "delta0 ab", "close0", "finish 0 stop", "end"],
            id="text",
        ),
        pytest.param(
            [b'{"choices":[],"id":"","model":"","prompt_filter_results":[]}', chunk({"content": "a"}, "stop"), DONE],
            [START, "open0 0 text", "delta0 a", "close0", "finish 0 stop", "end"],
            id="azure's first chunk begins nothing",
        ),
        pytest.param(
            [chunk({"content": None, "reasoning_content": "h"}), chunk({"content": "a", "reasoning_content": None}, "stop", usage=USAGE), DONE],
            [START, "open0 0 reasoning", "delta0 h", "usage 3 5", "close0", "open1 0 text", "delta1 a", "close1", "finish 0 stop", "end"],
            id="reasoning, then text, usage on the finish",
        ),
        pytest.param(
            [chunk({"reasoning": "h", "content": ""}), chunk({"reasoning": "m"}), chunk(None, "stop"), DONE],
            [START, "open0 0 reasoning", "delta0 hm", "close0", "finish 0 stop", "end"],
            id="reasoning by its other name",
        ),
        pytest.param(
            [chunk({"reasoning": "h", "reasoning_content": "h"}), chunk({"reasoning": "m", "reasoning_content": "m"}), chunk(None, "stop"), DONE],
            [START, "open0 0 reasoning", "delta0 hm", "close0", "finish 0 stop", "end"],
            id="reasoning by two names is one",
        ),
        pytest.param(
            [chunk(call(0, "f", id="c1", type="function")), chunk(call(0, "", '{"a"')), chunk(call(0, "", ":1}")), chunk(None, "tool_calls"), DONE],
            [START, "open0 0 tool c1 f", 'delta0 {\\"a\\":1}', "close0", "finish 0 tool", "end"],
            id="a call in fragments",
        ),
        pytest.param(
            [chunk(call(0, "f", "{", id="c1")), chunk(call(0, "f", "}", id="c1")), chunk(None, "tool_calls"), DONE],
            [START, "open0 0 tool c1 f", "delta0 {}", "close0", "finish 0 tool", "end"],
            id="id and name on every fragment",
        ),
        pytest.param(
            [chunk(call(0, "f", "{", id="c1")), chunk(call(0, "", "}", id="")), chunk(call(0, "", "", id="zz")), chunk(None, "tool_calls"), DONE],
            [START, "open0 0 tool c1 f", "delta0 {}", "close0", "finish 0 tool", "end"],
            id="empty ids, and a new one without a name, go on with the call",
        ),
        pytest.param(
            [chunk(call(0, "f", "{}", id="c1")), chunk(call(0, "g", "{}", id="c2")), chunk(None, "tool_calls"), DONE],
            [START, "open0 0 tool c1 f", "delta0 {}", "open1 0 tool c2 g", "delta1 {}", "close0", "close1", "finish 0 tool", "end"],
            id="a new call at a used index",
        ),
        pytest.param(
            [chunk(call(1, "f", "{}", id="c1")), chunk(call(2, "g", "{}", id="c2")), chunk(None, "tool_calls"), DONE],
            [START, "open0 0 tool c1 f", "delta0 {}", "open1 0 tool c2 g", "delta1 {}", "close0", "close1", "finish 0 tool", "end"],
            id="indices from one",
        ),
        pytest.param(
            [chunk(call(0, "f", '{"a"', id="c1")), chunk(call(1, "g", '{"b"', id="c2")), chunk(call(0, "", ":1}")), chunk(call(1, "", ":2}")), chunk(None, "tool_calls"), DONE],
            [START, "open0 0 tool c1 f", 'delta0 {\\"a\\"', "open1 0 tool c2 g", 'delta1 {\\"b\\"', "delta0 :1}", "delta1 :2}", "close0", "close1", "finish 0 tool", "end"],
            id="calls whose fragments interleave",
        ),
        pytest.param(
            [chunk(call(None, "f")), chunk(None, "stop"), DONE],
            [START, "open0 0 tool  f", "close0", "finish 0 tool", "end"],
            id="neither id nor index nor arguments, and a finish that knows of no call",
        ),
        pytest.param(
            [chunk(call(None, "f", "{}")), chunk(call(None, "f", "{}")), chunk(call(None, "g", "{")), chunk(call(None, "", "}")), chunk(None, "tool_calls"), DONE],
            [START, "open0 0 tool  f", "delta0 {}", "open1 0 tool  f", "delta1 {}", "open2 0 tool  g", "delta2 {}", "close0", "close1", "close2", "finish 0 tool", "end"],
            id="whole calls without id and index are several",
        ),
        pytest.param(
            [chunk({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}, {"id": "b", "function": {"name": "g", "arguments": "{"}}]}), chunk(call(None, "", "}", id="a")), chunk(call(None, "", "}", id="b")), chunk(None, "tool_calls"), DONE],
            [START, "open0 0 tool a f", "delta0 {", "open1 0 tool b g", "delta1 {", "delta0 }", "delta1 }", "close0", "close1", "finish 0 tool", "end"],
            id="fragments found by id",
        ),
        pytest.param(
            [chunk(call(0, "f", "{}", id="c")), chunk(call(1, "g", "{}", id="c")), chunk(None, "tool_calls"), DONE],
            [START, "open0 0 tool c f", "delta0 {}", "open1 0 tool  g", "delta1 {}", "close0", "close1", "finish 0 tool", "end"],
            id="one id for two calls: the second gets another",
        ),
        pytest.param(
            [chunk(call(0, "get_", id="c")), chunk(call(0, "weather")), chunk(call(0, "weather", "{}")), chunk(None, "tool_calls"), DONE],
            [START, "open0 0 tool c get_weatherweather", "delta0 {}", "close0", "finish 0 tool", "end"],
            id="a name in pieces until arguments come",
        ),
        pytest.param(
            [chunk(call(0, "", "{}", id="c")), chunk(None, "tool_calls"), DONE],
            [START, "finish 0 tool", "end"],
            id="what has no name is no call",
        ),
        pytest.param(
            [chunk(call(0, "", "{", id="c")), chunk(call(0, "f", "}")), chunk(None, "tool_calls"), DONE],
            [START, "open0 0 tool c f", "delta0 {}", "close0", "finish 0 tool", "end"],
            id="a name that comes late",
        ),
        pytest.param(
            [chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": {"a": [1]}}}]}, "tool_calls"), DONE],
            [START, "open0 0 tool c f", 'delta0 {\\"a\\":[1]}', "close0", "finish 0 tool", "end"],
            id="arguments as an object",
        ),
        pytest.param(
            [chunk({"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "run", "input": ""}}]}), chunk({"tool_calls": [{"index": 0, "custom": {"input": "ls"}}]}), chunk(None, "tool_calls"), DONE],
            [START, "open0 0 tool c run custom", "delta0 ls", "close0", "finish 0 tool", "end"],
            id="a custom call",
        ),
        pytest.param(
            [chunk({"function_call": {"name": "f", "arguments": ""}}), chunk({"function_call": {"arguments": "{"}}), chunk({"function_call": {"arguments": "}"}}), chunk(None, "function_call"), DONE],
            [START, "open0 0 tool  f", "delta0 {}", "close0", "finish 0 tool", "end"],
            id="the legacy function call",
        ),
        pytest.param(
            [chunk({"content": "a"}), chunk(call(0, "f", "{}", id="c")), chunk({"content": "b"}), chunk(None, "tool_calls"), DONE],
            [START, "open0 0 text", "delta0 a", "close0", "open1 0 tool c f", "delta1 {}", "open2 0 text", "delta2 b", "close2", "close1", "finish 0 tool", "end"],
            id="text after a call",
        ),
        pytest.param(
            [chunk({"content": "a"}, "stop"), chunk({"content": "b"}, "length", usage=USAGE), DONE],
            [START, "open0 0 text", "delta0 a", "close0", "finish 0 stop", "usage 3 5", "end"],
            id="after the finish only usage counts",
        ),
        pytest.param(
            [chunk({"content": "a"}, "length"), chunk({}, None, error={"code": 400, "message": "x"}, usage=USAGE), DONE],
            [START, "open0 0 text", "delta0 a", "close0", "finish 0 length", "usage 3 5", "end"],
            id="an error after the finish is too late",
        ),
        pytest.param(
            [chunk({"content": "a"}), chunk({"content": "b"}, "error", error={"code": 502, "message": "gone"}), DONE],
            [START, "open0 0 text", "delta0 a", "failure 502 bad_gateway: gone"],
            id="an error inside a chunk",
        ),
        pytest.param(
            [chunk({"content": "a"}), b'{"error":"out of credits","code":"x"}'],
            [START, "open0 0 text", "delta0 a", "failure 502 x: out of credits"],
            id="an error that is a text",
        ),
        pytest.param(
            [chunk({"content": "a"}), b'{"object":"error","message":"too long","code":400}'],
            [START, "open0 0 text", "delta0 a", "failure 400 : too long"],
            id="an error of older vLLM",
        ),
        pytest.param(
            [chunk({"content": "a"}), chunk(None, "insufficient_system_resource"), DONE],
            [START, "open0 0 text", "delta0 a", "close0", "failure 503 overloaded: The provider broke off its answer (insufficient_system_resource)."],
            id="a finish that is an error",
        ),
        pytest.param(
            [chunk({"content": "a"}), DONE],
            [START, "open0 0 text", "delta0 a", "close0", "finish 0 stop unknown ", "end"],
            id="an end mark without a finish",
        ),
        pytest.param(
            [chunk({"content": "a"}), chunk(None, "weird"), DONE],
            [START, "open0 0 text", "delta0 a", "close0", "finish 0 stop unknown weird", "end"],
            id="a finish nobody knows",
        ),
        pytest.param(
            [chunk({"content": "a"}, "stop")],
            [START, "open0 0 text", "delta0 a", "close0", "finish 0 stop", "end"],
            id="a finish without an end mark",
        ),
        pytest.param(
            [chunk({"content": "a"})],
            [START, "open0 0 text", "delta0 a", "failure 502 upstream_stream_incomplete: The upstream's stream ended before the answer was complete."],
            id="cut off",
        ),
        pytest.param(
            [DONE], ["failure 502 upstream_stream_incomplete: The upstream's stream ended before the answer was complete."], id="an end mark alone",
        ),
        pytest.param(
            [chunk({"refusal": "I "}), chunk({"refusal": "can't"}), chunk(None, "stop"), DONE],
            [START, "open0 0 refusal", "delta0 I can't", "close0", "finish 0 filter", "end"],
            id="a refusal",
        ),
        pytest.param(
            [chunk({"content": "b"}, index=1), chunk({"content": "a"}), chunk(None, "stop", index=1), chunk(None, "length"), DONE],
            [START, "open0 1 text", "delta0 b", "open1 0 text", "delta1 a", "close0", "finish 1 stop", "close1", "finish 0 length", "end"],
            id="two choices",
        ),
        pytest.param(
            [chunk({"content": "b"}, "stop", index=1), chunk({"content": "a"})],
            [START, "open0 1 text", "delta0 b", "close0", "finish 1 stop", "open1 0 text", "delta1 a", "failure 502 upstream_stream_incomplete: The upstream's stream ended before the answer was complete."],
            id="one of two choices cut off",
        ),
        pytest.param(
            [chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]}), chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "m"}], "closed": True}, {"type": "text", "text": "1"}, {"type": "reference", "reference_ids": [1]}]}), chunk({"content": "44"}, "stop"), DONE],
            [START, "open0 0 reasoning", "delta0 hm", "close0", "open1 0 text", "delta1 144", "close1", "finish 0 stop", "end"],
            id="Mistral's parts",
        ),
        pytest.param(
            [b'{"id":"chatcmpl-1","created":7,"model":"m","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"h","content":"a","tool_calls":[{"id":"x","function":{"name":"f","arguments":"{}"}},{"id":"y","function":{"name":"g","arguments":""}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":5}}'],
            [START, "usage 3 5", "open0 0 reasoning", "delta0 h", "close0", "open1 0 text", "delta1 a", "close1", "open2 0 tool x f", "delta2 {}", "open3 0 tool y g", "close2", "close3", "finish 0 tool", "end"],
            id="a whole answer in place of a stream",
        ),
        pytest.param(
            [b'{"id":"chatcmpl-1","created":7,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"message":{"content":"a"}}]}', b'{"choices":[{"index":0,"delta":{"content":""},"message":{"content":"a"},"finish_reason":"stop"}]}'],
            [START, "open0 0 text", "delta0 a", "close0", "finish 0 stop", "end"],
            id="Perplexity's message beside the delta",
        ),
        pytest.param(
            [chunk({"content": "a"}, "stop", x_groq={"usage": USAGE}), DONE],
            [START, "usage 3 5", "open0 0 text", "delta0 a", "close0", "finish 0 stop", "end"],
            id="Groq's usage",
        ),
        pytest.param(
            [chunk({"extra_content": {"google": {"thought_signature": "S"}}, "content": "a"}, "stop"), DONE],
            [START, "open0 0 text", "delta0 a", "sign0 gemini S", "close0", "finish 0 stop", "end"],
            id="Gemini's signature of a text",
        ),
        pytest.param([b"nonsense", b"[1]", b'"x"', b"", b'{"choices":{}}', b'{"choices":[1,null]}', chunk({"content": "a"}, "stop")],
            ["start   0", "open0 0 text", "delta0 a", "close0", "finish 0 stop", "failure 502 upstream_stream_incomplete: The upstream's stream ended before the answer was complete."],
            id="nonsense between",
        ),
    ],
)  # fmt: skip
def test_what_is_read(data: list[bytes], told: list[str]) -> None:
    assert story(read(data)) == told


def test_copilot_spreads_an_answer_over_choices() -> None:
    data = [
        chunk({"content": "a"}),
        chunk(call(0, "f", "{", id="c1"), index=1),
        chunk({"content": "ignored"} | call(0, "", "}"), index=1),
        chunk(None, "stop"),
        chunk(call(0, "g", "{}", id="c2"), "tool_calls", index=2),
        chunk({}, None, error={"message": "late"}),
    ]
    told = [
        START,
        "open0 0 text",
        "delta0 a",
        "close0",
        "open1 0 tool c1 f",
        "delta1 {}",
        "open2 0 tool c2 g",
        "delta2 {}",
    ]
    for end in ([], [DONE]):
        events = story(read([*data, *end], Quirks(merge_choices=True)))
        assert events == [*told, "close1", "close2", "finish 0 tool", "end"]
    cut = story(read(data[:2], Quirks(merge_choices=True)))
    assert cut[-1].startswith("failure 502 upstream_stream_incomplete")


def test_an_event_called_error_is_one() -> None:
    decoder = ChatDecoder(Quirks())
    events = list(decoder.decode(b"error", b'{"error":{"message":"x","code":"rate_limit_exceeded"}}'))
    assert story(events) == ["failure 429 rate_limit_exceeded: x"]
    assert list(decoder.decode(b"", chunk({"content": "a"}))) == []
    assert list(decoder.finish()) == []
    assert story(ChatDecoder(Quirks()).decode(b"error", b"broken pipe")) == ["failure 502 upstream_error: broken pipe"]


def detail(**members: object) -> dict[str, object]:
    return {"content": "", "reasoning": members.get("text"), "reasoning_details": [members]}


def test_details_before_the_plain_text_and_signatures_to_their_block() -> None:
    form = {"format": "anthropic-claude-v1", "index": 0}
    data = [
        chunk(detail(type="reasoning.text", text="h", **form)),
        chunk(detail(type="reasoning.text", text="m", **form)),
        chunk(detail(type="reasoning.text", signature="SIG", **form)),
        chunk(detail(type="reasoning.encrypted", data="RED", format="anthropic-claude-v1", index=1)),
        chunk({"content": "a"}, "stop"),
        DONE,
    ]
    events = read(data)
    assert story(events)[1:5] == ["open0 0 reasoning anthropic", "delta0 hm", "sign0 anthropic SIG", "close0"]
    (whole,) = [event.value for event in events if isinstance(event, Whole)]
    assert whole == Reasoning(data="RED", origin="anthropic", redacted=True)


def test_a_summary_and_its_encrypted_text_are_one_block() -> None:
    form = {"format": "openai-responses-v1", "index": 0, "id": "rs_1"}
    data = [
        chunk(detail(type="reasoning.summary", summary="s", **form)),
        chunk(detail(type="reasoning.encrypted", data="ENC", **form)),
        chunk(None, "stop"),
        DONE,
    ]
    events = read(data)
    opened = next(event for event in events if isinstance(event, Open))
    assert (opened.summary, opened.item_id, opened.origin) == (True, "rs_1", "openai_responses")
    assert story(events)[2:4] == ["delta0 s", "sign0 openai_responses ENC"]


def test_details_of_another_index_are_another_block() -> None:
    data = [chunk(detail(type="reasoning.text", text=text, index=number)) for number, text in enumerate("ab")]
    told = story(read([*data, chunk(None, "stop"), DONE]))
    assert told[1:7] == ["open0 0 reasoning", "delta0 a", "close0", "open1 0 reasoning", "delta1 b", "close1"]


def test_a_signature_without_a_text_is_a_block() -> None:
    events = read([chunk(detail(type="reasoning.text", signature="SIG", format="anthropic-claude-v1")), DONE])
    (whole,) = [event.value for event in events if isinstance(event, Whole)]
    assert whole == Reasoning(signature="SIG", origin="anthropic")


def test_what_nobody_has_put_a_name_to_is_for_this_dialect_alone() -> None:
    for form, origin in (("unknown", "openai_chat"), (None, "openai_chat"), ("xai-responses-v1", "xai-responses-v1")):
        events = read([chunk(detail(type="reasoning.encrypted", data="D", format=form)), DONE])
        (whole,) = [event.value for event in events if isinstance(event, Whole)]
        assert isinstance(whole, Reasoning)
        assert whole.origin == origin


def test_citations_before_the_text_belong_to_it() -> None:
    note = {
        "type": "url_citation",
        "url_citation": {"url": "https://e.com", "title": "T", "start_index": 1, "end_index": 2},
    }
    events = read(
        [chunk({"content": "", "annotations": [note, {"type": "x"}]}), chunk({"content": "abc"}, "stop"), DONE]
    )
    (cite,) = [event for event in events if isinstance(event, Cite)]
    assert (cite.block, cite.citation.url, cite.citation.start, cite.citation.end) == (0, "https://e.com", 1, 2)


def test_probabilities_follow_their_text() -> None:
    data = b'{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"!"},"logprobs":{"content":[{"token":"!","logprob":-1e-5}],"refusal":null}}]}'
    events = read([data], whole=False)
    assert isinstance(events[-1], Probabilities)
    assert events[-1].content == b'[{"token":"!","logprob":-1e-5}]'


def test_pictures_and_signatures_on_no_text_are_whole() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}
    data = [
        chunk({"images": [image, {"type": "image_url", "image_url": {"url": "javascript:x"}}]}),
        chunk({"extra_content": {"google": {"thought_signature": "S"}}}, "stop"),
    ]
    values = [event.value for event in read(data) if isinstance(event, Whole)]
    assert values == [Image(source=Link("https://e.com/a.png")), Text(text="", signature="S")]


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (rb"\ud83d", rb"\ud83d"),
        (rb"\ud83d\ude00\/\n", rb"\ud83d\ude00\/\n"),
        ("é😀".encode(), "é😀".encode()),
        (b"\xff", "�".encode()),
    ],
)
def test_text_stays_as_it_was_escaped(escaped: bytes, text: bytes) -> None:
    data = b'{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"%b"}}]}' % escaped
    assert [event.text for event in read([data], whole=False) if isinstance(event, Delta)] == [text]


def test_calls_and_choices_are_bounded() -> None:
    calls = [{"index": n, "id": str(n), "function": {"name": "f", "arguments": "{}"}} for n in range(1300)]
    data = [chunk({"tool_calls": calls[first : first + 260]}) for first in range(0, 1300, 260)]
    opened = [event for event in read(data) if isinstance(event, Open)]
    assert len(opened) == 1024
    assert [event for event in read([chunk({"content": "a"}, index=256)]) if isinstance(event, Open)] == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "type", "index", "url"]), inner, max_size=3)
    ),
    max_leaves=6,
)
deltas = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        (
            "content",
            "reasoning",
            "reasoning_content",
            "reasoning_details",
            "refusal",
            "tool_calls",
            "function_call",
            "annotations",
            "images",
            "extra_content",
        ),
        json_values,
    ),
)
anything = st.fixed_dictionaries(
    {
        "choices": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "index": json_values,
                    "delta": deltas,
                    "message": deltas,
                    "finish_reason": json_values,
                    "logprobs": json_values,
                },
            )
            | json_values,
            max_size=3,
        )
        | json_values
    },
    optional={
        "id": json_values,
        "model": json_values,
        "created": json_values,
        "usage": json_values,
        "service_tier": json_values,
    },
)


@settings(max_examples=25)
@given(st.lists(anything.map(msgspec.json.encode) | st.binary(max_size=20) | st.just(DONE), max_size=6))
def test_whatever_comes_the_order_of_events_holds(data: list[bytes]) -> None:
    events = read(data)
    assert isinstance(events[-1], End | Failure)
    assert not [event for event in events[:-1] if isinstance(event, End | Failure)]
    opened: dict[int, int] = {}
    finished: set[int] = set()
    last = -1
    for event in events:
        if isinstance(event, Open | Whole):
            assert event.block == last + 1
            last = event.block
            assert event.choice not in finished
        if isinstance(event, Open):
            opened[event.block] = event.choice
        elif isinstance(event, Delta):
            assert event.text
            assert opened[event.block] == event.choice
        elif isinstance(event, Finish):
            assert event.choice not in finished
            finished.add(event.choice)
