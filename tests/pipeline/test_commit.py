"""When the first byte of a stream goes out: with the first content, or for clients that wait for a head a little earlier."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from omniroute.pipeline import PipelineOptions
from tests.pipeline.house import DOORS, Answer, house, snapshot
from tests.pipeline.speech import ANSWERS, ASKS
from tests.pipeline.test_dialects import PAIRS, check, payload, speaking, text_in

EARLY = PipelineOptions().head_silence_s
FARS = [name for name, said in ANSWERS.items() if said.head and name in DOORS["openai_chat"].pairs]
HASTY = [(near, far) for near in ASKS if near in DOORS and DOORS[near].client.needs_head for far in FARS]
PATIENT = [(near, far) for near in ASKS if near in DOORS and not DOORS[near].client.needs_head for far in FARS]


def begun(far: str) -> Answer:
    """An upstream that has sent its head and first events, and is silent then."""
    said = ANSWERS[far]
    return Answer(headers=((b"content-type", said.content_type),), body=said.head, open_end=True)


@pytest.mark.parametrize(("near", "far"), HASTY)
async def test_clients_that_wait_for_a_head_get_it_after_a_short_silence(
    near: str, far: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with house(begun(far), configured=snapshot(*speaking(far))) as h:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(h.ask_stream, near)
            await h.upstream.called.wait()
            await trio.sleep(EARLY - 0.1)
            assert h.received() == b""
            await trio.sleep(0.4)  # the relay looks at its deadlines ten times a second
            assert h.received() != b""
            h.upstream.peers[0].send(ANSWERS[far].said + ANSWERS[far].rest)
            h.upstream.peers[0].close()
        check(near, payload(h))
        assert [record.outcome for record in h.journal.records] == ["ok"]


@pytest.mark.parametrize(("near", "far"), HASTY)
async def test_after_that_a_failure_is_told_in_band(
    near: str, far: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with house(begun(far), configured=snapshot(*speaking(far, "openai_chat"))) as h:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(h.ask_stream, near)
            await h.upstream.called.wait()
            await trio.sleep(1.0)
            h.upstream.peers[0].send(ANSWERS[far].failure)
            h.upstream.peers[0].close()
        stream = payload(h)
        check(near, stream)
        assert b"gpu on fire" in stream
        assert [record.outcome for record in h.journal.records] == ["upstream_error"]
        assert len(h.upstream.requests) == 1


@pytest.mark.parametrize(("near", "far"), PATIENT)
async def test_other_clients_wait_for_content(near: str, far: str, autojump_clock: trio.testing.MockClock) -> None:
    async with house(begun(far), configured=snapshot(*speaking(far))) as h:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(h.ask_stream, near)
            await h.upstream.called.wait()
            await trio.sleep(20.0)
            assert h.received() == b""
            h.upstream.peers[0].send(ANSWERS[far].said + ANSWERS[far].rest)
            h.upstream.peers[0].close()
        check(near, payload(h))
        assert [record.outcome for record in h.journal.records] == ["ok"]


@pytest.mark.parametrize(("near", "far"), PAIRS)
async def test_an_answer_that_has_finished_ends_though_its_connection_does_not(
    near: str, far: str, autojump_clock: trio.testing.MockClock
) -> None:
    """Gemini's streams have no end mark, only their connection's end: which some relays forget."""
    said = ANSWERS[far]
    left_open = Answer(headers=((b"content-type", said.content_type),), body=said.stream, open_end=True)
    async with house(left_open, configured=snapshot(*speaking(far))) as h:
        with trio.fail_after(8):
            await h.ask_stream(near)
        stream = payload(h)
        check(near, stream)
        assert text_in(stream)
        assert [(record.outcome, record.usage.output_total) for record in h.journal.records] == [("ok", 3)]
