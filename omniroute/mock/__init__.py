"""A scripted upstream: the demo provider, the tests' upstream, and a user's way to try fallbacks.

``script`` is the grammar, ``dialects`` the wire formats, ``player`` the raw bytes and the faults, ``mock`` the server
and its books.
"""

from omniroute.mock.counts import Counts, Tally
from omniroute.mock.mock import Mock, MockOptions, running, serve
from omniroute.mock.script import ALIASES, PARAMETERS, BadScript, Script, apply

__all__ = [
    "ALIASES",
    "PARAMETERS",
    "BadScript",
    "Counts",
    "Mock",
    "MockOptions",
    "Script",
    "Tally",
    "apply",
    "running",
    "serve",
]
