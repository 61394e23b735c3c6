"""Where the compiled halves must be there, they are, and they are what the product uses."""

import importlib
import os
from pathlib import Path

import pytest

import omniroute._speedups
from omniroute import _speedups

REQUIRED = os.environ.get("OMNIROUTE_REQUIRE_SPEEDUPS") == "1"


@pytest.mark.skipif(not REQUIRED, reason="OMNIROUTE_REQUIRE_SPEEDUPS is not 1: the plain halves are enough here")
def test_every_compiled_half_is_importable_and_chosen() -> None:
    sources = sorted(Path(omniroute._speedups.__file__).parent.glob("*_c.pyx"))
    assert sources, "no .pyx beside the plain halves: this is not a source tree"
    for source in sources:
        importlib.import_module(f"omniroute._speedups.{source.stem}")
    assert _speedups.COMPILED
    assert _speedups.Relay.__module__ == "omniroute._speedups.relay_c"


@pytest.mark.skipif(not os.environ.get("OMNIROUTE_NO_SPEEDUPS"), reason="OMNIROUTE_NO_SPEEDUPS is not set")
def test_the_plain_halves_are_chosen_where_asked_for() -> None:
    assert not _speedups.COMPILED
    assert _speedups.Relay.__module__ == "omniroute._speedups.relay_py"
