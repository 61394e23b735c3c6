"""Foreign failures become ours here: one table for the wire's statuses, one for exceptions while connecting.

A message names the provider, the origin, the phase and what to do. It never holds a credential, a header or a body.
"""

from __future__ import annotations

import ssl
from typing import Final, Literal, NamedTuple

from omniroute._speedups import Status
from omniroute.domain import Connection
from omniroute.errors import GatewayFault, Kind, Scope, UpstreamError
from omniroute.ports import ClientGone
from omniroute.upstream.response import MalformedHeadError
from omniroute.wire import WireError

Phase = Literal["resolve", "connect", "proxy", "tls", "write", "head"]


class _Fault(NamedTuple):
    error_class: str
    text: str
    kind: Kind = "server"


_READ_FAULTS: Final[dict[Status, _Fault]] = {
    Status.CLOSED: _Fault("reset", "closed the connection without answering"),
    Status.TRUNCATED: _Fault("truncated", "closed the connection in the middle of its response head"),
    Status.RESET: _Fault("reset", "reset the connection before answering"),
    Status.MALFORMED: _Fault("malformed", "sent something that is not an HTTP response"),
    Status.TOO_LARGE: _Fault("head_too_large", "sent a response head longer than the limit"),
    Status.DEADLINE: _Fault("timeout_first_byte", "did not answer in time", "timeout"),
    Status.TOTAL_DEADLINE: _Fault("timeout_first_byte", "did not answer in time", "timeout"),
}
_WRITE_FAULTS: Final[dict[Status, _Fault]] = {
    Status.RESET: _Fault("reset", "reset the connection while the request was written"),
    Status.CLOSED: _Fault("reset", "closed the connection while the request was written"),
    Status.DEADLINE: _Fault("timeout_write", "did not take the request in time", "timeout"),
}

_TIMEOUT_ADVICE: Final[dict[Phase, str]] = {
    "resolve": "its name was not resolved in time",
    "connect": "no connection in time; is the address right and the host reachable from here?",
    "proxy": "the proxy did not finish its handshake in time",
    "tls": "the TLS handshake did not end in time; is this a TLS port?",
}

# X509_V_ERR_* of OpenSSL (x509_vfy.h) that an operator can do something about
_CERTIFICATE_ADVICE: Final[dict[int, str]] = {
    9: "the certificate is not valid yet; check this machine's clock",
    10: "the certificate has expired; renew it, or check this machine's clock",
    18: "the certificate is self-signed; put it into the connection's tls.ca_pem if it is meant",
    19: "the chain ends in an unknown self-signed certificate; put that CA into the connection's tls.ca_pem",
    20: "the issuer is unknown; put the CA into the connection's tls.ca_pem, or have the server send its intermediates",
    21: "the issuer is unknown; put the CA into the connection's tls.ca_pem, or have the server send its intermediates",
    62: "the certificate is for another host; correct base_url, or set the connection's tls.server_name",
    64: "the certificate is for another address; correct base_url, or set the connection's tls.server_name",
}


def _error(
    connection: Connection, text: str, error_class: str, *, scope: Scope, kind: Kind = "server", answered: bool = False
) -> UpstreamError:
    timeout = kind == "timeout"
    return UpstreamError(
        f"{connection.provider}: {text}",
        error_class=error_class,
        scope=scope,
        answered=answered,
        kind=kind,
        status=504 if timeout else 503 if kind == "overloaded" else None,
        code="gateway_timeout" if timeout else "overloaded" if kind == "overloaded" else None,
    )


def configuration_error(connection: Connection, field: str, why: str) -> UpstreamError:
    """The connection cannot be called as configured. The field's value is not quoted: it may hold a password."""
    return _error(connection, f"{field} of connection {connection.label!r}: {why}", "connect", scope="connection")


def read_error(connection: Connection, origin: str, error: WireError) -> UpstreamError | ClientGone | GatewayFault:
    """What a failed wait for the response head is to the pipeline."""
    if error.status is Status.WATCHED_GONE:
        return ClientGone()
    fault = _READ_FAULTS.get(error.status)
    if fault is None:
        return GatewayFault(f"reading a response head from {origin} ended with {error.status.name}")
    return _error(
        connection, f"{origin} {fault.text}", fault.error_class, scope="provider", kind=fault.kind, answered=True
    )


def write_error(connection: Connection, origin: str, error: WireError) -> UpstreamError | GatewayFault:
    """What a failed send is to the pipeline."""
    fault = _WRITE_FAULTS.get(error.status)
    if fault is None:
        return GatewayFault(f"sending a request to {origin} ended with {error.status.name}")
    return _error(
        connection, f"{origin} {fault.text}", fault.error_class, scope="provider", kind=fault.kind, answered=True
    )


def malformed(connection: Connection, origin: str, error: MalformedHeadError) -> UpstreamError:
    """A response head that is none."""
    return _error(connection, f"{origin}: {error}", "malformed", scope="provider", answered=True)


def timeout_connect(connection: Connection, origin: str, phase: Phase) -> UpstreamError:
    """The connect deadline passed in ``phase``."""
    text = f"{origin}: {_TIMEOUT_ADVICE[phase]}"
    return _error(connection, text, "timeout_connect", scope="provider", kind="timeout")


def egress_denied(connection: Connection, host: str, ip: str, kind: str) -> UpstreamError:
    """The egress guard refused every address of ``host``."""
    where = host if host == ip else f"{host} ({ip})"
    text = f"{where} is a {kind} address; set allow_private on connection {connection.label!r} if that is meant"
    return _error(connection, text, "egress_denied", scope="connection")


def pool_full(connection: Connection, why: str) -> UpstreamError:
    """No wire may be opened now. Ours, not the provider's: it must not move the provider's breaker."""
    return _error(connection, why, "pool_full", scope="connection", kind="overloaded")


def open_error(connection: Connection, origin: str, phase: Phase, error: OSError | ValueError) -> UpstreamError:
    """What an exception raised in ``phase`` of opening a wire is to the pipeline."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if phase == "resolve":
        return _error(connection, f"{origin}: the name was not resolved: {reason}", "dns", scope="provider")
    if phase == "connect":
        return _error(connection, f"{origin}: no connection: {reason}", "connect", scope="provider")
    if phase == "proxy":
        return _error(
            connection, f"{origin}: the proxy of connection {connection.label!r}: {reason}", "proxy", scope="connection"
        )
    return _error(connection, f"{origin}: TLS: {_tls_reason(error)}", "tls", scope="provider")


def _tls_reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = _CERTIFICATE_ADVICE.get(error.verify_code)
        return (
            f"{advice} (verify code {error.verify_code})"
            if advice
            else f"the certificate was refused: {error.verify_message}"
        )
    if isinstance(error, ssl.SSLEOFError):
        return "the server closed the connection during the handshake; is this a TLS port?"
    if isinstance(error, ssl.SSLError):
        return f"handshake failed ({error.reason or 'no reason given'}); is this a TLS port of version 1.2 or later?"
    if isinstance(error, OSError):
        return f"the connection broke during the handshake: {error.strerror or error}"
    return str(error)
