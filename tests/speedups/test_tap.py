"""Both halves of the SSE tap: identity, what is read, the one thing left out, and that the halves never differ."""

import base64
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Final

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omniroute._speedups import tap_py
from tests.speedups.twins import maybe_compiled, twins

tap_c = maybe_compiled("tap")
HALVES: Final = [half for half in (tap_py, tap_c) if half is not None]
SHARED: Final = Path(__file__).parents[3] / "shared"
RECORDED: Final = [
    path for name in ("openai-chat", "deepseek", "openrouter", "provider")
    for path in sorted((SHARED / "fixtures" / "recorded" / name).glob("*.sse"))
]  # fmt: skip
CASES: Final = SHARED / "spec" / "translation_cases.json"
STATE: Final = ("usage", "model", "error", "done", "finishes", "finished", "events", "overflow", "cut")

needs_recordings = pytest.mark.skipif(not RECORDED, reason="../shared/fixtures is not beside the repository")
needs_both = pytest.mark.skipif(tap_c is None, reason="tap_c is not built")

DELTA: Final = (
    b'data: {"id":"c-1","object":"chat.completion.chunk","created":1731368640,"model":"gpt-4o-mini","choices":'
    b'[{"index":0,"delta":{"content":"Hi"},"logprobs":null,"finish_reason":null}],"usage":null}\n\n'
)
STOP: Final = (
    b'data: {"model":"gpt-4o-mini","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}\n\n'
)
USAGE: Final = b'data: {"model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7}}\n\n'
DONE: Final = b"data: [DONE]\n\n"


@pytest.fixture(params=twins("tap"))
def tap(request: pytest.FixtureRequest) -> ModuleType:
    return request.param  # type: ignore[no-any-return]


def state(tap: object) -> dict[str, object]:
    return {name: getattr(tap, name) for name in STATE} | {"held": tap.held_bytes()}  # type: ignore[attr-defined]


def cut(data: bytes, *places: int) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def run(half: ModuleType, pieces: list[bytes], **options: object) -> tuple[bytes, dict[str, object]]:
    tap = half.SseTap(**options)
    out = b"".join([*(tap.feed(piece) for piece in pieces), tap.finish()])
    return out, state(tap)


def test_a_plain_stream(tap: ModuleType) -> None:
    reader = tap.SseTap()
    for event in (DELTA, STOP, USAGE, DONE):
        assert reader.feed(event) == event
    assert reader.finish() == b""
    assert state(reader) == {
        "usage": b'{"prompt_tokens":5,"completion_tokens":7}', "model": b'"gpt-4o-mini"', "error": b"", "done": True,
        "finishes": 1, "finished": True, "events": 4, "overflow": False, "cut": False, "held": 0,
    }  # fmt: skip


def test_only_whole_events_are_forwarded(tap: ModuleType) -> None:
    reader = tap.SseTap()
    assert reader.feed(DELTA + STOP[:20]) == DELTA
    assert reader.held_bytes() == 20
    assert reader.feed(STOP[20:-1]) == b""
    assert reader.feed(STOP[-1:] + DONE) == STOP + DONE
    assert reader.held_bytes() == 0


def test_split_gives_one_item_a_block(tap: ModuleType) -> None:
    blocks = [b": ping\n\n", DELTA, b"\n", b"event: error\r\ndata: {}\r\n\r\n", b'{"error":\n\n1}', b"\n", DONE]
    reader = tap.SseTap()
    assert reader.split(b"".join(blocks)) == blocks
    assert [tap.event_data(block) for block in blocks] == [
        b"",
        DELTA[6:-2],
        b"",
        b"{}",
        b'{"error":\n\n1}',
        b"",
        b"[DONE]",
    ]


def test_done_is_compared_after_trimming(tap: ModuleType) -> None:
    for text, done in (
        (b"data:[DONE]", True),
        (b"data:  [DONE] \t", True),
        (b"data: [DONE]x", False),
        (b"data: [DONE", False),
    ):
        reader = tap.SseTap()
        reader.feed(text + b"\n\n")
        assert reader.done is done


@pytest.mark.parametrize(
    "text",
    [
        b'{"choices":[{"delta":{"content":"\\"usage\\":{\\"a\\":1},\\"error\\":1"}}]}',
        b'{"choices":[{"delta":{"usage":{"a":1},"error":{},"finish_reason":"stop","model":"x"}}]}',
        b'{"choices":["usage","error","finish_reason",{"finish_reason":""},{"finish_reason":null}]}',
        b'{"usage":null,"error":null,"choices":[{"finish_reason" : null}]}',
        b'{"finish_reason":"stop","choices":{"finish_reason":"stop"}}',
        b'{"usage":"none","model":"","choices":7}',
        b'{"usage":{"a":1},"error":{}',
        b'{"usage":{"a":1}} {"error":1}',
        b'{"usage":{"a":1},"error":{]}',
        b'[{"usage":{"a":1}}]',
        b'"usage"',
    ],
)
def test_a_needle_that_is_none_is_not_read(tap: ModuleType, text: bytes) -> None:
    event = b"data: " + text + b"\n\n"
    out, told = run(tap, [event], hide_usage=True)
    assert out == event
    assert (told["usage"], told["error"], told["model"], told["finishes"], told["events"]) == (b"", b"", b"", 0, 1)


def test_members_written_with_escapes_blanks_and_repeats(tap: ModuleType) -> None:
    event = b'data: { "us\\u0061ge" : { "a" : 1 } , "error" : false, "model":"", "model" : "m\\"x" }\n\n'
    _, told = run(tap, [event])
    assert (told["usage"], told["error"], told["model"]) == (b'{ "a" : 1 }', b"false", b'"m\\"x"')


def test_first_model_and_error_but_last_usage_count(tap: ModuleType) -> None:
    events = [b'data: {"model":"%d","error":{"code":%d},"usage":{"n":%d}}\n\n' % (n, n, n) for n in (1, 2, 3)]
    _, told = run(tap, [*events, b'data: {"usage":null}\n\n'])
    assert (told["model"], told["error"], told["usage"]) == (b'"1"', b'{"code":1}', b'{"n":3}')


def test_usage_inside_x_groq(tap: ModuleType) -> None:
    _, told = run(tap, [b'data: {"choices":[],"x_groq":{"id":"r","usage":{"prompt_tokens":1}}}\n\n'], hide_usage=True)
    assert told["usage"] == b'{"prompt_tokens":1}'
    _, told = run(
        tap,
        [
            b'data: {"usage":{"a":1},"x_groq":{"usage":{"b":1}}}\n\n',
            b'data: {"x_groq":{"usage":null,"usage_":"usage"}}\n\n',
        ],
    )
    assert told["usage"] == b'{"a":1}'


def test_finishes_are_counted_by_choice(tap: ModuleType) -> None:
    def finish(index: bytes) -> bytes:
        return b'data: {"choices":[{' + index + b'"finish_reason":"stop"}]}\n\n'

    reader = tap.SseTap(choices=3)
    for index, finishes in (
        (b'"index":0,', 1),
        (b'"index":0,', 1),
        (b'"index":2,', 2),
        (b'"index":300,', 2),
        (b"", 2),
        (b'"index":255,', 3),
    ):
        reader.feed(finish(index))
        assert (reader.finishes, reader.finished) == (finishes, finishes == 3)
    both = (
        b'data: {"choices":[{"index":1,"finish_reason":"stop"},{"index":"x","finish_reason":"length"},'
        b'{"index":2,"finish_reason":"stop"}]}\n\n'
    )
    _, told = run(tap, [both], choices=2)
    assert (told["finishes"], told["finished"]) == (2, True)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r", b"\r\n\n"])
def test_usage_chunk_is_hidden_at_every_cut(tap: ModuleType, end: bytes) -> None:
    first, hidden, last = (event[:-2] + end for event in (STOP, USAGE, DONE))
    for place in range(len(first + hidden + last)):
        out, told = run(tap, cut(first + hidden + last, place), hide_usage=True)
        assert out == first + last
        assert (told["usage"], told["events"], told["done"]) == (b'{"prompt_tokens":5,"completion_tokens":7}', 3, True)


@pytest.mark.parametrize(
    "text",
    [
        b'{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}',
        b'{"choices":[{"index":0}],"usage":{"a":1}}',
        b'{"usage":{"a":1}}',
        b'{"choices":[],"usage":{"a":1},"error":{"message":"late"}}',
        b'{"choices":null,"usage":{"a":1}}',
    ],
)
def test_what_is_more_than_a_usage_chunk_is_not_hidden(tap: ModuleType, text: bytes) -> None:
    event = b"data: " + text + b"\n\n"
    assert run(tap, [event], hide_usage=True)[0] == event


def test_an_event_that_is_too_large_stops_the_stream(tap: ModuleType) -> None:
    small, large = b"data: 12\n\n", b"data: " + b"x" * 40 + b"\n\n"
    for place in range(len(large)):
        reader = tap.SseTap(max_event_bytes=len(large) - 1)
        out = b"".join(reader.feed(piece) for piece in [small, *cut(large + small, place)])
        assert (out, reader.overflow, reader.held_bytes(), reader.events) == (small, True, 0, 1)
        assert (reader.feed(small), reader.finish()) == (b"", b"")
    for end in (b"\n\n", b"\r\n\r\n"):
        exact = b"data: 123" + end
        limit = len(exact) - end.endswith(b"\r\n")
        for place in range(len(exact)):
            out, told = run(tap, cut(exact, place), max_event_bytes=limit)
            assert (out, told["overflow"]) == (exact, False)


def test_a_large_event_in_small_reads_takes_linear_time(tap: ModuleType) -> None:
    event = b'data: {"choices":[{"delta":{"images":["' + b"A" * 3_000_000 + b'"]}}]}\n\n'
    out, told = run(tap, [event[i : i + 1024] for i in range(0, len(event), 1024)])
    assert out == event
    assert told["events"] == 1


@pytest.mark.parametrize(
    ("rest", "kept"),
    [
        (b"data: [DONE]", True),
        (b"data: [DONE]\r\n", True),
        (b'data: {"a":1}', True),
        (b'event: error\r\ndata: {"a":1}\r', True),
        (b'data: {"a":1} ', True),
        (b'data: "x"', True),
        (b"data: [1]", True),
        (b"data: 2\n", True),
        (b"data: -1.5e+3", True),
        (b"data: true", True),
        (b'data: {"a":', False),
        (b'data: {"a":1}}', False),
        (b'data: {"a":1} {', False),
        (b'data: "x', False),
        (b'data: "x" "y"', False),
        (b"data: tru", False),
        (b"data: 01", False),
        (b"data: 1.", False),
        (b"data: 1e", False),
        (b"data: -", False),
        (b"data: [DON", False),
        (b"data:", False),
        (b": ping\n", False),
        (b'{"error":{"a":1}', False),
        (b"\xef\xbb", False),
    ],
)
def test_an_unterminated_last_event(tap: ModuleType, rest: bytes, kept: bool) -> None:
    for place in range(len(rest)):
        out, told = run(tap, cut(rest, place))
        assert out == (rest if kept else b"")
        assert (told["cut"], told["held"]) == (not kept, 0)
        assert told["done"] is (b"[DONE]" in rest)


def test_an_unterminated_usage_chunk_is_hidden_too(tap: ModuleType) -> None:
    out, told = run(tap, [USAGE[:-2]], hide_usage=True)
    assert (out, told["cut"]) == (b"", False)
    assert told["usage"]


def test_a_bare_json_error(tap: ModuleType) -> None:
    body = b'{\n  "error": {\n\n    "message": "a }] \\" b",\n    "code": 499\n  }\n}'
    for before in (b"", DELTA, b"\xef\xbb\xbf"):
        for place in range(len(before + body)):
            out, told = run(tap, cut(before + body + b"\n", place))
            assert out == before + body + b"\n"
            assert msgspec.json.decode(told["error"]) == {"message": 'a }] " b', "code": 499}  # type: ignore[arg-type]


def framing_cases() -> list[object]:
    if not CASES.exists():
        return []
    cases = msgspec.json.decode(CASES.read_bytes())["cases"]
    return [pytest.param(case, id=case["name"]) for case in cases if case["from"] == "sse"]


@pytest.mark.parametrize("case", framing_cases())
@pytest.mark.parametrize("every_byte", [False, True])
def test_framing_vectors(tap: ModuleType, case: dict[str, dict[str, list[object]]], every_byte: bool) -> None:
    chunks = [base64.b64decode(str(chunk)) for chunk in case["input"]["chunks_base64"]]
    if every_byte and sum(map(len, chunks)) < 10_000:
        chunks = [bytes([byte]) for byte in b"".join(chunks)]
    expected = [
        event.get("data_sha256") or sha256(event["data"].encode()).hexdigest() for event in case["expected"]["events"]
    ]  # type: ignore[attr-defined]
    if case["name"] == "framing/sse-incomplete-json-at-end-dropped":  # type: ignore[comparison-overlap]
        expected.pop()  # the vector is of the framing alone; the tap has the JSON rule in it
    reader = tap.SseTap()
    events = [tap.event_data(block) for chunk in chunks for block in reader.split(chunk)]
    events.append(tap.event_data(reader.finish()))
    empty = sha256(b"").hexdigest()
    assert [sha256(data).hexdigest() for data in events if data] == [digest for digest in expected if digest != empty]


@needs_recordings
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_recordings_pass_byte_for_byte(path: Path) -> None:
    data = path.read_bytes()
    whole = [run(half, [data]) for half in HALVES]
    assert all(out == data for out, _ in whole)
    assert all(told == whole[0][1] for _, told in whole)
    assert not whole[0][1]["cut"]
    places = range(0, len(data), max(1, len(data) // 100))
    for half in HALVES:
        assert run(half, [data[i : i + 1] for i in range(len(data))]) == whole[0]
        for place in places:
            assert run(half, cut(data, place)) == whole[0]


@needs_recordings
@pytest.mark.slow
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_recordings_cut_once_at_every_byte(path: Path) -> None:
    data = path.read_bytes()
    half = HALVES[-1]
    whole = run(half, [data])
    for place in range(len(data)):
        assert run(half, [data[:place], data[place:]]) == whole


@needs_recordings
def test_recordings_tell_what_they_should() -> None:
    for path in RECORDED:
        _, told = run(HALVES[-1], [path.read_bytes()], choices=2 if path.stem.startswith("n2") else 1)
        assert told["error"] if "error" in path.stem else not told["error"]
        assert told["finished"] or "error" in path.stem, path
        assert told["done"] or path.stem.startswith(("perplexity", "groq-mid")), path
        assert told["model"], path
        unasked = path.stem in {
            "azure-prompt-filter-first-chunk-stream",
            "legacy-completions-stream",
            "tool-index-starts-at-1-stream",
        }
        assert bool(told["usage"]) is not unasked or path.parent.name == "provider", path


class Holder:
    """A guard that holds events with ``<`` back until one with ``>`` comes, and gives them on in capitals."""

    def __init__(self) -> None:
        self.held: list[bytes] = []
        self.seen: list[bytes] = []

    @property
    def holding(self) -> bool:
        return bool(self.held)

    def forward(self, name: bytes, data: bytes, block: bytes) -> bytes:
        self.seen.append(name + data)
        if not self.held and b"<" not in data:
            return block
        self.held.append(block.upper())
        return self.finish() if b">" in data else b""

    def finish(self) -> bytes:
        held, self.held = self.held, []
        return b"".join(held)


GUARDED: Final = (b"<tag>", b"</tag>")


def guarded(half: ModuleType, pieces: list[bytes], **options: object) -> tuple[bytes, list[Holder]]:
    made: list[Holder] = []

    def make() -> Holder:
        made.append(Holder())
        return made[-1]

    out, _ = run(half, pieces, tags=GUARDED, guard=make, **options)
    return out, made


def said(text: bytes) -> bytes:
    return b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % text


def test_what_may_be_a_tag_is_the_guards(tap: ModuleType) -> None:
    body = b"".join(map(said, (b"a <b", b"c<", b"d", b": e", b"/tag>", b"<x>", b"f"))) + b": c\n\n" + DONE
    held = b"".join(map(said, (b"c<", b"d", b": e", b"/tag>"))).upper()
    expected = said(b"a <b") + held + said(b"<x>") + said(b"f") + b": c\n\n" + DONE
    for place in range(len(body)):
        out, made = guarded(tap, cut(body, place))
        assert out == expected
        assert [len(holder.seen) for holder in made] == [4]
    assert guarded(tap, [said(b"plain")])[1] == []
    out, made = guarded(tap, [said(b"a<"), said(b"b>"), said(b"c"), said(b"d\\u003Ct"), said(b"\\u003cno")])
    assert out == said(b"a<").upper() + said(b"b>").upper() + b"".join(map(said, (b"c", b"d\\u003Ct", b"\\u003cno")))
    assert [len(holder.seen) for holder in made] == [3]


def test_what_the_guard_holds_at_the_end_comes_out(tap: ModuleType) -> None:
    assert guarded(tap, [said(b"a<")])[0] == said(b"a<").upper()
    assert guarded(tap, [said(b"a<") + DONE])[0] == (said(b"a<") + DONE).upper()
    assert guarded(tap, [said(b"a<")[:-2]])[0] == said(b"a<")[:-2].upper()


def test_what_is_read_and_hidden_is_so_beside_the_guard(tap: ModuleType) -> None:
    made: list[Holder] = []
    out, told = run(
        tap,
        [said(b"<") + USAGE + STOP + said(b">")],
        hide_usage=True,
        tags=GUARDED,
        guard=lambda: made.append(Holder()) or made[-1],  # type: ignore[func-returns-value]
    )
    assert out == (said(b"<") + STOP + said(b">")).upper()
    assert (told["usage"], told["finished"], told["events"]) == (b'{"prompt_tokens":5,"completion_tokens":7}', True, 4)


def test_a_guard_without_tags_and_tags_without_a_guard(tap: ModuleType) -> None:
    assert run(tap, [said(b"<tag>")], tags=GUARDED)[0] == said(b"<tag>")
    assert run(tap, [said(b"<tag>")], guard=Holder)[0] == said(b"<tag>")
    with pytest.raises(ValueError, match="tags"):
        tap.SseTap(tags=(b"<",) * 5)


def test_nothing_is_read_after_the_end_mark(tap: ModuleType) -> None:
    for end in (b"\n\n", b"\r\n\r\n", b"\r\r"):
        body = DELTA + b"data: [DONE]" + end
        for place in range(len(body), len(body + USAGE)):
            out, told = run(tap, cut(body + USAGE, place))
            assert (out, told["done"], told["usage"], told["events"]) == (body, True, b"", 2)


MARKS: Final = (
    b"\n", b"\r", b"\r\n", b"\n\n", b"data: ", b"data:", b"data", b"event: error", b": c", b"\xef\xbb\xbf", b"\xef",
    b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b" ", b"null", b"[DONE]",
)  # fmt: skip
MEMBERS: Final = (
    b'"usage":{"a":1}', b'"usage":null', b'"usage"', b'"error":1', b'"model":"m"', b'"choices":[]', b'"index":1',
    b'"finish_reason":"stop"', b'"finish_reason" : null', b'"us\\u0061ge":{}', b'"x_groq":{"usage":{}}',
    b'"\\"usage\\""',
)  # fmt: skip
TWO_FINISH: Final = b'data: {"choices":[{"finish_reason":"stop"},{"index":1,"finish_reason":"x"}]}\r\n\r\n'
EVENTS: Final = (DELTA, STOP, USAGE, DONE, TWO_FINISH, b'{"error":{"a":"}"}}')
pieces = st.sampled_from(MARKS + MEMBERS + EVENTS)
streams = st.lists(pieces | st.binary(max_size=3), max_size=20).map(b"".join)


@needs_both
@given(streams, st.lists(st.integers(0, 4096), max_size=6), st.booleans(), st.sampled_from([4, 40, 1000]))
@example(b"\xef\n\ndata: 1\n\n", [1], False, 1000)
@example(USAGE[:-2] + b"\r\n\r\n", [len(USAGE) + 1], True, 1000)
def test_twins_agree_at_every_split(data: bytes, places: list[int], hide: bool, limit: int) -> None:
    options = {"hide_usage": hide, "choices": 2, "max_event_bytes": limit}
    told = [run(half, split, **options) for half in HALVES for split in ([data], cut(data, *places))]
    assert told == [told[0]] * len(told)
    if not hide and not (told[0][1]["overflow"] or told[0][1]["cut"] or told[0][1]["done"]):
        assert told[0][0] == data
    plain, compiled = (half.SseTap(**options) for half in HALVES)
    for piece in cut(data, *places):
        assert plain.split(piece) == compiled.split(piece)
        assert state(plain) == state(compiled)


@needs_both
@given(streams)
def test_twins_agree_on_event_data(event: bytes) -> None:
    assert tap_py.event_data(event) == tap_c.event_data(event)  # type: ignore[union-attr]
