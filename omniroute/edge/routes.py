"""Which requests the worker answers itself, and by what; everything else is control's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from operator import attrgetter
from typing import Final

import msgspec

from omniroute.errors import OmniRouteError
from omniroute.ports import Incoming, Reply

Handler = Callable[[Incoming, Reply], Awaitable[None]]
"""Answers one request through the reply. May raise ``errors.*``, ``ports.ClientGone``, the client's ``WireError``."""

RenderError = Callable[[OmniRouteError, str], bytes]
"""An error and the request id, as the JSON body of a dialect."""


class ErrorShape(msgspec.Struct, frozen=True):
    """How errors look to the clients of an endpoint."""

    body: RenderError
    status: Callable[[OmniRouteError], int] = attrgetter("status")
    """A dialect may have another status for a kind of error than the one HTTP suggests."""
    request_id_header: bytes = b""
    """Where clients look for the request's id, beside ``x-request-id``."""


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
    errors: ErrorShape
    body_bytes: int = 0
    """Bound of the request body; 0: ``EdgeOptions.body_bytes``."""
    claims: Callable[[Incoming], bool] | None = None
    """Endpoints may share a method and a pattern: of those the first that claims a request gets it, whose body is not
    read yet; the last one gets what nobody claims. None: claims everything."""
    rivals: tuple[Endpoint, ...] = ()
    """The others of its method and pattern, in order; filled in by ``Routes``."""

    def chosen(self, asked: Incoming) -> Endpoint:
        """The one among the rivals, this one first, that gets the request."""
        for endpoint in (self, *self.rivals):
            if endpoint.claims is None or endpoint.claims(asked):
                return endpoint
        return self.rivals[-1] if self.rivals else self


class Resource(msgspec.Struct, frozen=True):
    """The endpoints of one path."""

    endpoints: dict[str, Endpoint]
    allow: bytes
    """The methods served, as the Allow header lists them."""


class Routes:
    """The table from path and method to endpoint. Built once from what the dialects declare."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        """Raises ValueError if two endpoints claim all of a method and pattern, or a pattern is not one."""
        exact: dict[str, dict[str, Endpoint]] = {}
        prefixes: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            head, brace, _ = endpoint.pattern.partition("{")
            if not head.startswith("/") or (brace and not (head.endswith("/") and endpoint.pattern.endswith("}"))):
                raise ValueError(f"not a path pattern: {endpoint.pattern}")
            methods = (prefixes if brace else exact).setdefault(head, {})
            for method in ("GET", "HEAD") if endpoint.method == "GET" else (endpoint.method,):
                first = methods.get(method)
                if first is None:
                    methods[method] = endpoint
                elif first.claims is None or endpoint.claims is None:
                    raise ValueError(f"{method} {endpoint.pattern} is claimed twice")
                else:
                    methods[method] = msgspec.structs.replace(first, rivals=(*first.rivals, endpoint))
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
        """The same with the forgiving forms: doubled slashes, a last slash, ``/v1`` doubled, missing or needless."""
        while "//" in path:
            path = path.replace("//", "/")
        for _ in range(MAX_FOLDS):
            if not path.startswith("/v1/v1/"):
                break
            path = path[3:]
        if len(path) > 1:
            path = path.removesuffix("/")
        candidates = (path, path[3:]) if path.startswith("/v1/") else (path, "/v1" + path)
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
