"""Settings of the upstream package: every bound and wait it has."""

from __future__ import annotations

from typing import Annotated

import msgspec

Positive = Annotated[int, msgspec.Meta(ge=1)]
"""Where 0 would not mean "none" but stop the pool, or divide by it."""


class UpstreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds and waits of one worker's upstream pool. Timeouts that belong to a provider are the connection's own."""

    max_idle_per_origin: int = 64
    """Kept-alive wires per origin; one more is closed instead of kept."""
    max_per_origin: int = 4096
    """Open wires per origin, idle and in use; at the bound a call fails with ``pool_full``. 0: no bound."""
    idle_s: float = 60.0
    """An idle wire older than this is closed; less if the upstream announced less (``Keep-Alive: timeout=``)."""
    reap_every_s: Annotated[float, msgspec.Meta(ge=0.01)] = 1.0
    """How often idle wires are looked at: a dead one holds its descriptor at most this long."""
    head_bytes: int = 64 * 1024
    """Longest response head read; more is ``head_too_large``."""
    max_interim: int = 8
    """1xx heads skipped before one answer; one more is ``malformed``."""
    write_s: float = 30.0
    """Time for a request to be taken by the upstream, beside what ``write_min_bytes_s`` grants for its size."""
    write_min_bytes_s: Positive = 16 * 1024
    """Slowest upload tolerated: a body of n bytes has ``write_s + n / write_min_bytes_s``."""
    early_answer_s: float = 1.0
    """After the upstream stopped taking the request, how long its answer (a 413, say) is waited for."""
    stale_retry_s: float = 5.0
    """A reused wire that breaks later than this after the request was written is not retried: the keep-alive race shows
    within a round trip; after that the upstream had begun to work, and a second try might be billed twice."""
    dns_ttl_s: float = 60.0
    """How long the addresses of a name are remembered (the system's resolver does not tell the record's own time)."""
    dns_negative_ttl_s: float = 5.0
    """How long it is remembered that a name did not resolve."""
    dns_timeout_s: float = 15.0
    """A name whose look-up took longer has failed (its thread is left to the system's resolver to end)."""
    dns_cache_entries: Positive = 1024
    """Names remembered; at the bound the oldest is forgotten. As many again may be in flight; more fail (``dns``)."""
    dns_threads: Positive = 4
    """Look-ups at a time; more wait, within their call's connect deadline."""
    max_addresses: Positive = 8
    """Addresses tried for one name."""
    happy_eyeballs_delay_s: float = 0.25
    """Head start of one address before the next is tried beside it (RFC 8305 §5)."""
    proxy_head_bytes: int = 16 * 1024
    """Longest answer of an HTTP proxy to CONNECT."""
    drain_after_end_s: float = 5.0
    """How long the rest of a body is read after its end mark, so that the wire can be used again."""
    max_draining: int = 64
    """Wires drained at a time; one more is closed instead."""
    drain_bytes: int = 64 * 1024
    """What may still come after an end mark; more closes the wire."""
    max_routes: Positive = 4096
    """Connections whose origin and head are remembered; at the bound the one remembered longest is derived again."""
    route_idle_s: float = 300.0
    """A connection not called for this long (it left the snapshot, most likely) is forgotten."""
    max_tls_contexts: Positive = 64
    """TLS profiles whose context is kept; each holds a parsed trust store (about 1 MB)."""
