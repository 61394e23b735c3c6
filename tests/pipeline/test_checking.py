"""A sample of translated streams is held against the grammar of the client's dialect, and nothing else changes."""

from __future__ import annotations

import re

import msgspec
import pytest
import trio

from omniroute.pipeline import PipelineOptions
from omniroute.translate.dialect import GrammarError
from tests.pipeline.house import DOORS, Answer, connection, house, snapshot
from tests.pipeline.speech import ANSWERS, TEXT
from tests.pipeline.test_dialects import ARRAYS, PAIRS, ask_for_an_array, payload, speaking, upstream

INSTANTS_AND_IDS = re.compile(rb"[0-9a-f]{24}|[0-9]{4,}[0-9T:.Z-]*")
EVERY = PipelineOptions(check_every=1)
NEVER = PipelineOptions(check_every=0)


class Objecting:
    """A checker that dislikes what is said, and quotes it."""

    def event(self, name: bytes, data: bytes) -> None:
        if TEXT.encode() in data:
            raise GrammarError(f"nobody says {data!r}")

    def end(self) -> None:
        raise GrammarError("nor does anybody stop")


class Broken:
    """One with a defect of its own."""

    def event(self, name: bytes, data: bytes) -> None:
        raise ZeroDivisionError(data)

    def end(self) -> None:
        raise AssertionError("not asked again")


@pytest.mark.parametrize(("near", "far"), PAIRS)
async def test_what_is_checked_is_the_same_stream(near: str, far: str) -> None:
    streams = []
    for options in (EVERY, NEVER):
        async with house(*upstream(far), configured=snapshot(*speaking(far)), options=options) as h:
            await h.ask(near, stream=True)
            streams.append(INSTANTS_AND_IDS.sub(b"0", payload(h)))
            checked = options is EVERY and near != far
            assert h.summaries[0].grammar == ("ok" if checked else "")
            assert h.journal.records[0].outcome == "ok"
    assert streams[0] == streams[1]


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize(("near", "far"), [pair for pair in PAIRS if pair[0] != pair[1]])
async def test_a_stream_that_fails_is_held_against_it_too(near: str, far: str, cut: bool) -> None:
    said = ANSWERS[far]
    body = said.head + said.said + (b"" if cut else said.failure)
    failing = Answer(headers=((b"content-type", said.content_type),), body=body)
    async with house(failing, configured=snapshot(*speaking(far)), options=EVERY) as h:
        await h.ask(near, stream=True)
        assert h.summaries[0].grammar == "ok"
        assert h.journal.records[0].outcome == "upstream_error"


@pytest.mark.parametrize(("checker", "rule"), [(Objecting, "GrammarError"), (Broken, "ZeroDivisionError")])
async def test_a_broken_rule_is_named_by_its_place_and_the_stream_goes_on(
    checker: type[Objecting | Broken], rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = DOORS["anthropic"]
    client = msgspec.structs.replace(door.client, checker=checker)
    monkeypatch.setitem(DOORS, "anthropic", msgspec.structs.replace(door, client=client))
    async with house(*upstream("gemini"), configured=snapshot(*speaking("gemini")), options=EVERY) as h:
        await h.ask("anthropic", stream=True)
        assert h.journal.records[0].outcome == "ok"
        assert TEXT.encode() in payload(h)
        found = h.summaries[0].grammar
    assert found.startswith("pipeline/test_checking.py:")
    assert TEXT not in found
    assert rule in found


async def test_what_a_client_that_left_had_seen_is_held_against_it() -> None:
    said = ANSWERS["gemini"]
    answer = Answer(headers=((b"content-type", said.content_type),), body=said.head + said.said, open_end=True)
    async with house(answer, configured=snapshot(*speaking("gemini")), options=EVERY) as h:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(h.ask_gone, "anthropic")
            await h.until(lambda: TEXT.encode() in h.received())
            h.peer.close()
        assert (h.summaries[0].outcome, h.summaries[0].grammar) == ("client_gone", "ok")


async def test_one_attempt_in_so_many_is_checked() -> None:
    answers = upstream(*["anthropic"] * 6)
    only = connection("one", dialect="anthropic")
    async with house(*answers, configured=snapshot(only), options=PipelineOptions(check_every=3)) as h:
        for _ in range(6):
            h.reply.begun = False
            await h.ask("openai_chat", stream=True)
        assert [summary.grammar for summary in h.summaries] == ["", "", "ok", "", "", "ok"]


@pytest.mark.parametrize("far", [far for far in ARRAYS if far != "gemini"])
async def test_an_array_is_a_stream_too(far: str) -> None:
    async with house(*upstream(far), configured=snapshot(*speaking(far)), options=EVERY) as h:
        await ask_for_an_array(h)
        assert h.summaries[0].grammar == "ok"
