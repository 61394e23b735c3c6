"""Tags in text that comes in pieces."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.translate import jsontext
from omniroute.translate.tagged_text import INSIDE_BYTES, Cleaner, Thinking, tag_at, without

TAG = "<omniModel>openai/gpt-5</omniModel>"
# Pieces of tags, of what looks like them, and of what stands around them.
ALPHABET = [
    "<",
    ">",
    "/",
    "<omniModel>",
    "</omniModel>",
    "<omni",
    "Model>",
    "</",
    "omn",
    "x",
    "é",
    "\\",
    '"',
    "\n",
    "<b>",
    "😀",
]
texts = st.lists(st.sampled_from(ALPHABET), max_size=12).map("".join)


def clean(*pieces: bytes) -> bytes:
    cleaner = Cleaner()
    return b"".join(map(cleaner.feed, pieces)) + cleaner.finish()


def cuts_of(text: str) -> list[list[bytes]]:
    """``text``, escaped, cut at every place, and by the character."""
    escaped = [jsontext.escaped(char) for char in text]
    return [[b"".join(escaped[:at]), b"".join(escaped[at:])] for at in range(len(escaped) + 1)] + [escaped]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (TAG, ""),
        (f"a{TAG}b", "ab"),
        (f"{TAG}a{TAG}", "a"),
        ("a<omniModel>x", "a"),
        ("a<omniModel>", "a"),
        ("a<omniMod", "a"),
        ("a<omn", "a"),
        ("a<om", "a<om"),
        ("a <", "a <"),
        ("a </", "a </"),
        ("a</omniModel>b", "ab"),
        ("a</omniMo", "a"),
        ("<omniModels>", "<omniModels>"),
        ("<OmniModel>x</OmniModel>", "<OmniModel>x</OmniModel>"),
        ("<<omniModel>x</omniModel>>", "<>"),
        ("<omniModel><omniModel>x</omniModel>y", "y"),
        ("<omniModel>a<omniModel>x</omniModel>y", "ay"),
        ("<omniModel>x</omniMode>y</omniModel>z", "z"),
        ("omniModel", "omniModel"),
        ("if a<b and b>c", "if a<b and b>c"),
        ("", ""),
    ],
)
def test_tags_are_cut_wherever_the_text_is_cut(text: str, left: str) -> None:
    for pieces in cuts_of(text):
        assert jsontext.unescaped(clean(*pieces)) == left, pieces


@pytest.mark.parametrize(
    "spelled",
    [
        b"<omniModel>m<\\/omniModel>",
        b"\\u003comniModel\\u003em\\u003c/omniModel\\u003e",
        b"\\u003ComniModel\\u003Em\\u003C\\/omniModel\\u003E",
        b"<omniModel>m\\u003c\\u002fomniModel>",
    ],
)
def test_escapes_of_a_tags_characters_are_read(spelled: bytes) -> None:
    assert clean(b"a" + spelled + b"b") == b"ab"


def test_an_escaped_backslash_before_u003c_is_no_bracket() -> None:
    text = rb"\\u003comniModel\u003e"
    assert clean(text) == text


def test_a_tag_that_does_not_end_soon_is_text_without_the_tag() -> None:
    inside = b"x" * (INSIDE_BYTES + 1)
    for at in (0, 5, 11, 12, 400, INSIDE_BYTES + 5):
        text = b"<omniModel>" + inside
        assert clean(b"a", text[:at], text[at:], b"b") == b"a" + inside + b"b"


def test_a_tag_that_ends_just_in_time_is_cut_with_what_is_in_it() -> None:
    assert clean(b"<omniModel>" + b"x" * (INSIDE_BYTES - 1) + b"</omniModel>b") == b"b"


def test_only_what_may_begin_a_tag_is_held() -> None:
    cleaner = Cleaner()
    assert cleaner.feed(b"a <b>bold</b> <om") == b"a <b>bold</b> "
    assert cleaner.holding
    assert cleaner.feed(b"ega>") == b"<omega>"
    assert not cleaner.holding


def reference(text: str) -> str:
    """The same in the plainest way, for texts shorter than the bound."""
    opening, closing = "<omniModel>", "</omniModel>"
    out = ""
    at = 0
    while at < len(text):
        rest = text[at:]
        if rest.startswith(opening):
            inside = rest.removeprefix(opening)
            closed, again = inside.find(closing), inside.find(opening)
            if closed < 0 and again < 0:
                return out
            at += len(opening)
            if closed >= 0 and not 0 <= again < closed:
                at += closed + len(closing)
        elif rest.startswith(closing):
            at += len(closing)
        elif any(tag.startswith(rest) and "omn" in rest for tag in (opening, closing)):
            return out
        else:
            out += text[at]
            at += 1
    return out


@given(texts, st.lists(st.integers(0, 80), max_size=6))
def test_what_is_left_does_not_depend_on_the_cuts(text: str, places: list[int]) -> None:
    escaped = [jsontext.escaped(char) for char in text]
    edges = sorted({0, len(escaped), *(place for place in places if place < len(escaped))})
    pieces = [b"".join(escaped[start:end]) for start, end in itertools.pairwise(edges)]
    assert jsontext.unescaped(clean(*pieces)) == reference(text)


@given(texts, st.integers(0, 80))
def test_cuts_are_what_feed_leaves_out(text: str, place: int) -> None:
    escaped = jsontext.escaped(text)
    first = jsontext.escaped(text[:place])
    cutting, feeding = Cleaner(), Cleaner()
    out = b""
    cuts = []
    for start, piece in ((0, first), (len(first), escaped[len(first) :])):
        out += feeding.feed(piece)
        cuts += [(start + one, start + other) for one, other in cutting.cut(piece)]
    assert without(escaped, cuts, 0, len(escaped) - cutting.held_bytes) == out


@pytest.mark.parametrize(
    "text",
    [b"<" * 40_000, b"<omniModel>" * 4_000, b"\\\\" * 20_000, b"\\u003c" * 7_000, b"</omniModel>" * 3_500],
    ids=["brackets", "openings", "backslashes", "escapes", "closings"],
)
def test_the_time_is_linear_whatever_the_text(text: bytes) -> None:
    def took(times: int) -> float:
        start = time.thread_time()
        cleaner = Cleaner()
        for at in range(0, len(text) // times, 50):
            cleaner.feed(text[at : at + 50])
        return time.thread_time() - start

    assert min(took(1) for _ in range(5)) < 40 * min(took(8) for _ in range(5))


def test_where_a_tag_ends() -> None:
    assert tag_at(b"x<b>", 1, b"<b>") == 4
    assert tag_at(b"x<b", 1, b"<b>") == -2
    assert tag_at(b"x<c>", 1, b"<b>") == -1


# -- <think> -----------------------------------------------------------------------------------------------------------
def think(*pieces: bytes) -> tuple[str, str]:
    """Reasoning and text that the pieces are split into; asserts that no piece of them is empty."""
    thinking = Thinking()
    found: dict[str, bytes] = {"reasoning": b"", "text": b""}
    split = [piece for text in pieces if text for piece in thinking.feed(text)] + thinking.finish()
    for kind, text in split:
        assert text
        assert not (kind == "reasoning" and found["text"]), "reasoning after text"
        found[kind] += text
    return jsontext.unescaped(found["reasoning"]), jsontext.unescaped(found["text"])


@pytest.mark.parametrize(
    ("text", "reasoning", "left"),
    [
        ("<think>ab</think>\n\nC", "ab", "C"),
        ("\n <think>ab</think>C", "ab", "C"),
        ("<think>\n\n</think>\n\nC", "", "C"),
        ("<think></think>", "", ""),
        ("<think>\na\n</think>C", "\na\n", "C"),
        ("<think>ab", "ab", ""),
        ("<think>ab</thi", "ab</thi", ""),
        ("<think>", "", ""),
        ("<thi", "", "<thi"),
        ("C<think>a</think>", "", "C<think>a</think>"),
        ("<thinking>a", "", "<thinking>a"),
        ("<think>a</think>b<think>c</think>", "a", "b<think>c</think>"),
        ("<think>a<b></think>c", "a<b>", "c"),
        (" ", "", " "),
        (" " * 70 + "<think>a</think>", "", " " * 70 + "<think>a</think>"),
        ("<think>" + " " * 70 + "a</think>b", " " * 70 + "a", "b"),
    ],
)
def test_reasoning_at_the_start_is_split_off_wherever_the_text_is_cut(text: str, reasoning: str, left: str) -> None:
    for pieces in cuts_of(text):
        if text == "<think>" + " " * 70 + "a</think>b" and len(pieces) > 2:
            continue  # blanks by the character: too many to be held, so the first of them are said
        assert think(*pieces) == (reasoning, left), pieces


def test_spellings_of_the_end_tag() -> None:
    assert think(rb"\u003cthink\u003ea<\/think>b") == ("a", "b")


def test_text_waits_only_while_it_may_be_a_tag() -> None:
    thinking = Thinking()
    assert thinking.feed(b"Hello") == [("text", b"Hello")]
    thinking = Thinking()
    assert thinking.feed(b"<think>Hm") == [("reasoning", b"Hm")]
    assert thinking.settled
    assert thinking.feed(b" ok</th") == [("reasoning", b" ok")]
    assert not thinking.settled
    assert thinking.feed(b"en") == [("reasoning", b"</then")]
    assert thinking.feed(b"</think>") == []
    assert not thinking.settled
    assert thinking.feed(b"\\n\\nSo") == [("text", b"So")]
    assert thinking.settled
