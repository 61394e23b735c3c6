"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryFile
from typing import get_args

import click
from click.testing import CliRunner

from omniroute._speedups import Shared
from omniroute.admin.app import endpoints
from omniroute.cli import main
from omniroute.config import variables
from omniroute.domain import Summary
from omniroute.errors import Kind
from omniroute.pipeline.failures import ERROR_CLASS
from omniroute.storage.drain import DrainState
from omniroute.telemetry import exposition
from omniroute.translate import find_dialects
from omniroute.translate.upstream_errors import CODES as RELAYED_CODES
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


CODE = re.compile(r"""(?:\bcode(?:: str)? ?= ?|_Answer\()"([a-z_]+)\"""")


def test_every_error_code_is_in_the_api_page() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    sources = [s for s in (ROOT / "omniroute").rglob("*.py") if "mock" not in s.parts]
    codes = {code for source in sources for code in CODE.findall(source.read_text())} | set(RELAYED_CODES.values())
    assert len(codes) > 40
    assert sorted(code for code in codes if f"`{code}`" not in page) == []


def test_every_error_class_and_outcome_is_in_the_operations_page() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    words = {*ERROR_CLASS.values(), *get_args(Kind), "client_gone", "cancelled", "lost"}
    for source in (ROOT / "omniroute").glob("*/*.py"):
        words |= set(re.findall(r'(?:error_class ?= ?|_Fault\()"([a-z_]+)"', source.read_text()))
    unused = {"too_large", "upstream_incomplete", "upstream_error"}
    assert sorted(word for word in words - unused if f"`{word}`" not in page) == []


def test_every_management_endpoint_is_in_the_api_page() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    paths = [f"`{e.method} {e.path.replace(':path}', '}')}`" for e in endpoints()]
    assert [path for path in paths if path not in page] == []


def test_every_inference_endpoint_is_in_the_api_page() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    for dialect in find_dialects().values():
        if dialect.client is not None:
            served = {(one.method, one.path) for one in (*dialect.client.endpoints, *dialect.client.listings)}
            # Ollama's under /v1 are the same once more: the page says so in words.
            missing = [f"{m} {p}" for m, p in served if not p.startswith("/v1/api/") and f"`{m} {p}`" not in page]
            assert missing == []


def test_every_command_is_in_its_page() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert f"`omniroute {name}" in page
        if isinstance(command, click.Group):
            (row,) = [line for line in page.splitlines() if f"`omniroute {name} " in line]
            assert [sub for sub in command.commands if sub not in row] == []


def test_every_metric_and_log_field_is_in_the_operations_page() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    with TemporaryFile() as file:
        shared = Shared(file.fileno(), create=True)
        text = exposition.render(shared, DrainState()).decode()
    families = set(re.findall(r"^# TYPE (\w+) ", text, re.M))
    for source in (ROOT / "omniroute").rglob("*.py"):
        families |= {f"omniroute_{name}" for name in re.findall(r'\bReading\(\s*"(\w+)"', source.read_text())}
    assert len(families) > 15
    assert sorted(family for family in families if f"`{family}" not in page) == []
    assert [field for field in Summary.__struct_fields__ if f"`{field}`" not in page] == []
    events = {
        event
        for source in (ROOT / "omniroute").rglob("*.py")
        for event in re.findall(r'\blog\.(?:info|warning|error)\(\s*"(\w+)"', source.read_text())
    }
    assert sorted(event for event in events if f"`{event}`" not in page) == []


def test_links_between_documents_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("perf/*.md")]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_first_two_code_blocks_of_the_readme_are_the_two_commands() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert [block.strip() for block in blocks[:2]] == ["make serve", "make test"]
