"""Tables for people."""

from __future__ import annotations

import pytest

from omniroute.cli.output import print_table


def test_a_cell_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name",), [("[/x] [red]bold",), ("claude[1m]",), (None,)], "none")
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == [
        "name", "[/x] [red]bold", "claude[1m]", "None",
    ]  # fmt: skip


def test_no_rows_are_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name",), [], "There is none.")
    assert capsys.readouterr().out == "There is none.\n"
