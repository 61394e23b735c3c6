"""Which halves of a speedup a test runs over: the plain twin always, the compiled one where it was built."""

import importlib
from types import ModuleType

import pytest


def twins(stem: str) -> list[object]:
    """Both halves of ``_speedups/<stem>`` as parameters; a compiled one that is absent is skipped with a reason."""
    plain = importlib.import_module(f"omniroute._speedups.{stem}_py")
    compiled = maybe_compiled(stem)
    if compiled is None:
        skip = pytest.mark.skip(reason=f"{stem}_c is not built")
        return [pytest.param(plain, id="py"), pytest.param(None, id="c", marks=skip)]
    return [pytest.param(plain, id="py"), pytest.param(compiled, id="c")]


def maybe_compiled(stem: str) -> ModuleType | None:
    try:
        return importlib.import_module(f"omniroute._speedups.{stem}_c")
    except ImportError:
        return None
