"""How an upstream's body can fail, said for the client and the ledger."""

from __future__ import annotations

from typing import Final

from omniroute._speedups import Status
from omniroute.errors import UpstreamError
from omniroute.pipeline.values import Served

ERROR_CLASS: Final = {
    Status.CLOSED: "truncated",
    Status.TRUNCATED: "truncated",
    Status.RESET: "reset",
    Status.MALFORMED: "malformed",
    Status.TOO_LARGE: "too_large",
    Status.DEADLINE: "timeout_idle",
    Status.TOTAL_DEADLINE: "timeout_total",
}
_SAID: Final = {
    "truncated": "ended its answer before it was complete",
    "reset": "broke the connection in the middle of its answer",
    "malformed": "sent an answer that is not valid HTTP",
    "too_large": "sent an answer larger than the gateway accepts",
    "timeout_idle": "sent nothing for too long in the middle of its answer",
    "timeout_total": "did not finish its answer within the total time allowed",
}


def upstream_failed(status: Status, served: Served) -> UpstreamError:
    """The error that says how an upstream's body ended."""
    error_class = ERROR_CLASS.get(status, "reset")
    late = error_class.startswith("timeout")
    return UpstreamError(
        f"Provider '{served.target.connection.provider}' {_SAID[error_class]}.",
        error_class=error_class,
        answered=True,
        status=504 if late else 502,
        kind="timeout" if late else "upstream_incomplete",
        code="gateway_timeout" if late else "upstream_incomplete",
    )


def not_an_answer(served: Served) -> UpstreamError:
    """The error for a success status over a body that is no answer."""
    return UpstreamError(
        f"Provider '{served.target.connection.provider}' answered with status {served.status} and something that is "
        "neither a JSON object nor an event stream, such as an HTML page or half a document; is its base URL right?",
        error_class="malformed",
        answered=True,
    )
