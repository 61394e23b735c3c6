from pathlib import Path

import pytest

from perf import report
from perf.sampling import Result

ONE = Result("measure x", "1 µs", "2 µs", "2.0 x", "4.0 x", "2.5 x", "aim", "a note")


def test_the_table_replaces_what_was_between_the_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write(page, report.markdown([ONE], ["a machine"]))
    report.write(page, report.markdown([ONE], ["a machine"]))
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert text.count("| measure x | 1 µs | 2 µs | 2.0 x | 4.0 x | 2.5 x | reaches the aim |") == 1
    assert "- a machine" in text
    assert "- measure x: a note" in text


def test_lost_markers_are_said(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing here\n")
    with pytest.raises(ValueError, match="markers"):
        report.write(page, "x")


def test_the_page_has_its_markers() -> None:
    text = Path("perf/README.md").read_text()
    assert text.index(report.BEGIN) < text.index(report.END)
