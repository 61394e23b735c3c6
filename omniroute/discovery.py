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


def stems(package: str) -> tuple[str, ...]:
    """Names of the direct submodules of ``package`` that are extensions, sorted; none of them is imported.

    Modules whose name begins with ``_`` are left out.
    """
    parent = importlib.import_module(package)
    return tuple(sorted(info.name for info in pkgutil.iter_modules(parent.__path__) if not info.name.startswith("_")))


def find_one(package: str, stem: str, constant: str, kind: type[Found]) -> Found:
    """``constant`` of one of the ``stems``.

    Raises ``DiscoveryError`` if the module lacks it, has one of another type, or one that says another name (which is
    how two extensions of one name would come about).
    """
    module = importlib.import_module(f"{package}.{stem}")
    value = getattr(module, constant, None)
    if not isinstance(value, kind):
        raise DiscoveryError(f"{module.__name__} must define {constant} as a {kind.__name__}")
    if value.name != stem:
        raise DiscoveryError(f"{constant} of {module.__name__} calls itself {value.name!r}; it must be {stem!r}")
    return value


def find(package: str, constant: str, kind: type[Found]) -> Mapping[str, Found]:
    """Name to value of ``constant`` in every one of the ``stems``. Raises ``DiscoveryError`` as ``find_one`` does."""
    return MappingProxyType({stem: find_one(package, stem, constant, kind) for stem in stems(package)})
