"""Paths without the version in front of them, credentials out of the headers vendors look into."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs, unquote

from omniroute.mock.request import Request

_VERSION: Final = re.compile(r"/(v1(?:beta|alpha)?\d*)(?=/)")


def split(path: str) -> tuple[str, str]:
    """The version a path begins with ("" if with none), and the rest: a base URL may end in one or not."""
    found = _VERSION.match(path)
    return (found[1], path[found.end() :]) if found else ("", path)


def plain(request: Request) -> str:
    """The path without a version, percent-decoded."""
    return unquote(split(request.path)[1])


def query(request: Request, name: str) -> str:
    """The first value of a query parameter, "" if there is none."""
    return parse_qs(request.query).get(name, [""])[0]


def bearer(request: Request) -> str:
    """What stands behind ``Authorization: Bearer``."""
    given = request.header("authorization")
    return given.removeprefix("Bearer ") if given.startswith("Bearer ") else ""
