from hypothesis import given
from hypothesis import strategies as st

from omniroute.mock.words import of_length, words


@given(st.text())
def test_words_join_to_the_text(text: str) -> None:
    assert "".join(words(text)) == text


def test_white_space_is_not_a_word_of_its_own() -> None:
    assert words(" a  b\n") == [" a", "  b\n"]
    assert words("") == []
    assert words("  ") == ["  "]


@given(st.text(), st.integers(0, 50))
def test_of_length_is_exact(text: str, count: int) -> None:
    assert len(of_length(text, count)) == count


def test_of_length_repeats_and_cuts() -> None:
    assert "".join(of_length("a b", 5)) == "a b a b a"
    assert "".join(of_length("a b c", 2)) == "a b"
    assert "".join(of_length("", 2)) == "mock mock"
