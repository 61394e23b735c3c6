"""Compiled parts and their plain-Python twins; this file is the only chooser.

The plain twin is used if ``OMNIROUTE_NO_SPEEDUPS`` is set or the extension was not built; type checkers always see
the twin.
Leaf package: no trio, no domain types, no globals that change.
"""

import os
from typing import TYPE_CHECKING, Final

from omniroute._speedups.shapes_py import ANY, CHOICE, EMPTY, FALSE, INDEX, NULL, STASH, TEXT, TRUE, Is
from omniroute._speedups.status import BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_EOF, Status

if TYPE_CHECKING or os.environ.get("OMNIROUTE_NO_SPEEDUPS"):
    COMPILED: Final = False
    from omniroute._speedups import chat_py as chat
    from omniroute._speedups import heads_py as heads
    from omniroute._speedups import jsonspan_py as jsonspan
    from omniroute._speedups.relay_py import Link, Relay
    from omniroute._speedups.ring_py import RingFullError, RingReader, RingWriter
    from omniroute._speedups.shapes_py import Shapes
    from omniroute._speedups.shared_py import Shared, SnapshotArea
    from omniroute._speedups.stream_py import StreamCore
    from omniroute._speedups.tap_py import SseTap, event_data
else:
    try:
        from omniroute._speedups import chat_c as chat
        from omniroute._speedups import heads_c as heads
        from omniroute._speedups import jsonspan_c as jsonspan
        from omniroute._speedups.relay_c import Link, Relay
        from omniroute._speedups.ring_c import RingFullError, RingReader, RingWriter
        from omniroute._speedups.shapes_c import Shapes
        from omniroute._speedups.shared_c import Shared, SnapshotArea
        from omniroute._speedups.stream_c import StreamCore
        from omniroute._speedups.tap_c import SseTap, event_data

        COMPILED = True
    except ImportError:
        from omniroute._speedups import chat_py as chat
        from omniroute._speedups import heads_py as heads
        from omniroute._speedups import jsonspan_py as jsonspan
        from omniroute._speedups.relay_py import Link, Relay
        from omniroute._speedups.ring_py import RingFullError, RingReader, RingWriter
        from omniroute._speedups.shapes_py import Shapes
        from omniroute._speedups.shared_py import Shared, SnapshotArea
        from omniroute._speedups.stream_py import StreamCore
        from omniroute._speedups.tap_py import SseTap, event_data

        COMPILED = False

__all__ = [
    "ANY",
    "BODY_CHUNKED",
    "BODY_LENGTH",
    "BODY_NONE",
    "BODY_UNTIL_EOF",
    "CHOICE",
    "COMPILED",
    "EMPTY",
    "FALSE",
    "INDEX",
    "NULL",
    "STASH",
    "TEXT",
    "TRUE",
    "Is",
    "Link",
    "Relay",
    "RingFullError",
    "RingReader",
    "RingWriter",
    "Shapes",
    "Shared",
    "SnapshotArea",
    "SseTap",
    "Status",
    "StreamCore",
    "chat",
    "event_data",
    "heads",
    "jsonspan",
]
