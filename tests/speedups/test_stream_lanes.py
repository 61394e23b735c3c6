"""Both halves of the stream core: what passes through lanes, and that nobody can tell whether it did."""

from itertools import combinations
from types import ModuleType
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omniroute._speedups import ANY, CHOICE, INDEX, STASH, TEXT, Is, stream_py
from tests.speedups.stream_rig import Call, Frame, Hot, Lane, Recorder, Scribe, cut, drive
from tests.speedups.stream_transcripts import CHAT, CHAT_SHAPES, DIALECTS
from tests.speedups.twins import maybe_compiled, twins

stream_c = maybe_compiled("stream")
HALVES: Final = [half for half in (stream_py, stream_c) if half is not None]
TAGS: Final = (b"<omniModel>", b"</omniModel>")
PLAIN: Final = ({"c": CHOICE, "i": INDEX, "t": TEXT, "u": STASH},)

each_dialect = pytest.mark.parametrize("dialect", DIALECTS)
needs_both = pytest.mark.skipif(stream_c is None, reason="stream_c is not built")


@pytest.fixture(params=twins("stream"))
def stream(request: pytest.FixtureRequest) -> ModuleType:
    return request.param  # type: ignore[no-any-return]


def scribed(half: ModuleType, dialect: str, pieces: list[bytes], *, lanes: bool = True) -> tuple[object, ...]:
    shapes, framing, _ = DIALECTS[dialect]
    scribe = Scribe(shapes, tags=TAGS, numbered=True)
    out, state = drive(half, scribe, pieces, framing=framing, shapes=shapes, lanes=lanes)
    return out, state, scribe.totals, scribe.stashes


@each_dialect
def test_lanes_are_invisible(stream: ModuleType, dialect: str) -> None:
    data = DIALECTS[dialect][2]
    assert scribed(stream, dialect, [data]) == scribed(stream, dialect, [data], lanes=False)


@each_dialect
def test_most_text_needs_no_machine(stream: ModuleType, dialect: str) -> None:
    shapes, framing, data = DIALECTS[dialect]
    asked, all_events = (
        len(machine.events())
        for lanes in (True, False)
        for machine in [Scribe(shapes, tags=TAGS)]
        for _ in [drive(stream, machine, [data], framing=framing, shapes=shapes, lanes=lanes)]
    )
    assert asked < all_events


WINDOWS: Final = {
    "openai_chat": (b"data: 1\n\n", b'data: { "choices" : [ {'),
    "anthropic": (
        b"data: 1\n\n",
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"!"}}',
    ),
    "gemini": (b"data: 1\r\n\r\n", b'data: {"candidates": [{"content": {"parts": [{"text": "two"'),
    "gemini_array": (b"[{},\r\n", b'{"candidates": [{"content": {"parts": [{"text": "B"'),
    "openai_responses": (b"data: 1\n\n", b"event: response.output_text.delta"),
    "ollama": (b"1\n", b'{"model":"q","created_at":"t","message":{"role":"assistant","content":"","thinking":" not"'),
}


@pytest.mark.slow
@each_dialect
def test_every_pair_of_cuts(stream: ModuleType, dialect: str) -> None:
    shapes, framing, data = DIALECTS[dialect]
    # What a core remembers between two reads is of one event at most: the two or three of a window have every case.
    arms, start = WINDOWS[dialect]
    window = arms + data[data.index(start) :][:280]
    lanes = [Lane(Hot(shape, 0, 0, shape), Frame(b"(", b")", b"#")) for shape in range(len(shapes))]
    options = {"framing": framing, "shapes": shapes}
    whole = drive(stream, Recorder(lanes), [window], **options)
    assert whole[1]["sequence"]  # something was hot
    for number, places in enumerate(combinations(range(len(window)), 2)):
        if stream is not stream_py or number % 31 == 0:
            assert drive(stream, Recorder(lanes), cut(window, *places), **options) == whole


@each_dialect
def test_every_cut_and_every_byte(stream: ModuleType, dialect: str) -> None:
    data = DIALECTS[dialect][2]
    whole = scribed(stream, dialect, [data])
    assert scribed(stream, dialect, [data[i : i + 1] for i in range(len(data))]) == whole
    for place in range(0, len(data), 1 if stream is not stream_py else 11):
        assert scribed(stream, dialect, cut(data, place)) == whole


def lane(block: int, frame: Frame, *, choice: int = 0, index: int = 0, tags: tuple[bytes, ...] = ()) -> Lane:
    return Lane(Hot(0, choice, index, block), frame, tags)


def line(text: bytes, rest: bytes = b"") -> bytes:
    return b'data: {"t":"%b"%b}\n\n' % (text, rest)


def test_frames(stream: ModuleType) -> None:
    machine = Recorder(
        [
            lane(1, Frame(b"<", b">")),
            lane(2, Frame(b"n", b"t", middle=b"m", keep=True), choice=1),
            lane(3, Frame(b"no", b"no", silent=True, keep=True), choice=1, index=2),
        ]
    )
    core = stream.StreamCore(machine, framing="sse", shapes=PLAIN)
    assert core.feed(line(b"first")) == b""  # armed only after the machine was called
    core.sequence = 99
    said = [
        core.feed(line(text, rest))
        for text, rest in ((b"a", b""), (b"b", b',"c":1'), (b"c", b',"c":1,"i":2'), (b"d", b',"c":1,"i":0'))
    ]
    assert said == [b"<a>", b"n99mbt", b"", b"n100mdt"]
    assert core.sequence == 101
    assert core.feed(line(b"x", b',"c":2')) == b""  # no lane: the machine's
    assert machine.calls[2:] == [
        Call("caught", b"", b"", (1, 1, 1)),
        Call("caught", b"bd", b"", (2, 2, 2)),
        Call("caught", b"c", b"", (3, 1, 1)),
        Call("begin", numbers=(101,)),
        Call("event", b"", b'{"t":"x","c":2}'),
    ]


def test_what_lanes_carried_is_told_once_and_before_anybody_else_speaks(stream: ModuleType) -> None:
    machine = Recorder([lane(7, Frame(b"<", b">"))])
    core = stream.StreamCore(machine, framing="sse", shapes=PLAIN)
    core.feed(line(b"first") + line(b"ab") + line(b"c", b',"u":{"n":1}') + line(b"d"))
    assert core.content
    machine.calls.clear()
    core.settle()
    core.settle()
    assert machine.calls == [Call("caught", b"", b'{"n":1}', (7, 3, 4)), *[Call("begin", numbers=(0,))] * 2]
    for _ in range(2):  # the same bytes again are told again
        machine.calls.clear()
        core.feed(line(b"e", b',"u":5') * 2)
        core.settle()
        assert machine.calls == [Call("caught", b"", b"5", (7, 2, 2)), Call("begin", numbers=(0,))]
    machine.calls.clear()
    assert core.finish() == b""
    assert machine.calls == [Call("begin", numbers=(0,)), Call("finish")]


def test_lanes_change_with_each_answer(stream: ModuleType) -> None:
    machine = Recorder([lane(1, Frame(b"1", b""))])
    core = stream.StreamCore(machine, framing="sse", shapes=PLAIN)
    core.feed(line(b"first"))
    machine.armed = [lane(2, Frame(b"2", b"")), lane(3, Frame(b"3", b""), choice=1)]
    assert core.feed(line(b"a") + b"data: other\n\n" + line(b"b") + line(b"c", b',"c":1')) == b"1a2b3c"
    machine.armed = []
    assert core.feed(b"data: other\n\n" + line(b"d")) == b""
    assert [call.numbers for call in machine.calls if call.what == "caught"] == [(1, 1, 1), (2, 1, 1), (3, 1, 1)]


def test_the_first_shape_armed_counts(stream: ModuleType) -> None:
    shapes = ({"t": TEXT}, {"t": TEXT, "c": CHOICE})
    lanes = [Lane(Hot(1, 0, 0, 5), Frame(b"1", b"")), Lane(Hot(0, 0, 0, 6), Frame(b"0", b""))]
    machine = Recorder(lanes)
    core = stream.StreamCore(machine, framing="sse", shapes=shapes)
    assert core.feed(line(b"first") + line(b"a")) == b"1a"
    machine.armed = [Lane(Hot(1, 4, 0, 5), Frame(b"1", b"")), lanes[1]]
    core.feed(b"data: x\n\n")
    assert core.feed(line(b"b") + line(b"c", b',"c":4')) == b"0b1c"


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        (b"plain", False),
        (b"a < b", False),
        (b"<div>", False),
        (b"<omnix", False),
        (b"a<", True),
        (b"a<omni", True),
        (b"a<omniModel>x", True),
        (b"</om", True),
        (b"x\\u003comni", True),
        (b"x\\u003Comni", True),
        (b"x\\u003cother", False),
        (b"<\\/omni", True),
        (b"<\\u006fmni", True),
        (b"\\\\n", False),
        (b"\\n\\t<p", False),
        (b"<p><", True),
        (b"a\\", None),
    ],
)
def test_a_text_in_which_a_tag_may_begin_is_the_machines(stream: ModuleType, text: bytes, asks: bool | None) -> None:
    machine = Recorder([lane(1, Frame(b"(", b")"), tags=TAGS)])
    core = stream.StreamCore(machine, framing="sse", shapes=PLAIN)
    core.feed(line(b"first"))
    said = core.feed(line(text))
    assert said == (b"" if asks is not False else b"(" + text + b")")
    assert len(machine.events()) == (1 if asks is False else 2)


def test_kept_text_is_bounded(stream: ModuleType) -> None:
    machine = Recorder([lane(1, Frame(b"", b"", keep=True)), lane(2, Frame(b"", b"", keep=True), choice=1)])
    core = stream.StreamCore(machine, framing="sse", shapes=PLAIN, max_event_bytes=60)
    core.feed(line(b"first"))
    assert core.feed(line(b"a" * 30) + line(b"b" * 20, b',"c":1')) == b"a" * 30 + b"b" * 20
    core.feed(b"data: told\n\n")  # what was kept is the machine's now, and still counts
    assert not core.overflow
    assert core.feed(line(b"c" * 10) + line(b"d") + line(b"e")) == b"c" * 10
    assert core.overflow
    assert core.feed(line(b"f") + b"data: [DONE]\n\n") == b""
    assert not core.done
    core.settle()
    assert [call.numbers for call in machine.calls if call.what == "caught"] == [(1, 1, 30), (2, 1, 20), (1, 1, 10)]
    assert core.finish() == b""


def test_nothing_is_read_once_the_machine_is_done(stream: ModuleType) -> None:
    machine = Recorder([lane(1, Frame(b"(", b")"))])
    core = stream.StreamCore(machine, framing="sse", shapes=PLAIN)
    assert core.feed(line(b"first") + line(b"a") + b"data: [DONE]\n\n" + line(b"b") + b"data: x\n\n") == b"(a)"
    assert core.done
    assert core.feed(line(b"c")) == b""
    assert machine.events()[1:] == [(b"", b"[DONE]")]
    assert core.events == 3


def test_what_the_machine_raises_comes_out(stream: ModuleType) -> None:
    class Breaks(Recorder):
        def event(self, name: bytes, data: bytes) -> bytes:
            raise RuntimeError("a defect")

    core = stream.StreamCore(Breaks(), framing="sse", shapes=PLAIN)
    with pytest.raises(RuntimeError, match="a defect"):
        core.feed(line(b"x"))


def test_what_cannot_be_is_refused(stream: ModuleType) -> None:
    with pytest.raises(ValueError, match="framing"):
        stream.StreamCore(Recorder(), framing="xml", shapes=PLAIN)
    with pytest.raises(TypeError, match="forward"):
        stream.StreamCore(object(), framing="sse", shapes=PLAIN, forward=True)
    with pytest.raises(ValueError, match="TEXT"):
        stream.StreamCore(Recorder(), framing="sse", shapes=({"a": CHOICE},))
    core = stream.StreamCore(Recorder([Lane(Hot(1, 0, 0, 0), Frame())]), framing="sse", shapes=PLAIN)
    with pytest.raises(ValueError, match="no shape 1"):
        core.feed(line(b"x"))


def test_shapes_of_either_half_will_do(stream: ModuleType) -> None:
    for module in HALVES:
        shapes = __import__(module.__name__.replace("stream", "shapes"), fromlist=["Shapes"]).Shapes(CHAT_SHAPES)
        machine = Scribe(CHAT_SHAPES)
        assert drive(stream, machine, [CHAT], framing="sse", shapes=shapes)[0]


def test_a_large_text_takes_linear_time(stream: ModuleType) -> None:
    text = b"<" * 300_000 + b" " + b"\\n" * 100_000 + "é".encode() * 100_000
    data = line(text)
    machine = Recorder([lane(1, Frame(b"(", b")"), tags=TAGS)])
    core = stream.StreamCore(machine, framing="sse", shapes=PLAIN)
    core.feed(line(b"first"))
    out = b"".join(core.feed(data[i : i + 65536]) for i in range(0, len(data), 65536))
    assert out == b"(" + text + b")"


# -- anything at all -----------------------------------------------------------------------------------------------------

BYTES: Final = st.sampled_from(
    [b'"', b"\\", b"\\u00e9", b"\\ud83d", b"\\ude00", b"\\u12", b"\\x", b"\\/", b"\\n", b"\xc3\xa9", b"\xc3", b"\xed\xa0\x80",
     b"\xf4\x90\x80\x80", b"\xf0\x9f\x98\x80", b"\x00", b"\x1f", b"\x7f", b"<", b"<omniModel>", b"</o", b"\\u003c", b"x", b" "]
)  # fmt: skip
texts = st.lists(BYTES, max_size=6).map(b"".join)
strings = texts.map(lambda text: b'"%b"' % text)
good_values = st.sampled_from([b"null", b"false", b"true", b"0", b"1", b"255", b"256", b"007", b"1e2", b"-1", b"65536", b'""', b"[]", b"{}", b"[ ]", b'"x"', b"[1,{}]", b'{"a":[]}'])  # fmt: skip
broken_values = st.sampled_from(
    [b"", b"nul", b"[", b"}", b'"', b"1 2", b"tru e", b"{,}", b"[1,]", b'{"a"}', b"01x", b"[[]"]
)


def members(names: list[str], values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    name = st.sampled_from([name.encode() for name in names] + [b"other", b"\\u0074", b""])
    blank = st.sampled_from([b"", b"", b"", b" ", b"\t"])
    member = st.tuples(blank, name, blank, blank, values, blank).map(
        lambda found: b'%b"%b"%b:%b%b%b' % (found[0], found[1], *found[2:])
    )
    return st.lists(member, max_size=5).map(lambda found: b"{" + b",".join(found) + b"}")


def events_of(values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Events around PLAIN and CHAT_SHAPES: as they should be, and spoilt."""
    text = st.builds(lambda t, rest: b'{"t":%b%b}' % (t, rest), strings, st.sampled_from([b"", b',"c":1', b',"i":3,"c":0', b',"u":{"a":1}', b',"t":"x"', b',"c":null', b' , "u" : 5 ']))  # fmt: skip
    delta = members(["content", "reasoning_content", "role"], strings | values)
    chat = st.builds(
        lambda delta, choice, tail: b'{"choices":[{"delta":%b,"index":%b}]%b}' % (delta, choice, tail),
        delta, st.sampled_from([b"0", b"1", b"0.0", b"00", b"-0", b"300"]), st.sampled_from([b"", b',"id":"x"', b',"usage":null', b',"usage":{}', b"}"]),
    )  # fmt: skip
    return text | chat | members(["t", "c", "i", "u"], strings | values)


def framed(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


ALL_SHAPES: Final = (*PLAIN, *CHAT_SHAPES)
places = st.lists(st.integers(0, 4096), max_size=5)


@given(st.lists(events_of(good_values), max_size=8), places)
def test_lanes_are_invisible_whatever_comes(events: list[bytes], at: list[int]) -> None:
    data = b"".join(map(framed, events))
    told = []
    for half in HALVES:
        for lanes, pieces in ((False, [data]), (True, [data]), (True, cut(data, *at))):
            scribe = Scribe(ALL_SHAPES, tags=TAGS, numbered=True)
            out = drive(half, scribe, pieces, framing="sse", shapes=ALL_SHAPES, lanes=lanes)
            told.append((out, scribe.totals, scribe.stashes))
    assert told == [told[0]] * len(told)


class Greedy(Recorder):
    """Arms a lane for every shape, choice and index there may be, from the first event on."""

    def __init__(self, shapes: int) -> None:
        numbers = [(0, 0), (1, 0), (0, 3), (0, 2), (255, 0)]
        super().__init__(
            [
                Lane(Hot(shape, choice, index, shape), Frame(b"(%d:" % shape, b")", b"#", keep=True), TAGS)
                for shape in range(shapes)
                for choice, index in numbers
            ]
        )


AROUND: Final = (
    (b'{"t":"', b'"}'),
    (b'{"t":"', b'","c":1}'),
    (b'{"t":"', b'","c":2}'),
    (b'{"t":"', b'" ,"u":[1]}'),
    (b'{"t":"', b'" ,"u":[2]}'),
    (b'{"choices":[{"delta":{"content":"', b'"},"index":0}],"obfuscation":"a"}'),
    (b'{"choices":[{"delta":{"content":"', b'"},"index":0}],"obfuscation":"b"}'),
    (b'{"m":"certain","w":"', b'"}'),
    (b'{"m":"', b'","w":"some"}'),
)
CERTAIN: Final = ({"m": Is(b"certain"), "w": TEXT}, {"m": TEXT, "w": ANY})
"""The text of the second may make an event one of the first."""


@given(
    st.lists(
        st.tuples(
            st.sampled_from(AROUND),
            st.lists(
                texts | st.sampled_from([b"a", b"b", b"certain", b'x","t":"y', b'","c":"0']), min_size=1, max_size=5
            ),
        ),
        max_size=4,
    ),
    places,
)
@example(
    [((b'{"t":"', b'","c":1}'), [b"a", b"b"]), ((b'{"t":"', b'","c":2}'), [b"c"]), ((b'{"t":"', b'","c":1}'), [b"d"])],
    [],
)
@example([((b'{"m":"', b'","w":"some"}'), [b"a", b"b", b"certain", b"c"])], [])
@example([((b'{"t":"', b'" ,"u":[1]}'), [b"a", b"b"]), ((b'{"t":"', b'" ,"u":[2]}'), [b"c", b"d"])], [])
def test_events_that_differ_in_their_text_alone(
    runs: list[tuple[tuple[bytes, bytes], list[bytes]]], at: list[int]
) -> None:
    data = b"".join(framed(head + text + tail) for (head, tail), said in runs for text in said for _ in "ab")
    told = []
    for half in HALVES:
        for lanes, pieces in ((False, [data]), (True, [data]), (True, cut(data, *at))):
            scribe = Scribe(ALL_SHAPES, tags=TAGS, numbered=True)
            out = drive(half, scribe, pieces, framing="sse", shapes=ALL_SHAPES, lanes=lanes)
            told.append((out, scribe.totals, scribe.stashes))
    assert told == [told[0]] * len(told)
    # Where shapes overlap it is the first armed that counts, so that only cores agree among themselves.
    shapes = (*CERTAIN, *ALL_SHAPES)
    greedy = [(half, Greedy(len(shapes))) for half in HALVES for _ in "ab"]
    out_of = [
        drive(half, machine, cut(b"data: 1\n\n" + data, *at), framing="sse", shapes=shapes) for half, machine in greedy
    ]
    assert out_of == [out_of[0]] * len(out_of)
    assert all(machine.calls == greedy[0][1].calls for _, machine in greedy)


@needs_both
@given(st.lists(events_of(good_values | broken_values), max_size=8), st.binary(max_size=30), places, st.sampled_from([30, 90, 1000]))  # fmt: skip
def test_twins_agree_whatever_comes(events: list[bytes], noise: bytes, at: list[int], limit: int) -> None:
    data = b"data: first\n\n" + b"".join(map(framed, events)) + noise
    for forward in (False, True):
        told = []
        for half in HALVES:
            machine = Greedy(len(ALL_SHAPES))
            options = {"framing": "sse", "shapes": ALL_SHAPES, "max_event_bytes": limit, "forward": forward}
            told.append((drive(half, machine, cut(data, *at), **options), machine.calls))
        assert told[0] == told[1]
