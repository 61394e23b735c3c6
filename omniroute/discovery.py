"""Find one constant per module of a package, so that adding an extension is adding a file and editing no list.

Each direct submodule (or subpackage) of the package that is asked for must define the constant, of the right type,
with a ``name`` equal to the module's own. The answer is sorted by name and read-only. Whatever is wrong refuses to
start, naming the file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol, TypeVar


class Named(Protocol):
    """What can be found: something that says its own name."""

    @property
    def name(self) -> str | None:
        """Equal to the stem of the module that defines it."""
        ...


Found = TypeVar("Found", bound=Named)


class DiscoveryError(Exception):
    """An extension's file does not hold what it must."""


def find(package: str, constant: str, kind: type[Found]) -> Mapping[str, Found]:
    """Name to value of ``constant`` in every direct submodule of ``package``.

    Modules whose name begins with ``_`` are left out.
    Raises ``DiscoveryError`` if a module lacks the constant, has one of another type, or one that says another name
    (which is how two extensions of one name would come about).
    """
    parent = importlib.import_module(package)
    found: dict[str, Found] = {}
    for stem in sorted(info.name for info in pkgutil.iter_modules(parent.__path__)):
        if stem.startswith("_"):
            continue
        module = importlib.import_module(f"{package}.{stem}")
        value = getattr(module, constant, None)
        if not isinstance(value, kind):
            raise DiscoveryError(f"{module.__name__} must define {constant} as a {kind.__name__}")
        if value.name != stem:
            raise DiscoveryError(f"{constant} of {module.__name__} calls itself {value.name!r}; it must be {stem!r}")
        found[stem] = value
    return MappingProxyType(found)
