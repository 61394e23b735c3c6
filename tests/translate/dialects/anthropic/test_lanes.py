"""Streams through the core: the same bytes with lanes and without, wherever the input is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.translate.fold import Folder
from tests.translate.dialects.anthropic.wire import CLIENT, CONTEXT, DELTA, START, STOP, sse, through


def _block(index: int, start: bytes, *deltas: bytes) -> tuple[bytes, ...]:
    opened = b'{"type":"content_block_start","index":%d,"content_block":%s}' % (index, start)
    said = (b'{"type":"content_block_delta","index":%d,"delta":%s}' % (index, delta) for delta in deltas)
    return (opened, *said, b'{"type":"content_block_stop","index":%d}' % index)


STREAM = sse(
    START,
    *_block(
        0,
        b'{"type":"thinking","thinking":"","signature":""}',
        b'{"type":"thinking_delta","thinking":"h"}',
        rb'{"type":"thinking_delta","thinking":"m\n"}',
        b'{"type":"signature_delta","signature":"S"}',
    ),
    *_block(
        1,
        b'{"type":"text","text":""}',
        rb'{"type":"text_delta","text":"\ud83d"}',
        rb'{"type":"text_delta","text":"\ude00"}',
        b'{"type":"text_delta","text":"\xc3\xa9"}       ',
    ),
    *_block(
        2,
        b'{"type":"server_tool_use","id":"s","name":"w","input":{}}',
        b'{"type":"input_json_delta","partial_json":"{}"}',
    ),
    *_block(
        3,
        b'{"type":"tool_use","id":"t","name":"f","input":{}}',
        b'{"type":"input_json_delta","partial_json":""}',
        rb'{"type":"input_json_delta","partial_json":"{\"a\""}',
        b'{"type":"input_json_delta","partial_json":":1}"}',
    ),
    DELTA.replace(b"end_turn", b"tool_use"),
    STOP,
)


def test_lanes_change_nothing() -> None:
    plain, _ = through(STREAM, CLIENT.encoder(CONTEXT), lanes=False)
    fast, machine = through(STREAM, CLIENT.encoder(CONTEXT))

    assert fast == plain
    assert machine.usage.output_total == 5


@pytest.mark.parametrize("cut", [1, 2, 3, 17, 64])
def test_cuts_change_nothing(cut: int) -> None:
    assert through(STREAM, CLIENT.encoder(CONTEXT), cut=cut)[0] == through(STREAM, CLIENT.encoder(CONTEXT))[0]


def test_what_is_written_is_read_back_the_same() -> None:
    there, back = Folder(), Folder()
    through(STREAM, there)
    through(through(STREAM, CLIENT.encoder(CONTEXT))[0], back)

    assert back.response() == there.response()


def test_most_events_need_no_python() -> None:
    class Counting(Folder):
        deltas = 0

        def encode(self, event: object) -> bytes:
            Counting.deltas += type(event).__name__ == "Delta"
            return super().encode(event)  # type: ignore[arg-type]

    through(STREAM, Counting())

    assert Counting.deltas == 0


_EDITS = st.tuples(
    st.integers(0, len(STREAM) - 1),
    st.integers(0, 30),
    st.sampled_from([b"", b'"', b"{", b"}", b"\\", b"null", b"\n\n", b"\xff", b'"type"', b"message_start", b"1"]),
)


@given(st.lists(_EDITS, min_size=1, max_size=4))
def test_a_broken_stream_is_still_grammatical_and_the_same_without_lanes(edits: list[tuple[int, int, bytes]]) -> None:
    stream = STREAM
    for at, less, more in edits:
        stream = stream[:at] + more + stream[at + less :]
    fast, _ = through(stream, CLIENT.encoder(CONTEXT))

    assert fast == through(stream, CLIENT.encoder(CONTEXT), lanes=False)[0]
    checker = CLIENT.checker()
    for block in fast.split(b"\n\n")[:-1]:
        if not block.startswith(b":"):
            name, _, data = block.partition(b"\ndata: ")
            checker.event(name.removeprefix(b"event: "), data)
    checker.end()
