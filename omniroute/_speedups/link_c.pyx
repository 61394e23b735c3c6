# cython: boundscheck=False, wraparound=False, cdivision=True
r"""What every operation of a link needs: to be parked, ended and returned; and sending. Part of ``relay_c``.

The order of things, so that Python code run on the way (``ssl``, a translator, a destructor) finds everything consistent:
``begin`` sets ``op``; ``step`` (of the subclass) moves bytes and may call ``end_read``; ``conclude`` parks what is left.
``end_read`` is the one place where an operation ends: it takes the link off every list, lets go of the sink and the watched
link, and, if the operation was parked, puts the link on the list the next ``turn`` or ``expire`` returns.

``read_done`` and ``send_done`` describe the last return: they are cleared when the link is put on that list anew, and when
the next operation of their sort starts.

Bounds: lists are indexed with ``listed_at``, which ``enlist`` and ``unlist`` alone set; the arrays in ``send_some`` by
``held < PARTS``.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from posix.unistd cimport close as posix_close

from omniroute._speedups.sock_c cimport held_append, held_free
from omniroute._speedups.translator_c cimport out_free

from omniroute._speedups import status as _status

cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd_read(int fd, uint64_t* value)
    int eventfd_write(int fd, uint64_t value)

cdef enum:
    PARTS = 64    # of one sendmsg; POSIX promises 16, Linux takes 1024

cdef tuple STATUSES = tuple(_status.Status)

if STATUSES != (
    OK, CLOSED, TRUNCATED, RESET, MALFORMED, TOO_LARGE, DEADLINE, TOTAL_DEADLINE, WATCHED_GONE, SINK_BROKEN, SINK_STALLED,
    CANCELLED,
) or (BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_EOF) != (
    _status.BODY_NONE, _status.BODY_LENGTH, _status.BODY_CHUNKED, _status.BODY_UNTIL_EOF,
):
    raise ImportError("link_c.pxd and status.py number the statuses differently: build again")


cdef class Endpoint(Sock):
    """One socket under a relay, with at most one read operation and one send parked on it."""

    def __cinit__(self):
        self.listed_at = -1
        self.slot = -1
        self.result = b""
        self.detail = ""
        self.first = b""

    def __init__(self, sock):
        self.attach(sock)

    def fileno(self):
        """The socket's descriptor, -1 once closed."""
        return self.fd

    @property
    def status(self):
        return STATUSES[self.read_status]

    @property
    def send_status(self):
        return STATUSES[self.write_status]

    def buffered(self):
        """Bytes read from the socket and not yet consumed."""
        return self.inbox.end - self.inbox.start

    # -- parked and ended ----------------------------------------------------------------------------------------------
    cdef bint begin(self, int op, double deadline_at) except -1:
        """Sets up a read operation; False if it is over before it began."""
        if self.relay is None and self.fd >= 0:
            raise RuntimeError("the link is not in a relay yet")
        if self.op != OP_NONE or (self.in_done and self.read_done):
            raise RuntimeError("a read operation is already parked on this link")
        if op != OP_HEAD and not self.declared and self.relay is not None:
            raise RuntimeError("set_body was not called")
        self.read_done = False
        self.result = b""
        self.detail = ""
        self.read_status = OK
        self.deadline_at = deadline_at
        if self.relay is None:
            self.read_status = RESET
            self.detail = "the link is closed"
            return False
        self.op = op
        return True

    cdef bint conclude(self) except -1:
        """Tries the operation that ``begin`` set up; parks it if it is not complete."""
        cdef Endpoint sink = self.sink
        cdef bytes first
        cdef iovec part
        self.advance()
        if self.first:
            # It did not go out with a first output: the client sees the head though no event follows for a while.
            first, self.first = self.first, b""
            part.iov_base = PyBytes_AS_STRING(first)
            part.iov_len = PyBytes_GET_SIZE(first)
            sink.emit(&part, 1)
        if self.op != OP_NONE and self.watch is not None and self.watch.gone:
            self.end_read(WATCHED_GONE, "the watched link left")
        if self.op == OP_NONE:
            return True
        self.park()
        return False

    cdef int advance(self) except -1:
        """Goes on with the read operation as far as bytes and fairness allow."""
        if self.op == OP_NONE:
            return 0
        if self.relay.translating:
            return self.relay.mark_ready(self)
        try:
            self.step()
        except MemoryError:
            self.end_read(TOO_LARGE, "out of memory")  # ends this one; the others of the turn must not lose their edges
        if self.inbox.data != NULL and self.inbox.start == self.inbox.end:
            held_free(&self.inbox)  # not earlier: what was pulled from it was still in use
        return 0

    cdef int step(self) except -1:
        raise NotImplementedError

    cdef int overdue(self, double now) except -1:
        raise NotImplementedError

    cdef int let_go(self) except -1:
        return 0

    cdef Py_ssize_t held_bytes(self) noexcept:
        return self.inbox.capacity + self.outbox.capacity

    cdef int end_read(self, int status, str detail) except -1:
        """Ends the read operation; the only place that does."""
        cdef Endpoint sink = self.sink
        if self.op == OP_NONE:
            return 0
        self.op = OP_NONE
        self.serial += 1
        self.read_status = status
        self.detail = detail
        if status != OK:
            self.result = b""
        if sink is not None:
            self.sink = None
            sink.feeder = None
        if self.read_parked:
            self.unpark()
            if status != CANCELLED:
                self.announce()
                self.read_done = True
        return self.let_go()  # last: it may run Python code

    cdef int end_send(self, int status) except -1:
        self.write_status = status
        if not self.send_parked:
            return 0
        self.send_parked = False
        self.relay.parked_operations -= 1
        self.unlist()
        if status != CANCELLED:
            self.announce()
            self.send_done = True
        return 0

    cdef int park(self) except -1:
        cdef Endpoint watch = self.watch
        self.read_parked = True
        self.enlist()
        if watch is not None:
            self.watched = watch
            watch.watcher = self
            watch.watchers += 1
        return 0

    cdef int unpark(self) except -1:
        cdef Endpoint watch = self.watched
        self.read_parked = False
        self.relay.parked_operations -= 1
        self.unlist()
        if watch is not None:
            self.watched = None
            watch.watchers -= 1
            if watch.watcher is self:
                watch.watcher = None
        return 0

    cdef int enlist(self) except -1:
        cdef list listed = self.relay.listed
        self.relay.parked_operations += 1
        if self.listed_at < 0:
            self.listed_at = len(listed)
            listed.append(self)
        return 0

    cdef int unlist(self) except -1:
        cdef list listed = self.relay.listed
        cdef Endpoint last
        if self.read_parked or self.send_parked:
            return 0
        last = <Endpoint> listed[len(listed) - 1]
        listed[self.listed_at] = last
        last.listed_at = self.listed_at
        self.listed_at = -1
        del listed[len(listed) - 1]
        return 0

    cdef int announce(self) except -1:
        """Puts the link on the list the next turn or expire returns."""
        if not self.in_done:
            # What an earlier turn returned is old news: whoever wakes waiters must not be told twice.
            self.read_done = self.send_done = False
            self.in_done = True
            self.relay.done.append(self)
            if not self.relay.turning:
                self.relay.arm()
        return 0

    def cancel(self):
        """See ``link_py.Link.cancel``: the read operation; what a pump gave its sink goes on being sent."""
        if self.op != OP_NONE:
            self.end_read(CANCELLED, "cancelled")
        elif self.read_done and self.in_done:  # ended by what was done to another link, not yet returned
            self.read_done = False
            self.read_status = CANCELLED
            self.result = b""
            self.detail = "cancelled"

    def cancel_send(self):
        """See ``link_py.Link.cancel_send``: the message is torn, nothing more is written."""
        if self.send_parked:
            self.end_send(CANCELLED)
            self.break_write("a cancelled send tore the message")
            self.wrote()
        elif self.send_done and self.in_done:
            self.send_done = False
            self.write_status = CANCELLED

    def close(self):
        """See ``link_py.Link.close``."""
        cdef Endpoint feeder
        if self.relay is not None:
            self.cancel()
            if self.send_parked:
                self.end_send(CANCELLED)
            self.send_done = False
            if self.in_done:
                self.in_done = False
                self.relay.done.remove(self)
            self.relay.forget(self)
            self.gone = True
            self.leave()
            feeder = self.feeder
            if feeder is not None:
                feeder.end_read(SINK_BROKEN, "the link was closed")
            self.relay = None
            self.declared = False
        self.watch = None
        self.detach()

    cdef int leave(self) except -1:
        """The peer has gone: ends what watches this link."""
        cdef Endpoint link
        if self.watchers == 0:
            return 0
        if self.watchers == 1 and self.watcher is not None:
            return self.watcher.end_read(WATCHED_GONE, "the watched link left")
        for item in list(self.relay.listed):  # several watch it: rare enough for a scan
            link = <Endpoint> item
            if link.watched is self:
                link.end_read(WATCHED_GONE, "the watched link left")
        return 0

    # -- writing -------------------------------------------------------------------------------------------------------
    def start_send(self, tuple parts not None, double deadline_at):
        """See ``link_py.Link.start_send``."""
        cdef Py_ssize_t at = 0
        if self.relay is None and self.fd >= 0:
            raise RuntimeError("the link is not in a relay yet")
        if self.send_parked or (self.in_done and self.send_done):
            raise RuntimeError("a send is already parked on this link")
        self.send_done = False
        self.write_status = OK
        while at < len(parts) and self.relay is not None and not self.write_broken:
            at += self.send_some(parts, at)
        if self.relay is None or self.write_broken:
            self.write_status = RESET
            return True
        if self.outbox.data == NULL:
            return True
        self.send_mark = self.sent_bytes + self.outbox.end - self.outbox.start
        self.send_deadline_at = deadline_at
        self.send_parked = True
        self.enlist()
        return False

    cdef Py_ssize_t send_some(self, tuple parts, Py_ssize_t at) except -1:
        """Emits up to PARTS of ``parts`` from ``at`` on in one system call; how many."""
        cdef Py_buffer views[PARTS]
        cdef iovec vectors[PARTS]
        cdef int held = 0
        cdef int i
        try:
            while held < PARTS and at + held < len(parts):
                PyObject_GetBuffer(parts[at + held], &views[held], PyBUF_SIMPLE)
                vectors[held].iov_base = views[held].buf
                vectors[held].iov_len = views[held].len
                held += 1
            self.emit(vectors, held)
        finally:
            for i in range(held):
                PyBuffer_Release(&views[i])
        return held

    cdef int emit(self, iovec* parts, int count) except -1:
        cdef long long before = self.sent_bytes
        cdef bint waiting = self.outbox.data != NULL
        self.transmit(parts, count)
        if self.relay is None:
            return 0
        if not waiting or self.sent_bytes != before:
            self.moved_at = self.relay.now
        return self.wrote()

    cdef int wrote(self) except -1:
        """Bytes have left the outbox, or never will: ends the send that waits for it, wakes the pump that does."""
        cdef Endpoint feeder = self.feeder
        if self.write_failed and not self.gone:
            self.gone = True
            self.leave()
        if self.send_parked:
            if self.write_broken:
                self.end_send(RESET)
            elif self.sent_bytes >= self.send_mark:
                self.end_send(OK)
        if feeder is not None:
            if self.write_broken:
                feeder.end_read(SINK_BROKEN, self.fault)
            elif feeder.paused and self.outbox.end - self.outbox.start <= self.relay.write_bound_bytes:
                self.relay.mark_ready(feeder)
        return 0

    # -- events and time -----------------------------------------------------------------------------------------------
    cdef int on_event(self, uint32_t mask) except -1:
        cdef bint left = False
        cdef long long before
        if mask & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR):
            self.readable = True
            self.write_wants_read = False
        if mask & EPOLLOUT:
            self.writable = True
            if self.read_wants_write:
                self.readable = True
        if mask & (EPOLLRDHUP | EPOLLHUP | EPOLLERR):
            left = not self.gone or self.watchers
            self.gone = True
        if self.outbox.data != NULL:
            before = self.sent_bytes
            self.flush()
            if self.relay is None:
                return 0
            if self.sent_bytes != before:
                self.moved_at = self.relay.now
            self.wrote()
        if mask & EPOLLERR and not self.write_broken and self.relay is not None:
            self.break_write("the connection broke")
            self.wrote()
        if left:
            self.leave()
        if self.op != OP_NONE and self.readable:
            self.advance()
        return 0

    cdef int check(self, double now) except -1:
        """Ends what is overdue."""
        if self.send_parked and self.send_deadline_at != 0.0 and now >= self.send_deadline_at:
            self.end_send(DEADLINE)
            self.break_write("a send missed its deadline")
            self.wrote()
        if self.read_parked:
            self.overdue(now)
        return 0


cdef class Turns:
    """What the links of one relay share: the turn's buffers and the lists it works through."""

    def __cinit__(self):
        self.epoll_fd = self.event_fd = -1
        self.slots = []
        self.free_slots = []
        self.listed = []
        self.ready = []
        self.done = []
        self.scratch = <char*> malloc(READ)
        if self.scratch == NULL:
            raise MemoryError

    def __dealloc__(self):
        self.close_fds()
        free(self.scratch)
        out_free(&self.out)

    cdef void close_fds(self) noexcept:
        if self.epoll_fd >= 0:
            posix_close(self.epoll_fd)
        if self.event_fd >= 0:
            posix_close(self.event_fd)
        self.epoll_fd = self.event_fd = -1

    cdef int forget(self, Endpoint link) except -1:
        cdef epoll_event unused
        # closing alone is not enough: a forked child may hold the same open file
        epoll_ctl(self.epoll_fd, EPOLL_CTL_DEL, link.fd, &unused)
        self.slots[link.slot] = None
        self.free_slots.append(link.slot)
        self.open_links -= 1
        return 0

    cdef int lend(self, Endpoint link, Py_ssize_t start, Py_ssize_t size) except -1:
        """Gives the scratch buffer to a link whose inbox is empty, with the bytes it holds."""
        cdef char* fresh = <char*> malloc(READ)
        if fresh == NULL:
            return held_append(&link.inbox, self.scratch + start, size)
        link.inbox.data = self.scratch
        link.inbox.start = start
        link.inbox.end = start + size
        link.inbox.capacity = READ
        self.scratch = fresh
        return 0

    cdef int mark_ready(self, Endpoint link) except -1:
        if not link.in_ready:
            link.in_ready = True
            self.ready.append(link)
            if not self.turning:
                self.arm()
        return 0

    cdef int arm(self) except -1:
        if not self.armed and self.event_fd >= 0:
            self.armed = True
            eventfd_write(self.event_fd, 1)
        return 0

    cdef int disarm(self) except -1:
        cdef uint64_t count
        if self.armed:
            self.armed = False
            eventfd_read(self.event_fd, &count)
        return 0
