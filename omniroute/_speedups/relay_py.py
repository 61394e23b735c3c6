"""The relay: every socket of a worker, polled and moved in one place. The specification; ``relay_c`` is the speed.

This half is plain Python over ``selectors``: it runs where epoll does not exist and where nothing was compiled. Its
parts are ``link_py`` (one link), ``halves_py`` (its socket's reading and writing half), ``operations_py`` and
``pump_py`` (what can be parked) and ``dechunk_py`` (body framing). Only this file knows the selector; the other parts
know no socket but their own.

Theory of operation
-------------------
A **link** is one connected, non-blocking socket (plain, or a handshaken ``ssl.SSLSocket``) polled for reading,
writing and peer-closed. At most one *read operation* (head, body, piece, pump) and one *send* may be outstanding on a
link (a second is a ``RuntimeError``). ``start_*`` tries at once: it returns True when the operation is already
complete, else False, and then the link is returned exactly once by a later :meth:`Relay.turn` or
:meth:`Relay.expire`. The outcome is in ``status``, ``result`` and ``detail`` (reads) or ``send_status`` (sends);
``result`` is b"" on any status but OK. On a closed link every ``start_*`` is complete at once with RESET. The relay
owns no task and never blocks; ``waiter`` and ``send_waiter`` are slots for whoever parks (the Trio glue in
``omniroute.wire``).

``turn`` and ``expire`` may also return a link whose operation was ended by what was done to *another* link since:
closing a pump's sink ends the pump with SINK_BROKEN, closing a watched link ends the watching operation with
WATCHED_GONE. Until it is returned such an operation counts as parked.

Bytes read beyond what an operation asked for stay in the link (they are the beginning of the body, or pipelined).

This half polls level-triggered, reads once per ready link and turn, and reads a link with nothing parked ahead by up
to ``READ_BYTES``, which is how it sees a FIN behind pipelined bytes without ``EPOLLRDHUP``; behind more than that it
does not.

Time is an argument (``now``, seconds on the caller's clock): the relay reads no clock. ``turn`` and ``expire``
remember ``now``, and what starts later counts from it, so one of them must be called at least as often as deadlines
are to be exact. Deadlines are checked by ``expire(now)``, a linear scan over links with something parked: at 10 Hz
and 4,000 links that measured below one per mille of a core (compiled), and needs no wheel.
"""

from __future__ import annotations

import errno
import os
import selectors
from typing import Final

from omniroute._speedups.halves_py import READ_BYTES
from omniroute._speedups.link_py import Link
from omniroute._speedups.pump_py import Translator
from omniroute._speedups.status import Status

__all__ = ["MAX_LINKS", "READ_BYTES", "WRITE_BOUND_BYTES", "Link", "Relay", "Translator"]

WRITE_BOUND_BYTES: Final = 256 * 1024
"""A pump does not read its source while more than this waits in its sink; default of ``Relay(write_bound_bytes=)``."""

MAX_LINKS: Final = 65536
"""Default of ``Relay(max_links=)``: what a process may be allowed in descriptors, not what it is meant to hold."""


class Relay:
    """All links of one worker and the selector over them."""

    def __init__(self, *, write_bound_bytes: int = WRITE_BOUND_BYTES, max_links: int = MAX_LINKS) -> None:
        self.write_bound_bytes = write_bound_bytes
        self.now = 0.0  # of the last turn or expire
        self._max_links = max_links
        self._selector = selectors.DefaultSelector()
        self._armed: dict[Link, int] = {}  # every open link and the mask it is registered with; 0: not at all
        self._completed: dict[Link, None] = {}  # in order of completion
        self._watchers: dict[Link, set[Link]] = {}  # watched: those with an operation that watches it
        self._watching: dict[Link, Link] = {}  # the reverse
        self._sources: dict[Link, Link] = {}  # sink: the link whose pump feeds it
        self._sinks: dict[Link, Link] = {}  # the reverse

    def fileno(self) -> int:
        """Readable when :meth:`turn` has something to do."""
        return self._selector.fileno()

    def add(self, link: Link) -> None:
        """Register a link. Raises ``OSError`` as the selector does, ``OverflowError`` at ``max_links``."""
        if len(self._armed) >= self._max_links:
            raise OverflowError(f"this relay holds its {self._max_links} links already")
        if link.fileno() < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        self._armed[link] = 0
        link.join(self)
        try:
            self.arm(link)
        except OSError:
            del self._armed[link]
            raise

    def turn(self, now: float) -> list[Link]:
        """Move everything that is ready; the links with an operation completed, each once."""
        self.now = now
        for key, events in self._selector.select(0):
            link: Link = key.data
            link.serve(now)
            source = self._sources.get(link)
            if source is not None and events & selectors.EVENT_WRITE:
                source.serve(now)  # there may be room again
        return self._take_completed()

    def expire(self, now: float) -> list[Link]:
        """End what is overdue, send heartbeats; the links with an operation completed, each once."""
        self.now = now
        for link in [link for link in self._armed if link.parked()]:
            link.lapse(now)
        return self._take_completed()

    def parked(self) -> int:
        """How many operations wait (reads, pumps and sends); 0 means :meth:`expire` has nothing to look at."""
        return len(self._completed) + sum(link.parked() for link in self._armed)

    def links(self) -> int:
        """How many links are open."""
        return len(self._armed)

    def buffered_bytes(self) -> int:
        """Memory held in all links' buffers."""
        return sum(link.held_bytes() for link in self._armed)

    def close(self) -> None:
        """Close every link and the selector."""
        for link in list(self._armed):
            link.close()
        self._selector.close()

    # -- for the links (link_py.RelayPort) ----------------------------------------------------------------------
    def arm(self, link: Link) -> None:
        """Wait for what ``link.interest()`` says now."""
        armed, wanted = self._armed[link], link.interest()
        if wanted == armed:
            return
        if not armed:
            self._selector.register(link, wanted, link)
        elif not wanted:
            self._selector.unregister(link)
        else:
            self._selector.modify(link, wanted, link)
        self._armed[link] = wanted

    def completed(self, link: Link, *, read: bool) -> None:
        """An operation of ``link`` ended: return it from this turn, or the next."""
        if link not in self._completed:
            self._completed[link] = None
            link.read_done = link.send_done = False
        if read:
            link.read_done = True
        else:
            link.send_done = True

    def owes(self, link: Link) -> bool:
        """``link`` has a completed operation that was not returned yet."""
        return link in self._completed

    def observe(self, watcher: Link, watched: Link) -> None:
        """Interrupt ``watcher`` when ``watched`` leaves."""
        self._watching[watcher] = watched
        self._watchers.setdefault(watched, set()).add(watcher)

    def pair(self, source: Link, sink: Link) -> None:
        """Interrupt ``source`` when ``sink`` breaks. Raises RuntimeError if another pump feeds it."""
        if sink in self._sources:
            raise RuntimeError("another pump already feeds this sink")
        self._sources[sink] = source
        self._sinks[source] = sink

    def release(self, link: Link) -> None:
        """``link`` has no operation any more: it watches and feeds nobody."""
        watched = self._watching.pop(link, None)
        if watched is not None:
            others = self._watchers[watched]
            others.discard(link)
            if not others:
                del self._watchers[watched]
        sink = self._sinks.pop(link, None)
        if sink is not None:
            del self._sources[sink]

    def left(self, link: Link) -> None:
        """The peer of ``link`` is gone: interrupt who watches."""
        for watcher in list(self._watchers.get(link, ())):
            watcher.interrupt(Status.WATCHED_GONE, "the watched link left")

    def sink_broke(self, link: Link) -> None:
        """``link`` takes no more bytes: interrupt the pump that feeds it."""
        source = self._sources.get(link)
        if source is not None:
            source.interrupt(Status.SINK_BROKEN, link.outbox.broken)

    def remove(self, link: Link) -> None:
        """``link`` is being closed."""
        if self._armed.pop(link):
            self._selector.unregister(link)
        self._completed.pop(link, None)
        self.left(link)
        self.sink_broke(link)

    def _take_completed(self) -> list[Link]:
        completed = [link for link in self._completed if link.read_done or link.send_done]
        self._completed.clear()
        return completed
