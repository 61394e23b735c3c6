"""What a package may not know, beyond the layers that import-linter checks."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from omniroute.translate import find_dialects

PACKAGE = Path(__file__).parents[2] / "omniroute"
CORES = ("domain", "auth", "limits", "translate", "_speedups")
NOT_IN_CORES = {
    "trio",
    "httpx",
    "httptools",
    "apsw",
    "hypercorn",
    "starlette",
    "time",
    "random",
    "os",
    "logging",
    "threading",
}
ALLOWED = {
    ("_speedups", "__init__.py", "os"),  # the chooser of the twins reads one variable
    ("_speedups", "mapping.py", "os"),  # sizes and checks the files that are mapped, by descriptor
    ("_speedups", "relay_py.py", "os"),  # the text of an errno
}


def imported(source: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("core", CORES)
def test_cores_do_no_io_keep_no_clock_draw_no_dice(core: str) -> None:
    for source in (PACKAGE / core).rglob("*.py"):
        bad = {n for n in imported(source) & NOT_IN_CORES if (core, source.name, n) not in ALLOWED}
        assert not bad, f"{source.relative_to(PACKAGE)} imports {bad}"


STAGES = ("authenticate", "admit", "plan", "gate", "encode", "relay", "record")
"""In the order of a request. ``run`` and ``attempt`` put them together; ``memory`` remembers the first and the third."""


def modules_imported(source: Path) -> set[str]:
    tree = ast.walk(ast.parse(source.read_text()))
    return {node.module for node in tree if isinstance(node, ast.ImportFrom) and node.module and not node.level}


@pytest.mark.parametrize("stage", STAGES)
def test_stages_know_no_earlier_stage(stage: str) -> None:
    earlier = STAGES[: STAGES.index(stage)]
    forbidden = {f"omniroute.pipeline.{other}" for other in (*earlier, "run", "attempt", "memory")}
    assert not modules_imported(PACKAGE / "pipeline" / f"{stage}.py") & forbidden


def test_every_file_of_the_pipeline_is_a_stage_or_a_known_one() -> None:
    others = {
        "__init__", "run", "attempt", "memory", "values", "configuration", "answer", "failures", "losses", "story",
        "questions", "keeping", "context", "recollection", "way",
    }  # fmt: skip
    assert {source.stem for source in (PACKAGE / "pipeline").glob("*.py")} == {*STAGES, *others}


UNBOUNDED = ("open_memory_channel(math.inf", "maxsize=None", "functools.cache", "@cache", "deque()", "Queue(")


def test_nothing_is_opened_without_a_bound() -> None:
    found = [
        f"{source.relative_to(PACKAGE)}: {words}"
        for source in PACKAGE.rglob("*.py")
        for words in UNBOUNDED
        if words in source.read_text()
    ]
    assert found == []


def test_only_supervisor_and_control_side_open_the_store() -> None:
    users = {
        str(source.relative_to(PACKAGE))
        for source in PACKAGE.rglob("*.py")
        if any(m.startswith("omniroute.storage") for m in modules_imported(source))
        and source.relative_to(PACKAGE).parts[0] not in ("storage", "admin")
    }
    assert users == {"app/control.py", "processes/control.py"}


def test_secrets_are_revealed_in_few_places() -> None:
    users = {s.relative_to(PACKAGE).parts[0] for s in PACKAGE.rglob("*.py") if ".reveal()" in s.read_text()}
    assert users <= {"admin", "mock", "pipeline", "upstream", "storage", "processes"}


def test_only_storage_imports_apsw() -> None:
    users = {s.relative_to(PACKAGE).parts[0] for s in PACKAGE.rglob("*.py") if "apsw" in imported(s)}
    assert users == {"storage"}


def test_a_worker_imports_neither_the_admin_stack_nor_the_database() -> None:
    probe = "import sys, omniroute.processes.worker; print(*{m.partition('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert not {"apsw", "starlette", "hypercorn", "httpx", "rich", "click"} & set(done.stdout.split())


def test_no_dialect_is_named_outside_its_folder() -> None:
    """A further dialect is a further folder. ``openai_chat`` is what a connection speaks if nothing is said."""
    names = set(find_dialects())
    found = set()
    for source in PACKAGE.rglob("*.py"):
        place = source.relative_to(PACKAGE)
        if place.parts[0] not in ("translate", "mock"):
            strings = (node.value for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Constant))
            found |= {(str(place), text) for text in strings if isinstance(text, str) and text in names}
    assert found == {
        ("domain/connection.py", "openai_chat"),
        ("storage/forms.py", "openai_chat"),
        ("cli/commands/providers.py", "openai_chat"),
        ("domain/quirks.py", "anthropic"),  # the provider
    }


def test_only_config_reads_the_environment() -> None:
    readers = {
        str(s.relative_to(PACKAGE))
        for s in PACKAGE.rglob("*.py")
        if "os.environ" in s.read_text() or "os.getenv" in s.read_text()
    }
    assert readers <= {"config.py", "_speedups/__init__.py"}
