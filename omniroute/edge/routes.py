"""Which requests the worker answers itself, and by what; everything else is control's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec

from omniroute.errors import OmniRouteError
from omniroute.ports import Incoming, Reply

Handler = Callable[[Incoming, Reply], Awaitable[None]]
"""Answers one request through the reply. May raise ``errors.*``, ``ports.ClientGone``, the client's ``WireError``."""

RenderError = Callable[[OmniRouteError, str], bytes]
"""An error and the request id, as the JSON body of a dialect."""

MAX_FOLDS: Final = 8
"""Prefixes doubled by a client's own configuration come once or twice; a longer row of them is not a spelling."""


class Endpoint(msgspec.Struct, frozen=True):
    """One method and path pattern of the data plane."""

    method: str
    """``GET`` serves ``HEAD`` too."""
    pattern: str
    """An exact path, or one whose last segment is ``{name}``: that matches a rest of any length, slashes included."""
    name: str
    handler: Handler
    render_error: RenderError
    body_bytes: int = 0
    """Bound of the request body; 0: ``EdgeOptions.body_bytes``."""


class Resource(msgspec.Struct, frozen=True):
    """The endpoints of one path."""

    endpoints: dict[str, Endpoint]
    allow: bytes
    """The methods served, as the Allow header lists them."""


class Routes:
    """The table from path and method to endpoint. Built once from what the dialects declare."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        """Raises ValueError if two endpoints claim the same method and pattern, or a pattern is not one."""
        exact: dict[str, dict[str, Endpoint]] = {}
        prefixes: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            head, brace, _ = endpoint.pattern.partition("{")
            if not head.startswith("/") or (brace and not (head.endswith("/") and endpoint.pattern.endswith("}"))):
                raise ValueError(f"not a path pattern: {endpoint.pattern}")
            methods = (prefixes if brace else exact).setdefault(head, {})
            for method in ("GET", "HEAD") if endpoint.method == "GET" else (endpoint.method,):
                if method in methods:
                    raise ValueError(f"{method} {endpoint.pattern} is claimed twice")
                methods[method] = endpoint
        self._exact = {path: _resource(methods) for path, methods in exact.items()}
        # the longest prefix wins
        self._prefixes = [(path, _resource(prefixes[path])) for path in sorted(prefixes, key=len, reverse=True)]

    def find(self, path: str) -> tuple[str, Resource] | None:
        """The path in its proper form and what is served there; None: the path is control's."""
        resource = self._exact.get(path)
        if resource is not None:
            return path, resource
        return self._find_folded(path)

    def _find_folded(self, path: str) -> tuple[str, Resource] | None:
        """The same with the forgiving forms: doubled slashes, doubled ``/v1``, a missing ``/v1``, a trailing slash."""
        while "//" in path:
            path = path.replace("//", "/")
        for _ in range(MAX_FOLDS):
            if not path.startswith("/v1/v1/"):
                break
            path = path[3:]
        if len(path) > 1:
            path = path.removesuffix("/")
        candidates = (path,) if path.startswith("/v1/") else (path, "/v1" + path)
        for candidate in candidates:
            resource = self._exact.get(candidate)
            if resource is not None:
                return candidate, resource
            for prefix, resource in self._prefixes:
                if candidate.startswith(prefix) and len(candidate) > len(prefix):
                    return candidate, resource
        return None


def _resource(methods: dict[str, Endpoint]) -> Resource:
    return Resource(endpoints=methods, allow=", ".join([*sorted(methods), "OPTIONS"]).encode())
