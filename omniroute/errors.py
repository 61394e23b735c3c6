"""The error tree, split by whose fault it is. Imports nothing of ours.

``ClientError``: the caller must change something; never retried. ``UpstreamError``: a provider's; may fail over, has a
scope. ``GatewayFault``: ours; logged with its traceback. Every class fixes ``status``, ``kind`` (what a dialect makes
its error type of), a stable ``code``, and ``outcome``: the word for it in the ledger, the log and the metrics.
"""

from __future__ import annotations

from typing import Final, Literal

Kind = Literal[
    "invalid_request", "context_length", "content_filter", "authentication", "billing", "permission", "not_found",
    "conflict", "too_large", "rate_limit", "quota", "overloaded", "timeout", "server", "upstream_incomplete",
    "unsupported",
]  # fmt: skip
Scope = Literal["client", "model", "connection", "provider"]

MESSAGE_CHARS: Final = 2000


class OmniRouteError(Exception):
    """Base. ``message`` says what was wrong, with which field, and what to do; it never holds a secret."""

    status: int = 500
    kind: Kind = "server"
    code: str = "internal_server_error"
    outcome: str = "fault"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        kind: Kind | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message[:MESSAGE_CHARS]
        if status is not None:
            self.status = status
        if kind is not None:
            self.kind = kind
        if code is not None:
            self.code = code
        self.param = param
        self.retry_after_s = retry_after_s


class ClientError(OmniRouteError):
    """4xx: the request as sent cannot be served."""

    status = 400
    kind: Kind = "invalid_request"
    code = "bad_request"
    outcome = "client_error"


class Unauthenticated(ClientError):
    """No key, or one that is unknown, revoked or expired."""

    status = 401
    kind: Kind = "authentication"
    code = "invalid_api_key"
    outcome = "unauthenticated"


class Forbidden(ClientError):
    """A good key that may not do this."""

    status = 403
    kind: Kind = "permission"
    code = "permission_denied"


class UnknownModel(ClientError):
    """No connection serves the model asked for."""

    status = 404
    kind: Kind = "not_found"
    code = "model_not_found"


class RateLimited(ClientError):
    """The caller's own limit, not a provider's."""

    status = 429
    kind: Kind = "rate_limit"
    code = "rate_limit_exceeded"
    outcome = "rate_limited"


class UpstreamError(OmniRouteError):
    """A provider did not answer as it should. Before the commit point the next target is tried."""

    status = 502
    kind: Kind = "server"
    code = "bad_gateway"
    outcome = "upstream_error"
    scope: Scope = "provider"
    error_class: str = "upstream_error"
    """Short stable word for the ledger: connect, dns, tls, timeout_first_byte, reset, truncated, ..."""
    answered: bool = False
    """Upstream may have begun work on the request (bytes were sent to it): it may cost money."""

    def __init__(  # noqa: PLR0913 - by name; each is a fact the ledger or the client is told
        self,
        message: str,
        *,
        error_class: str,
        scope: Scope = "provider",
        answered: bool = False,
        status: int | None = None,
        kind: Kind | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(message, status=status, kind=kind, code=code, param=param, retry_after_s=retry_after_s)
        self.scope = scope
        self.error_class = error_class
        self.answered = answered
        self.body = body
        """The upstream's own error body, as read (bounded), for the dialect to quote from."""


class Overloaded(OmniRouteError):
    """We refuse for now: draining, journal full, too many connections."""

    status = 503
    kind: Kind = "overloaded"
    code = "overloaded"
    outcome = "overloaded"


TABLE_FULL: Final = "The gateway counts as many keys and connections at once as it can. Try again in a moment."
"""For ``Overloaded``: no idle row is left in a shared table for one more counter."""


class GatewayFault(OmniRouteError):
    """A defect of ours."""
