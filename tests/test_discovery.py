"""Discovery: what is found, in which order, and what refuses to start."""

import sys
from pathlib import Path

import pytest

from omniroute.discovery import DiscoveryError, find
from omniroute.translate import Dialect, Endpoint, find_dialects


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package of no extensions, forgotten again at the end."""
    folder = tmp_path / "omni_extensions"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("omni_extensions")]:
        monkeypatch.delitem(sys.modules, name)
    return folder


def extension(name: str) -> str:
    return (
        "from omniroute.translate import Endpoint\n"
        f"class Thing(Endpoint, frozen=True):\n    name: str = {name!r}\n"
        "THING = Thing('GET', '/')\n"
    )


def test_found_by_stem_sorted_and_read_only(package: Path) -> None:
    for name in ("zeta", "alpha"):
        (package / f"{name}.py").write_text(extension(name))
    (package / "_inner.py").write_text("raise RuntimeError('must not be imported')")
    (package / "beta").mkdir()
    (package / "beta" / "__init__.py").write_text(extension("beta"))
    found = find("omni_extensions", "THING", Endpoint)  # type: ignore[type-var]
    assert list(found) == ["alpha", "beta", "zeta"]
    with pytest.raises(TypeError):
        found["gamma"] = found["alpha"]  # type: ignore[index]
    for name in ("omni_extensions", *(f"omni_extensions.{stem}" for stem in found)):
        del sys.modules[name]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "omni_extensions.wrong must define THING as a Endpoint"),
        ("THING = 1\n", "omni_extensions.wrong must define THING as a Endpoint"),
        (extension("other"), "THING of omni_extensions.wrong calls itself 'other'; it must be 'wrong'"),
    ],
)
def test_a_file_that_does_not_keep_the_rules_is_named(package: Path, text: str, complaint: str) -> None:
    (package / "wrong.py").write_text(text)
    with pytest.raises(DiscoveryError, match=complaint):
        find("omni_extensions", "THING", Endpoint)  # type: ignore[type-var]
    for name in [name for name in sys.modules if name.startswith("omni_extensions")]:
        del sys.modules[name]


def test_dialects_of_this_tree() -> None:
    dialects = find_dialects()
    assert "openai_chat" in dialects
    for dialect in dialects.values():
        assert isinstance(dialect, Dialect)
        assert dialect.client is not None or dialect.upstream is not None
