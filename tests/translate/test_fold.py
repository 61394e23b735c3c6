"""Streams folded into answers, answers unfolded into streams."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omniroute.domain import Usage
from omniroute.errors import UpstreamError
from omniroute.translate.canonical import (
    Block,
    Candidate,
    ChatResponse,
    Citation,
    Image,
    Inline,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from omniroute.translate.canonical import Finish as Reason
from omniroute.translate.events import (
    Close,
    Delta,
    End,
    Failure,
    Finish,
    Open,
    Probabilities,
    Report,
    Sign,
    Start,
    Whole,
)
from omniroute.translate.fold import Folder, unfold

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
said = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
citations = st.builds(Citation, url=words, title=words, start=st.none() | st.integers(0, 9))
texts = st.builds(
    Text,
    text=said,
    citations=st.lists(citations, max_size=2).map(tuple),
    signature=words,
    phase=words,
    logprobs=st.sampled_from([b"", b"[]", b'[{"token":"a"}]']),
)
thoughts = st.builds(
    Reasoning,
    text=said,
    signature=words,
    data=words,
    item_id=words,
    origin=st.sampled_from(["anthropic", "gemini"]),
    summary=st.booleans(),
)
calls = st.builds(
    ToolCall, call_id=words, name=said, arguments=words, custom=st.booleans(), item_id=words, signature=words
)
wholes = st.one_of(
    st.builds(Reasoning, data=said, redacted=st.just(True), origin=said),
    st.builds(Image, source=st.builds(Inline, media_type=said, data=said)),
    st.builds(Opaque, origin=said, raw=st.just(b'{"a":1}'), kind=said),
    st.builds(Text, text=st.just(""), signature=said),
)
blocks = st.one_of(texts, thoughts, calls, wholes, st.builds(Refusal, text=words))
finishes = st.none() | st.builds(Reason, reason=st.sampled_from(["stop", "tool", "length"]), raw=words, detail=words)


@st.composite
def answers(draw: st.DrawFn) -> ChatResponse:
    indices = draw(st.lists(st.integers(0, 9), unique=True, max_size=3).map(sorted))
    candidates = []
    for index in indices:
        found: list[Block] = draw(st.lists(blocks, max_size=4))
        finish = draw(finishes if found else finishes.filter(bool))  # one that said nothing and has no end was none
        candidates.append(Candidate(blocks=tuple(found), finish=finish, index=index))
    return ChatResponse(
        id=draw(words),
        model=draw(words),
        candidates=tuple(candidates),
        usage=draw(st.builds(Usage, input_total=st.integers(0, 9), reasoning=st.integers(0, 9), known=st.booleans())),
        created_epoch_s=draw(st.integers(0, 9)),
        service_tier=draw(words),
    )


def folded(response: ChatResponse, first_block: int = 0) -> ChatResponse:
    folder = Folder()
    for event in unfold(response, first_block=first_block):
        assert folder.encode(event) == b""
    return folder.response()


@given(answers(), st.integers(0, 3))
def test_an_answer_unfolded_and_folded_is_the_same(response: ChatResponse, first_block: int) -> None:
    assert folded(response, first_block) == response


@given(answers(), st.integers(0, 3))
def test_blocks_of_an_unfolded_answer_are_numbered_and_closed(response: ChatResponse, first_block: int) -> None:
    opened: list[int] = []
    open_now: set[int] = set()
    for event in unfold(response, first_block=first_block):
        match event:
            case Open():
                opened.append(event.block)
                open_now.add(event.block)
            case Whole():
                opened.append(event.block)
            case Close():
                open_now.remove(event.block)
            case Delta():
                assert event.block in open_now
                assert event.text
            case Finish():
                assert not open_now
            case _:
                pass
    assert opened == list(range(first_block, first_block + len(opened)))


def test_an_empty_text_is_no_block_of_a_stream() -> None:
    response = ChatResponse(
        id="", model="", candidates=(Candidate(blocks=(Text(text=""),), finish=Reason(reason="stop")),)
    )
    assert [type(event) for event in unfold(response)] == [Start, Finish]


def test_blocks_come_in_order_of_opening_and_choices_by_index() -> None:
    folder = Folder()
    for event in (
        Start(id="i", model="m", usage=Usage(input_total=3)),
        Open(choice=1, block=0, kind="text"),
        Open(choice=0, block=1, kind="tool", call_id="c", name="f"),
        Open(choice=0, block=2, kind="tool", call_id="d", name="g"),
        Delta(0, 2, b"{}"),
        Delta(1, 0, b"x"),
        Delta(0, 1, b'{\\"a\\":'),
        Delta(0, 1, b"1}"),
        Close(0, 1),
        Report(Usage(input_total=3, output_total=4, known=True)),
        Finish(1, Reason(reason="stop")),
        Finish(0, Reason(reason="tool")),
        Finish(0, Reason(reason="stop")),
        End(),
    ):
        folder.encode(event)
    assert folder.response() == ChatResponse(
        id="i",
        model="m",
        candidates=(
            Candidate(
                blocks=(
                    ToolCall(call_id="c", name="f", arguments='{"a":1}'),
                    ToolCall(call_id="d", name="g", arguments="{}"),
                ),
                finish=Reason(reason="tool"),
            ),
            Candidate(blocks=(Text(text="x"),), finish=Reason(reason="stop"), index=1),
        ),
        usage=Usage(input_total=3, output_total=4, known=True),
    )


def test_halves_of_a_surrogate_pair_meet() -> None:
    folder = Folder()
    for event in (Open(block=0, kind="text"), Delta(0, 0, b"\\ud83d"), Delta(0, 0, b"\\ude00")):
        folder.encode(event)
    assert folder.response().candidates[0].blocks == (Text(text="😀"),)


def test_what_lanes_have_kept_is_part_of_the_text() -> None:
    folder = Folder()
    assert folder.frame(0) is None
    folder.encode(Open(block=0, kind="text"))
    frame = folder.frame(0)
    assert frame is not None
    assert frame.keep
    assert frame.silent
    folder.encode(Delta(0, 0, b"a"))
    folder.caught(0, b"bc")
    folder.encode(Delta(0, 0, b"d"))
    assert folder.response().candidates[0].blocks == (Text(text="abcd"),)


def test_probabilities_are_joined_as_spelled() -> None:
    folder = Folder()
    for event in (
        Open(block=0, kind="text"),
        Probabilities(0, 0, b'[{"logprob":-0.10}]'),
        Probabilities(0, 0, b" [ ] "),
        Probabilities(0, 0, b'[{"logprob":1E2} , 3]'),
    ):
        folder.encode(event)
    assert folder.response().candidates[0].blocks == (
        Text(text="", logprobs=b'[{"logprob":-0.10},{"logprob":1E2} , 3]'),
    )


def test_a_signature_alone_makes_a_thought() -> None:
    folder = Folder()
    for event in (
        Open(block=0, kind="reasoning", origin="anthropic"),
        Sign(block=0, signature="S", origin="anthropic"),
        Close(0, 0),
        Failure(UpstreamError("broken", error_class="reset")),
    ):
        folder.encode(event)
    response = folder.response()
    assert response.candidates == (Candidate(blocks=(Reasoning(signature="S", origin="anthropic"),)),)
    assert folded(response).candidates == response.candidates
