# cython: boundscheck=False, wraparound=False, cdivision=True
r"""The compiled relay. What it does is written in ``relay_py``; here is how.

Every socket is registered once, edge-triggered, for everything. Its ``Sock`` half (``sock_c``) remembers what the kernel
last said, so nothing is polled twice and an operation that starts while the socket is known to be readable is tried at once.
A registration is found again by slot *and* tag: an event that was fetched before its link was closed finds nobody.

All reads go through one scratch buffer. What an operation does not consume moves to the link's inbox (allocated on need);
a large rest takes the scratch buffer along instead of being copied. A pump takes the framing out in place, feeds one read to
its translator at once, and hands header, output and CRLF to the kernel in one ``sendmsg``: one read, one chunk, one send.

Fairness: one link moves at most TURN_BYTES a turn. It is then put on the ready list, an eventfd inside the epoll set makes
``fileno()`` readable, and the next turn goes on with it after the other links' events. The same list wakes pumps whose sink
has drained, and the eventfd brings home operations that were ended by what was done to another link.

Python code runs inside a turn only in translators that are not compiled and in ``ssl``. It may do anything to any link:
``serial`` tells whether the operation at hand is still the same afterwards, memory handed to it is a copy, and operations
started from inside a translator are tried at the next turn, because the scratch buffer is in use.

Bounds: ``boundscheck`` is off for C pointers only; Python lists are indexed with ``slot < len`` and ``listed_at`` in range.
"""

from cpython.exc cimport PyErr_SetFromErrno
from libc.errno cimport EBADF
from libc.stdint cimport uint32_t, uint64_t

from omniroute._speedups.link_c cimport (
    EPOLL_CTL_ADD, EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP, READ, TURN, Endpoint, epoll_ctl,
)

from omniroute._speedups.pump_c import Link

cdef extern from "<sys/epoll.h>" nogil:
    int EPOLL_CLOEXEC
    int epoll_create1(int flags)
    int epoll_wait(int epoll_fd, epoll_event* events, int count, int timeout_ms)

cdef extern from "<sys/eventfd.h>" nogil:
    int EFD_CLOEXEC
    int EFD_NONBLOCK
    int eventfd(unsigned int value, int flags)

cdef enum:
    ROUNDS = 8                 # epoll_waits of one turn
    DEFAULT_LINKS = 65536

cdef uint64_t WAKE = <uint64_t> 0xFFFFFFFF  # the eventfd's slot in the epoll set

WRITE_BOUND_BYTES = 256 * 1024
READ_BYTES = READ
TURN_BYTES = TURN
MAX_LINKS = DEFAULT_LINKS

__all__ = ["MAX_LINKS", "READ_BYTES", "TURN_BYTES", "WRITE_BOUND_BYTES", "Link", "Relay"]


cdef class Relay(Turns):
    """All links of one worker and the epoll instance over them. See ``relay_py.Relay``."""

    def __init__(self, *, Py_ssize_t write_bound_bytes=256 * 1024, Py_ssize_t max_links=DEFAULT_LINKS):
        cdef epoll_event wake
        if self.epoll_fd >= 0:
            raise RuntimeError("the relay is open already")
        self.write_bound_bytes = write_bound_bytes
        self.max_links = max_links
        self.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        self.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        wake.events = EPOLLIN
        wake.data.u64 = WAKE
        if (
            self.epoll_fd < 0
            or self.event_fd < 0
            or epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, self.event_fd, &wake) < 0
        ):
            PyErr_SetFromErrno(OSError)

    def fileno(self):
        """The epoll descriptor: readable when ``turn`` has something to do."""
        return self.epoll_fd

    def add(self, Endpoint link not None):
        """See ``relay_py.Relay.add``."""
        cdef epoll_event event
        if self.epoll_fd < 0 or link.fd < 0:
            raise OSError(EBADF, "the relay or the link is closed")
        if link.relay is not None:
            raise ValueError("the link is under a relay already")
        if self.open_links >= self.max_links:
            raise OverflowError(f"the relay holds its maximum of {self.max_links} links")
        link.slot = self.free_slots.pop() if self.free_slots else len(self.slots)
        self.tags += 1
        link.tag = self.tags
        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET
        event.data.u64 = (<uint64_t> link.tag << 32) | <uint64_t> link.slot
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, link.fd, &event) < 0:
            if link.slot < len(self.slots):
                self.free_slots.append(link.slot)
            PyErr_SetFromErrno(OSError)
        if link.slot < len(self.slots):
            self.slots[link.slot] = link
        else:
            self.slots.append(link)
        self.open_links += 1
        link.relay = self

    def turn(self, double now):
        """See ``relay_py.Relay.turn``."""
        if self.turning:
            raise RuntimeError("turn() or expire() is running already")
        if self.epoll_fd < 0:
            return []
        self.now = now
        self.turning = True
        try:
            self.disarm()
            self.poll()
            self.go_on()
        except BaseException:
            self.arm()  # what has ended so far must still be fetched
            raise
        finally:
            self.turning = False
            if self.ready:
                self.arm()
        return self.collect()

    cdef int poll(self) except -1:
        cdef int count
        cdef int i
        cdef int turns
        cdef Py_ssize_t slot
        cdef object item
        for turns in range(ROUNDS):
            count = epoll_wait(self.epoll_fd, self.events, EVENTS, 0)
            for i in range(count):
                slot = <uint32_t> self.events[i].data.u64
                if slot >= len(self.slots):  # the eventfd
                    continue
                item = self.slots[slot]
                if item is not None and (<Endpoint> item).tag == <uint32_t> (self.events[i].data.u64 >> 32):
                    (<Endpoint> item).on_event(self.events[i].events)
            if count < EVENTS:
                break
        return 0

    cdef int go_on(self) except -1:
        """Goes on with what was marked up to now; what is marked meanwhile waits for the next turn."""
        cdef list ready = self.ready
        cdef Endpoint link
        if not ready:
            return 0
        self.ready = []
        for item in ready:
            link = <Endpoint> item
            link.in_ready = False
            if link.relay is self:
                link.advance()
        return 0

    cdef list collect(self):
        cdef list done = self.done
        cdef list links = []
        cdef Endpoint link
        if not done:
            return links
        self.done = []
        for item in done:
            link = <Endpoint> item
            link.in_done = False
            if link.read_done or link.send_done:
                links.append(link)
        return links

    def expire(self, double now):
        """See ``relay_py.Relay.expire``."""
        cdef Py_ssize_t at
        if self.turning:
            raise RuntimeError("turn() or expire() is running already")
        self.now = now
        self.turning = True
        try:
            # Downwards: ending one moves the last of the list, which was looked at, into its place.
            at = len(self.listed) - 1
            while at >= 0:
                if at < len(self.listed):
                    (<Endpoint> self.listed[at]).check(now)
                at -= 1
        finally:
            self.turning = False
            if self.ready:
                self.arm()
        return self.collect()

    def parked(self):
        """See ``relay_py.Relay.parked``."""
        return self.parked_operations + len(self.done)

    def links(self):
        """How many links are open."""
        return self.open_links

    def buffered_bytes(self):
        """Memory held in all links' buffers."""
        cdef Py_ssize_t total = 0
        for item in self.slots:
            if item is not None:
                total += (<Endpoint> item).held_bytes()
        return total

    def close(self):
        """Close every link and the epoll instance."""
        for item in list(self.slots):
            if item is not None:
                (<Endpoint> item).close()
        self.done = []
        self.ready = []
        self.slots = []
        self.free_slots = []
        self.close_fds()
