"""HTTP/1.1 for clients: from accepted sockets to ``ports.Incoming``, from ``ports.Reply`` to bytes.

Owns: limits and deadlines of the client side (:class:`EdgeOptions`), strict framing (``head``), the route table
(:class:`Routes`), keep-alive and draining (:class:`Edge`), and the way of all other requests to control.
Must not know: models, keys, providers, dialects. An endpoint brings its handler and the way its errors look.
One request at a time per connection; pipelined bytes wait in the relay. Instants are Trio's clock, sizes are bytes.
"""

from omniroute.edge.ask_control import ControlLine
from omniroute.edge.options import EdgeOptions
from omniroute.edge.proxy_control import PEER_HEADER
from omniroute.edge.reply import PLAIN
from omniroute.edge.routes import Endpoint, ErrorShape, Handler, RenderError, Routes
from omniroute.edge.server import Edge

__all__ = [
    "PEER_HEADER",
    "PLAIN",
    "ControlLine",
    "Edge",
    "EdgeOptions",
    "Endpoint",
    "ErrorShape",
    "Handler",
    "RenderError",
    "Routes",
]
