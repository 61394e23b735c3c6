"""Both halves of the stream core: how a body becomes events and blocks, whatever its framing and however it is cut."""

import base64
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Final

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omniroute._speedups import stream_py
from tests.speedups.stream_rig import Recorder, cut, drive
from tests.speedups.stream_transcripts import DIALECTS
from tests.speedups.twins import maybe_compiled, twins

stream_c = maybe_compiled("stream")
HALVES: Final = [half for half in (stream_py, stream_c) if half is not None]
SHARED: Final = Path(__file__).parents[3] / "shared"
CASES: Final = SHARED / "spec" / "translation_cases.json"
RECORDED: Final = sorted((SHARED / "fixtures" / "recorded").glob("*/*.sse"))

needs_both = pytest.mark.skipif(stream_c is None, reason="stream_c is not built")
needs_recordings = pytest.mark.skipif(not RECORDED, reason="../shared/fixtures is not beside the repository")


@pytest.fixture(params=twins("stream"))
def stream(request: pytest.FixtureRequest) -> ModuleType:
    return request.param  # type: ignore[no-any-return]


class Mute(Recorder):
    """Never done, so that everything is read."""

    def __init__(self) -> None:
        super().__init__(done_at=b"\x00")


def events(half: ModuleType, pieces: list[bytes], framing: str = "sse", **options: int) -> list[tuple[bytes, bytes]]:
    machine = Mute()
    drive(half, machine, pieces, framing=framing, shapes=(), **options)
    return machine.events()


def passed(
    half: ModuleType, pieces: list[bytes], framing: str = "sse", **options: int
) -> tuple[bytes, dict[str, object]]:
    return drive(half, Mute(), pieces, framing=framing, shapes=(), forward=True, **options)


def framing_cases() -> list[object]:
    if not CASES.exists():
        return []
    cases = msgspec.json.decode(CASES.read_bytes())["cases"]
    return [pytest.param(case, id=case["name"]) for case in cases if case["kind"] == "framing"]


@pytest.mark.parametrize("case", framing_cases())
@pytest.mark.parametrize("every_byte", [False, True])
def test_framing_vectors(stream: ModuleType, case: dict[str, object], every_byte: bool) -> None:
    given_, wanted = case["input"], case["expected"]
    assert isinstance(given_, dict)
    assert isinstance(wanted, dict)
    chunks = [base64.b64decode(chunk) for chunk in given_["chunks_base64"]]
    if every_byte:
        whole = b"".join(chunks)
        chunks = [whole[i : i + 1] for i in range(min(len(whole), 5000))] + [whole[5000:]]
    expected = [
        ((event["event"] or "").encode(), event.get("data_sha256") or sha256(event["data"].encode()).hexdigest())
        for event in wanted["events"]
        if event.get("data") != ""  # an event with empty data is none
    ]
    if case["name"] == "framing/sse-incomplete-json-at-end-dropped":
        expected.pop()  # the vector is of the framing alone; the core has the JSON rule in it
    found = events(stream, chunks, "ndjson" if case["from"] == "ndjson" else "sse")
    assert [(name, sha256(data).hexdigest()) for name, data in found] == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"event: a\ndata: 1\n\ndata: 2\n\n", [(b"a", b"1"), (b"", b"2")]),
        (b"data: 1\nevent: late\n\n", [(b"late", b"1")]),
        (b"event: a\nevent: b\ndata: 1\n\n", [(b"b", b"1")]),
        (b"event: a\nevent\ndata: 1\n\n", [(b"", b"1")]),
        (b"event:a\ndata:1\ndata:  2\n\n", [(b"a", b"1\n 2")]),
        (b"events: a\ndatas: 1\nDATA: 2\n data: 3\n\n", []),
        (b"\n\n \r\n\tdata: 1\n\n", []),
        (b"\n\n  \r\ndata: 1\n\n", [(b"", b"1")]),
        (b"\r\rdata: 1\r\r", [(b"", b"1")]),
        (b"data: 1\r\n\ndata: 2\n\r\ndata: 3\r\rdata: 4\n\n", [(b"", b"1"), (b"", b"2"), (b"", b"3"), (b"", b"4")]),
        (b" \n {\"a\":\n\n1} \ndata: 2\n\n", [(b"", b'{"a":\n\n1}'), (b"", b"2")]),
        (b'{"a":"}\\"{"}{"b":[{}]}\ndata: 2\n\n', [(b"", b'{"a":"}\\"{"}'), (b"", b'{"b":[{}]}'), (b"", b"2")]),
        (b"data: 1\n{\ndata: 2\n\n", [(b"", b"1\n2")]),
        (b"\xef\xbb\xbf{\"a\":1}", [(b"", b'{"a":1}')]),
        (b"\xef\xbb\xbf[{\"a\":1}]", [(b"", b'{"a":1}')]),
        (b"\xef\xbbdata: 1\n\ndata: 2\n\n", [(b"", b"2")]),
        (b" \r\n[ {\"a\":[1]} , 5, \"x\", {\"b\":{}}\n]\n", [(b"", b'{"a":[1]}'), (b"", b'{"b":{}}')]),
        (b"[]", []),
        (b"[{\"a\":1},{\"b\":", [(b"", b'{"a":1}')]),
        (b"[{\"a\":1}\n", [(b"", b'{"a":1}')]),
        (b"data: 1\n\n[{\"a\":1}]\n\ndata: 2\n\n", [(b"", b"1"), (b"", b"2")]),
    ],
)  # fmt: skip
def test_events(stream: ModuleType, body: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    for place in range(len(body)):
        assert events(stream, cut(body, place)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a":1}\n{"b":2}\r\n\n \r\n{"c":3}', [b'{"a":1}', b'{"b":2}', b'{"c":3}']),
        (b'\xef\xbb\xbf{"a":1}\n', [b'{"a":1}']),
        (b'{"a":"\r"}\r\r\n', [b'{"a":"\r"}\r']),
        (b'data: 1\n{"a":\n', [b"data: 1", b'{"a":']),
        (b'{"a":1}\n{"b":', [b'{"a":1}']),
        (b" \n", []),
    ],
)
def test_lines(stream: ModuleType, body: bytes, expected: list[bytes]) -> None:
    for place in range(len(body)):
        assert [data for _, data in events(stream, cut(body, place), "ndjson")] == expected


@pytest.mark.parametrize(
    ("rest", "kept"),
    [
        (b"data: [DONE]", True),
        (b"data: [DONE] \r\n", True),
        (b'event: error\r\ndata: {"a":1}\r', True),
        (b'data: {"a":1} ', True),
        (b'data: "x"', True),
        (b"data: [1]", True),
        (b"data: -1.5e+3", True),
        (b"data: 2\n", True),
        (b"data: true", True),
        (b'{"a":"}"}', True),
        (b'data: {"a":', False),
        (b'data: {"a":1}}', False),
        (b'data: {"a":1} {', False),
        (b'data: "x" "y"', False),
        (b"data: tru", False),
        (b"data: 01", False),
        (b"data: 1.", False),
        (b"data: [DON", False),
        (b"data:", False),
        (b": ping\n", False),
        (b'{"error":{"a":1}', False),
        (b"\xef\xbb", False),
        (b"[", False),
        (b"[{},", False),
    ],
)
def test_an_unterminated_last_event(stream: ModuleType, rest: bytes, kept: bool) -> None:
    for place in range(len(rest)):
        out, state = passed(stream, cut(rest, place))
        assert out == (rest if kept else rest[:3] if rest == b"[{}," else b"")
        assert state["cut"] is not kept
        assert state["events"] == (kept or rest == b"[{},")


def test_blanks_at_the_end_are_no_cut(stream: ModuleType) -> None:
    for body in (b"[{}]\n", b"{}\r\n", b"data: 1\n\n", b" \n", b""):
        for place in range(len(body) + 1):
            out, state = passed(stream, cut(body, place))
            assert (out, state["cut"]) == (body, False)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_forwarded_blocks_are_the_bytes_that_came(stream: ModuleType, dialect: str) -> None:
    _, framing, data = DIALECTS[dialect]
    for place in range(0, len(data), 1 if stream is not stream_py else 7):
        assert passed(stream, cut(data, place), framing)[0] == data
    assert passed(stream, [data[i : i + 1] for i in range(len(data))], framing)[0] == data


def test_only_whole_blocks_are_forwarded(stream: ModuleType) -> None:
    core = stream.StreamCore(Mute(), framing="sse", shapes=(), forward=True)
    assert core.feed(b": a\n\ndata: 1\n") == b": a\n\n"
    assert core.feed(b"\n{") == b"data: 1\n\n"
    assert core.feed(b'"a":1}[') == b'{"a":1}'
    array = stream.StreamCore(Mute(), framing="sse", shapes=(), forward=True)
    assert [array.feed(piece) for piece in (b"[", b'{"a"', b":1}", b"\n, ", b"{}", b"\n", b"]\n")] == [
        b"", b"", b'[{"a":1}', b"", b"\n, {}", b"", b"\n]",
    ]  # fmt: skip


def test_what_the_machine_puts_in_a_blocks_place(stream: ModuleType) -> None:
    class Replaces(Mute):
        def forward(self, name: bytes, data: bytes, block: bytes) -> bytes:
            return {b"hide": b"", b"new": b"data: other" + block[-2:]}.get(data, block)

    body = b": c\r\n\r\ndata: hide\r\n\r\ndata: a\r\n\r\ndata: new\r\n\r\ndata: hide\r\n\r\n"
    expected = b": c\r\n\r\ndata: a\r\n\r\ndata: other\r\n"
    for pieces in ([body], [body[i : i + 3] for i in range(0, len(body), 3)]):
        assert drive(stream, Replaces(), pieces, framing="sse", shapes=(), forward=True)[0] == expected


def test_an_event_that_is_too_large_stops_the_stream(stream: ModuleType) -> None:
    small, large = b"data: 12\n\n", b"data: " + b"x" * 40 + b"\n\n"
    for place in range(len(large)):
        core = stream.StreamCore(Mute(), framing="sse", shapes=(), forward=True, max_event_bytes=len(large) - 1)
        out = b"".join(core.feed(piece) for piece in [small, *cut(large + small, place)])
        assert (out, core.overflow, core.events) == (small, True, 1)
        assert (core.feed(small), core.finish()) == (b"", b"")
    for framing, exact in (("sse", b"data: 123\n\n"), ("sse", b"data: 123\r\n\r\n"), ("ndjson", b"[1,2]\r\n")):
        limit = len(exact) - exact.endswith(b"\r\n")
        for place in range(len(exact)):
            out, state = passed(stream, cut(exact, place), framing, max_event_bytes=limit)
            assert (out, state["overflow"]) == (exact, False)


@pytest.mark.parametrize(
    ("framing", "around"),
    [("sse", (b"data: ", b"\n\n")), ("sse", (b"", b"")), ("sse", (b"[", b"]")), ("ndjson", (b"", b"\n"))],
)
def test_a_large_event_in_small_reads_takes_linear_time(
    stream: ModuleType, framing: str, around: tuple[bytes, bytes]
) -> None:
    data = b'{"candidates":[{"data":"' + b"A" * 3_000_000 + b'"}]}'
    body = around[0] + data + around[1]
    assert events(stream, [body[i : i + 1024] for i in range(0, len(body), 1024)], framing) == [(b"", data)]


def test_a_machine_does_not_feed_its_own_core() -> None:
    if stream_c is None:
        pytest.skip("stream_c is not built")

    class Feeds(Mute):
        core: object = None

        def event(self, name: bytes, data: bytes) -> bytes:
            return self.core.feed(b"data: 2\n\n")  # type: ignore[attr-defined,no-any-return]

    machine = Feeds()
    machine.core = stream_c.StreamCore(machine, framing="sse", shapes=())
    with pytest.raises(RuntimeError, match="must not feed"):
        machine.core.feed(b"data: 1\n\n")  # type: ignore[attr-defined]


@needs_recordings
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_recordings_pass_byte_for_byte(path: Path) -> None:
    data = path.read_bytes()
    whole = [passed(half, [data]) for half in HALVES]
    assert all(out == data for out, _ in whole)
    assert whole == [whole[0]] * len(whole)
    assert not whole[0][1]["cut"]
    for place in range(0, len(data), max(1, len(data) // 40)):
        assert passed(HALVES[-1], cut(data, place)) == whole[0]


MARKS: Final = (
    b"\n", b"\r", b"\r\n", b"\n\n", b"data: ", b"data:", b"data", b"event: error", b"event", b": c", b"\xef\xbb\xbf",
    b"\xef", b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b" ", b"null", b"[DONE]", b'{"a":"}"}', b"data: 1\r\n\r\n",
)  # fmt: skip
bodies = st.lists(st.sampled_from(MARKS) | st.binary(max_size=3), max_size=20).map(b"".join)


@needs_both
@given(
    bodies,
    st.lists(st.integers(0, 300), max_size=6),
    st.sampled_from([4, 12, 1000]),
    st.sampled_from(["sse", "ndjson"]),
)
@example(b"\xef\n\ndata: 1\n\n", [1], 1000, "sse")
@example(b"[{}\r\n]\r\r\n", [6], 4, "sse")
def test_twins_agree_at_every_split(body: bytes, places: list[int], limit: int, framing: str) -> None:
    for forward in (False, True):
        told = []
        for half in HALVES:
            for pieces in ([body], cut(body, *places), [body[i : i + 1] for i in range(len(body))]):
                machine = Recorder()
                options = {"framing": framing, "shapes": (), "max_event_bytes": limit, "forward": forward}
                told.append((drive(half, machine, pieces, **options), machine.events()))
        assert told == [told[0]] * len(told)
        (out, state), _ = told[0]
        if forward and not (state["overflow"] or state["cut"] or state["done"]):
            assert out == body
