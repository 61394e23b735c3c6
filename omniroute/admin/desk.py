"""What handlers work with, and how an endpoint is declared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from omniroute.admin.facts import Facts
from omniroute.admin.tokenizer import Tokenizer
from omniroute.storage.administration import Administration
from omniroute.storage.ledger import Ledger
from omniroute.storage.responses import Responses


class Desk(msgspec.Struct, frozen=True):
    """Handed to every handler."""

    administration: Administration
    facts: Facts
    ledger: Ledger
    responses: Responses
    tokenizer: Tokenizer
    trusted: bool
    """Requests come over the local admin socket: whoever can open it may do everything, and see everything."""


Handler = Callable[[Desk, Request], Awaitable[Response]]

Access = Literal["manage", "metrics", "inference", "open"]
"""Who may call on the public socket: a key with scope ``manage``; the same or this machine; any good key, whose
id is then ``request.state.key_id``; anybody."""


class Endpoint(msgspec.Struct, frozen=True):
    """One method on one path."""

    method: str
    path: str
    """In Starlette's notation, e.g. ``/api/keys/{key}``."""
    handler: Handler
    access: Access = "manage"


class Routes(msgspec.Struct, frozen=True):
    """The endpoints of one resource: the constant ``ROUTES`` of each module in ``routes``."""

    name: str
    """Equal to the module's."""
    endpoints: tuple[Endpoint, ...]
