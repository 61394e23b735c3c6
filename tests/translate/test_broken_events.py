"""Recorded answers whose events are JSON, but not what their vendor would say: no crash, no invented call, in order.

``test_any_answer`` breaks bytes; here events are dropped, repeated, swapped, renamed and cut off, and members of them
are deleted or hold something else.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence

import msgspec
import pytest

from omniroute.domain import Quirks
from omniroute.errors import UpstreamError
from omniroute.translate import jsontext
from omniroute.translate.canonical import ToolCall
from omniroute.translate.pairing import Pair
from tests.translate import bad_requests, recordings, vectors
from tests.translate.matching import parse
from tests.translate.recordings import CLIENTS, Recording
from tests.translate.test_any_answer import dialect, through, understood
from tests.translate.test_recordings import events_of

Events = list[tuple[bytes, bytes]]

MAX_EVENTS = 40
"""Of a recording: enough for each kind it has, and soon read."""
ROUNDS = 4
OTHER = (
    b"null", b"true", b"-1", b"0", b"1e400", b"1.5", b"99999999999999999999", b'""', b'"x"', b'"\\ud800"', b'"\\u0000"',
    b"[]", b"{}", b"[null]", b"[{}]", b"[[]]", b'{"type":"x"}', b'{"":null}', None,
)  # fmt: skip
"""In a member's place; None: the member is not there."""


def changed(data: bytes, dice: random.Random) -> bytes:
    """``data`` with another value for one of its members, if it has any."""
    try:
        value = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data
    places = list(bad_requests.places(value))
    return bad_requests.spoiled(value, dice.choice(places), dice.choice(OTHER)) if places else data


def broken(events: Sequence[tuple[bytes, bytes]], dice: random.Random) -> Events:
    """The stream of an upstream with a defect, or with several."""
    found = list(events)
    for _ in range(dice.randint(1, 4)):
        if not found:
            break
        at = dice.randrange(len(found))
        match dice.choice(("drop", "repeat", "swap", "cut", "rename", "change", "change", "change")):
            case "drop":
                del found[at]
            case "repeat":
                found.insert(dice.randrange(len(found) + 1), found[at])
            case "swap":
                other = dice.randrange(len(found))
                found[at], found[other] = found[other], found[at]
            case "cut":
                del found[at:]
            case "rename":
                found[at] = (dice.choice(found)[0], found[at][1])
            case _:
                found[at] = (found[at][0], changed(found[at][1], dice))
    return found


def is_said(name: str, body: bytes) -> bool:
    """Whether the upstream named this tool. Halves of surrogate pairs have become U+FFFD on the way."""
    said = body.decode("utf-8", "replace")
    return jsontext.escaped(name).decode() in said or name in said or "\ufffd" in name or "\\u" in said


def streams(recording: Recording) -> Iterator[Events]:
    upstream = dialect(recording.ours).upstream
    assert upstream is not None
    return (events_of(body, upstream.framing)[:MAX_EVENTS] for body in recording.streams()[:1])


@pytest.mark.parametrize("recording", recordings.params("stream"))
def test_a_stream_of_broken_events_obeys_every_clients_grammar(recording: Recording) -> None:
    upstream = dialect(recording.ours)
    dice = random.Random(recording.file)
    for events in streams(recording):
        for _ in range(ROUNDS):
            body = vectors.framed(broken(events, dice), recording.ours)
            for name in dice.sample(CLIENTS, 2):
                client = dialect(name)
                whole = through(upstream, client, body, quirks=recording.quirks, size=len(body) + 1, lanes=False)
                size = dice.choice((7, 64, len(body) + 1))
                laned = through(upstream, client, body, quirks=recording.quirks, size=size, lanes=True)
                assert laned == whole, f"lanes differ for {name}, {size} bytes at a time: {body!r}"
                _, _, calls = understood(client, whole)
                for called, _ in calls:
                    assert is_said(called, body), f"{called!r} was called by nobody: {body!r}"


@pytest.mark.parametrize("recording", recordings.params("body"))
def test_a_broken_answer_is_read_or_is_none(recording: Recording) -> None:
    upstream = dialect(recording.ours)
    dice = random.Random(recording.file)
    for _ in range(ROUNDS * 3):
        body = recording.body()
        for _ in range(dice.randint(1, 3)):
            body = changed(body, dice)
        name = dice.choice(CLIENTS)
        client = dialect(name)
        with contextlib.suppress(UpstreamError, ValueError):  # what the pipeline takes for a failed attempt
            answer = Pair(client, upstream).answer(body, recordings.context(), recording.quirks, passed=False)
            assert isinstance(parse(answer.body), dict)
            assert client.upstream is not None
            again = client.upstream.read_answer(answer.body, Quirks())
            for block in (block for candidate in again.candidates for block in candidate.blocks):
                assert not isinstance(block, ToolCall) or is_said(block.name, body), f"{block!r}: {body!r}"
        with contextlib.suppress(UpstreamError, ValueError):
            Pair(upstream, upstream).answer(body, recordings.context(), recording.quirks, passed=True)
