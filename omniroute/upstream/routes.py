"""The tables of routes and origins, both bounded."""

from __future__ import annotations

from collections.abc import Iterable

from omniroute.domain import Connection
from omniroute.upstream.origin import Origin, OriginKey, Route, key_of, split_base_url


class RouteTable:
    """Routes by connection, origins by key. An origin lives as long as a route or a wire of it."""

    def __init__(self, max_routes: int) -> None:
        self._max_routes = max_routes
        self._routes: dict[int, Route] = {}
        self._origins: dict[OriginKey, Origin] = {}

    def of(self, connection: Connection, now: float) -> Route:
        """The route of ``connection``. Raises UpstreamError if its base URL or proxy cannot be called."""
        route = self._routes.get(id(connection))
        if route is None:
            route = self._derive(connection)
        route.used_at = now
        return route

    def origins(self) -> Iterable[Origin]:
        """All origins."""
        return self._origins.values()

    def __len__(self) -> int:
        return len(self._routes)

    def forget_unused(self, before: float) -> None:
        """Drop routes not used since ``before``, then origins without routes and wires."""
        for ident in [ident for ident, route in self._routes.items() if route.used_at < before]:
            self._drop(ident)
        for key in [key for key, origin in self._origins.items() if not origin.routes and not origin.open]:
            del self._origins[key]

    def _derive(self, connection: Connection) -> Route:
        url = split_base_url(connection)
        key = key_of(connection, url)
        origin = self._origins.get(key)
        if origin is None:
            origin = self._origins[key] = Origin(key)
        if len(self._routes) >= self._max_routes:
            self._drop(next(iter(self._routes)))
        origin.routes += 1
        route = self._routes[id(connection)] = Route(connection, origin, url)
        return route

    def _drop(self, ident: int) -> None:
        self._routes.pop(ident).origin.routes -= 1
