"""Who may call what on the public socket, where workers relay requests of anybody to control.

Authority comes from an API key, or, for the metrics page alone, from being on this machine. Never from ``Host`` or
forwarding headers: those can only take authority away.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from omniroute.admin.desk import Access, Desk
from omniroute.auth import presented_key
from omniroute.errors import Forbidden, Unauthenticated

PEER_HEADER: Final = "x-omniroute-peer"
"""Set by the worker that relays, and taken out of what clients send: the address of the client's socket. Read only on
the Unix socket that workers relay to: on a listener of its own nobody takes a client's header out."""

SCOPE: Final = "manage"

_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""A request with one of these came through a proxy: its peer says where the proxy is, not where the client is."""


async def check(desk: Desk, request: Request, access: Access) -> None:
    """Return if the request may go on.

    Raises:
        Unauthenticated: no key, or one that is not good.
        Forbidden: a good key without the scope ``manage``.
    """
    inference = access == "inference"
    if access == "open" or (access == "metrics" and _from_this_machine(request)) or (desk.trusted and not inference):
        return
    headers = {name.lower(): value for name, value in request.headers.raw}
    # Without the query: a URL ends up in logs and histories, which is no place for a key that may do everything.
    presented = presented_key(headers, request.url.query.encode() if inference else b"")
    if not presented:
        needed = "an API key" if inference else f"an API key with the scope {SCOPE}"
        raise Unauthenticated(f"this path needs {needed}: send it as Authorization: Bearer")
    key = await desk.administration.key_presented(presented)
    if key is None:
        raise Unauthenticated("the API key is unknown, revoked or expired")
    request.state.key_id = key.key_id
    if not inference and SCOPE not in key.scopes:
        raise Forbidden(
            f"the API key {key.prefix}... lacks the scope {SCOPE}: make one that has it with `omniroute keys create`"
        )


def _from_this_machine(request: Request) -> bool:
    """The client's socket is on loopback, no proxy is between, and it is not a web page that renamed us to its own."""
    headers = request.headers
    if any(name in headers for name in _FORWARDED):
        return False
    peer = request.client.host if request.client is not None else headers.get(PEER_HEADER, "")
    return _is_loopback(peer) and _names_this_machine(headers.get("host", ""))


def _names_this_machine(host: str) -> bool:
    """``Host`` is an address or localhost. A page that rebinds its own name to 127.0.0.1 still sends that name."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _is_loopback(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
