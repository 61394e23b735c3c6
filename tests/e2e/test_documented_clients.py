"""The examples of docs/clients.md, as they stand there, against a gateway."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.standing import Standing

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text()
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.S)
CURLS = [code for kind, code in BLOCKS if kind == "sh" and code.startswith("curl")]
PROGRAMS = [code for kind, code in BLOCKS if kind == "python"]
DOCUMENTED = "http://127.0.0.1:20128"


def named(code: str) -> str:
    found = re.search(r"20128(/[^\s\"\']+)", code)
    return found[1] if found else code.splitlines()[0]


@pytest.mark.parametrize("code", CURLS, ids=named)
def test_a_command(code: str, gateway: Standing) -> None:
    here = code.replace(DOCUMENTED, gateway.root)
    done = subprocess.run(
        ["bash", "-c", here], env={"KEY": gateway.key}, capture_output=True, text=True, check=False, timeout=20
    )
    assert done.returncode == 0, done.stderr
    assert "Hello" in done.stdout


@pytest.mark.parametrize("code", PROGRAMS, ids=[code.splitlines()[0] for code in PROGRAMS])
def test_a_program(code: str, gateway: Standing, capsys: pytest.CaptureFixture[str]) -> None:
    here = compile(code.replace(DOCUMENTED, gateway.root), "docs/clients.md", "exec")
    names: dict[str, object] = {"KEY": gateway.key}
    exec(here, names)
    names["client"].close()  # type: ignore[attr-defined]  # every vendor's has it
    said = capsys.readouterr().out
    assert "Hello" in said


def test_every_kind_of_client_has_an_example() -> None:
    assert len(CURLS) >= 6
    assert len(PROGRAMS) >= 4
