"""Whose client asks for a path that nobody serves: it is told so in the shape its SDK reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from omniroute.translate.dialect import Asked, ClientSide, Dialect


def nearest_client(dialects: Mapping[str, Dialect], asked: Asked) -> ClientSide | None:
    """The one whose paths have most in common with ``asked``; where several have as much, who claims its headers.

    None if it has nothing in common with any, or nobody can tell.
    """
    clients = [dialect.client for dialect in dialects.values() if dialect.client is not None]
    shared = [(_shared_segments(asked.path, _paths(client)), client) for client in clients]
    most = max((count for count, _ in shared), default=0)
    nearest = [client for count, client in shared if count == most] if most else []
    if len(nearest) > 1:
        nearest = [client for client in nearest if _claims(client, asked)]
    return nearest[0] if len(nearest) == 1 else None


class _Bare(msgspec.Struct, frozen=True):
    """A request with nothing to tell it by."""

    path: str
    query: bytes = b""
    headers: Mapping[bytes, bytes] = {}
    body: bytes = b""


def _claims(client: ClientSide, asked: Asked) -> bool:
    """Whether something about ``asked``, beside its path, is of this dialect's clients alone."""
    bare = _Bare(asked.path)
    return any(listing.claims(asked) and not listing.claims(bare) for listing in client.listings)


def _paths(client: ClientSide) -> Iterable[str]:
    return [*(endpoint.path for endpoint in client.endpoints), *(listing.path for listing in client.listings)]


def _shared_segments(path: str, others: Iterable[str]) -> int:
    """How many segments ``path`` begins with that one of ``others`` begins with too."""
    segments = path.strip("/").split("/")
    most = 0
    for other in others:
        count = 0
        for ours, theirs in zip(segments, other.strip("/").split("/"), strict=False):
            if ours != theirs:
                break
            count += 1
        most = max(most, count)
    return most
