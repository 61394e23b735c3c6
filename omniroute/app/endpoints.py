"""What a worker answers itself: every path the dialects declare, and what is in their name said of models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from omniroute.edge import Endpoint, ErrorShape
from omniroute.pipeline import Door, Pipeline, doors
from omniroute.translate import Dialect


def endpoints(pipeline: Pipeline, dialects: Mapping[str, Dialect]) -> Iterator[Endpoint]:
    """One endpoint for each path of each dialect; a path several dialects share belongs to who claims the request."""
    for door in doors(dialects).values():
        shape = error_shape(door)
        for declared in door.client.endpoints:
            yield Endpoint(declared.method, declared.path, door.name, partial(pipeline.chat, door), shape)
        for listing in door.client.listings:
            handler = partial(pipeline.listing, listing)
            name = f"{door.name} models"
            yield Endpoint(listing.method, listing.path, name, handler, shape, claims=listing.claims)


def error_shape(door: Door) -> ErrorShape:
    """How errors look to clients who came in by ``door``."""
    client = door.client
    return ErrorShape(client.error_body, client.error_status, client.request_id_header)
