"""One target, tried once: gate, encode, call, relay. The record is written whatever happens."""

from __future__ import annotations

from typing import Final

import trio

from omniroute._speedups import Shared
from omniroute.errors import OmniRouteError, UpstreamError
from omniroute.pipeline.encode import encode, encode_count
from omniroute.pipeline.gate import Permit
from omniroute.pipeline.record import Book
from omniroute.pipeline.relay import Delivery
from omniroute.pipeline.values import PipelineOptions, Request, Served
from omniroute.ports import ClientGone, Journal, Reply, Upstream
from omniroute.translate import read_error

_OUR_ACCOUNT: Final = frozenset({"authentication", "billing", "permission"})
"""Kinds that are about the credential the gateway holds: a client would look for the fault in its own key."""


class Attempts:
    """Tries targets for requests of one worker."""

    __slots__ = ("_journal", "_options", "_shared", "_upstream")

    def __init__(self, journal: Journal, upstream: Upstream, shared: Shared, options: PipelineOptions) -> None:
        self._journal = journal
        self._upstream = upstream
        self._shared = shared
        self._options = options

    async def attempt(self, request: Request, served: Served, reply: Reply) -> bool:
        """The client has its answer when this returns. ``served`` says what happened, also when it raises.

        False if the request is for a count of its tokens, and this upstream counts for nobody. Raises Unsupported or
        UpstreamError (nothing was sent: try another target), ClientError, ClientGone.
        """
        connection = served.target.connection
        with Permit(connection, self._shared):
            encode_it = encode_count if request.peeked.operation == "count" else encode
            encoded = encode_it(request, served.target, served.attempt_id)
            if encoded is None:
                return False
            served.body_bytes = encoded.wire.body_bytes
            served.notes = encoded.notes
            total_s = connection.timeouts.total_s
            total_at = request.incoming.received_at + total_s if total_s else 0.0
            book = Book(self._journal, request, served)
            try:
                exchange = await self._upstream.call(encoded.wire, watch=request.incoming.watch, total_at=total_at)
                with exchange:
                    served.head_at = trio.current_time()
                    served.status = exchange.status
                    served.connect_ms = exchange.connect_ms
                    delivery = Delivery(
                        request, served, encoded, reply, exchange, exchange.source, connection.timeouts, total_at,
                        book, self._options,
                    )  # fmt: skip
                    if not 200 <= served.status < 300:
                        body = await delivery.explanation()
                        raise read_error(served.status, exchange.headers, body)  # noqa: TRY301 - as if call had raised
                    await (delivery.stream() if request.peeked.stream else delivery.whole())
            except ClientGone:
                served.outcome = "client_gone"
                raise
            except OmniRouteError as exc:
                served.outcome = exc.outcome
                served.error_class = exc.code
                if isinstance(exc, UpstreamError):
                    served.error_class = exc.error_class
                    if exc.kind in _OUR_ACCOUNT:
                        exc.message = f"Provider '{connection.provider}' refuses this gateway's account: {exc.message}"
                raise
            except Exception:
                served.outcome = "fault"
                raise
            finally:
                book.close()
            return True
