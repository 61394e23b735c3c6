"""Cross-origin answers of the inference endpoints: an exact list of origins, nothing by default.

Management has none of this: control's paths are relayed without CORS headers of ours.
Source: Fetch standard, "CORS protocol". Credentials (cookies) are never allowed, so ``*`` may stand for "every header".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from omniroute.ports import Headers

PREFLIGHT_AGE_S: Final = 600
"""How long a browser may keep a preflight's answer; Chromium keeps none longer than two hours."""


class Cors:
    """The origins that may call, and the headers that tell them so."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    def allows(self, origin: bytes | None) -> bool:
        """True if pages of ``origin`` may read our answers."""
        return origin is not None and (self._any or origin in self._origins)

    def headers(self, origin: bytes | None) -> Headers:
        """Headers for an answer to ``origin``; empty if it is not allowed."""
        if origin is None or not self.allows(origin):
            return ()
        return (
            (b"access-control-allow-origin", b"*" if self._any else origin),
            (b"access-control-expose-headers", b"*"),
            (b"vary", b"Origin"),
        )

    def preflight(self, asked: Mapping[bytes, bytes], allow: bytes) -> Headers:
        """Headers for an OPTIONS request with headers ``asked`` on a path that serves the methods ``allow``."""
        origin = asked.get(b"origin")
        if not self.allows(origin):
            return ((b"allow", allow),)
        return (
            (b"allow", allow),
            *self.headers(origin)[:1],
            (b"access-control-allow-methods", allow),
            # "*" would leave out Authorization, which every caller needs: what was asked for is allowed by name
            (b"access-control-allow-headers", asked.get(b"access-control-request-headers", b"*")),
            (b"access-control-max-age", b"%d" % PREFLIGHT_AGE_S),
            (b"vary", b"Origin, Access-Control-Request-Headers"),
        )
