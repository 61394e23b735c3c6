"""Calls to providers over a pool of kept-alive wires: implements ``ports.Upstream`` and ``ports.Exchange``.

Owns DNS, connecting, the egress guard, proxies, TLS, request and response heads and the reuse of wires. Knows nothing
of dialects, routing or clients; moves no body bytes (the relay does). Times are seconds on Trio's clock.
"""

from omniroute.upstream.call import UpstreamPool
from omniroute.upstream.dns import Address, Lookup, system_lookup
from omniroute.upstream.egress import refused_kind
from omniroute.upstream.exchange import Exchange
from omniroute.upstream.options import UpstreamOptions
from omniroute.upstream.pool import PoolStatistics

__all__ = [
    "Address",
    "Exchange",
    "Lookup",
    "PoolStatistics",
    "UpstreamOptions",
    "UpstreamPool",
    "refused_kind",
    "system_lookup",
]
