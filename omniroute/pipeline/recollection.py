"""What one worker remembers for clients that forget (``translate.recall``): a bounded number of calls, for an hour.

In memory and in one worker: clients keep their connection, so the next turn mostly comes to the same one. Where it does
not, the vendor is sent what the client sent, with Gemini's documented placeholder where a signature is missing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from omniroute.translate import Remembered

KEEP_S: Final = 3600.0
MAX_CALLS: Final = 4096
MAX_BYTES: Final = 16 * 1024 * 1024
"""Of all keys together; the oldest goes first."""


class Recollection:
    """Notes by API key and call id."""

    __slots__ = ("_clock", "_held_bytes", "_notes")

    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock``: seconds, whatever they count from."""
        self._clock = clock
        self._notes: OrderedDict[tuple[str, str], tuple[float, Remembered]] = OrderedDict()
        self._held_bytes = 0

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._notes)

    def learn(self, key_id: str, call_id: str, remembered: Remembered) -> None:
        """Remember for this key; the oldest notes go if there are too many."""
        self._forget((key_id, call_id))
        self._notes[key_id, call_id] = (self._clock(), remembered)
        self._held_bytes += remembered.size_bytes
        while len(self._notes) > MAX_CALLS or self._held_bytes > MAX_BYTES:
            self._forget(next(iter(self._notes)))

    def lookup(self, key_id: str, call_id: str) -> Remembered | None:
        """What this key's answer said before this call, None if that is unknown or too long ago."""
        found = self._notes.get((key_id, call_id))
        if found is None:
            return None
        if self._clock() - found[0] > KEEP_S:
            self._forget((key_id, call_id))
            return None
        return found[1]

    def _forget(self, key: tuple[str, str]) -> None:
        found = self._notes.pop(key, None)
        if found is not None:
            self._held_bytes -= found[1].size_bytes
