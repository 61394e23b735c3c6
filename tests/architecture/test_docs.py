"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from omniroute.cli import main
from omniroute.config import variables
from tests.architecture.configuration_page import PAGE, render

ROOT = Path(__file__).parents[2]


def test_the_configuration_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == render(), "run `make docs`"


def test_every_setting_is_described() -> None:
    assert [v.name for v in variables() if not v.description] == []


def test_serve_help_lists_every_variable() -> None:
    text = CliRunner().invoke(main, ["serve", "--help"]).output
    for variable in variables():
        for name in (variable.name, *variable.aliases):
            assert name in text


def test_every_invariant_names_a_test_that_exists() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    section = page.split("## Invariants", 1)[1]
    invariants = re.findall(r"^\d+\. (.+?)(?=^\d+\. |\Z)", section, re.M | re.S)
    assert len(invariants) >= 15
    for text in invariants:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
        assert named, f"no test named: {text[:80]}"
        for file, test in named:
            assert re.search(rf"def {test}\b", (ROOT / file).read_text()), f"{file} has no {test}"


def test_links_between_documents_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("perf/*.md")]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_first_two_code_blocks_of_the_readme_are_the_two_commands() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert [block.strip() for block in blocks[:2]] == ["make serve", "make test"]
