"""Trio over the relay: a :class:`Wire` is a link whose operations are awaited, a :class:`Driver` turns the relay.

Trio owns lifetimes, the relay moves bytes. Deadlines are absolute instants on Trio's clock (0.0: none). Operations that
are complete at once return without a checkpoint: a request passes at least one when it waits for its upstream.
"""

from omniroute.wire.driver import Driver
from omniroute.wire.wire import PumpLimits, Wire, WireError

__all__ = ["Driver", "PumpLimits", "Wire", "WireError"]
