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

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrno
from cpython.ref cimport Py_XDECREF
from libc.stdio cimport snprintf
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy
from posix.unistd cimport close as posix_close

from omniroute._speedups.dechunk_c cimport framing_decode, framing_set
from omniroute._speedups.sock_c cimport FILL_AGAIN, FILL_EOF, FILL_RAGGED, Held, held_append, held_free
from omniroute._speedups.translator_c cimport out_append, out_free

from omniroute._speedups import status as _status

cdef extern from "Python.h":
    int _PyBytes_Resize(PyObject** string, Py_ssize_t size) except -1
    PyObject* new_bytes "PyBytes_FromStringAndSize"(const char* data, Py_ssize_t size) except NULL

cdef extern from "<sys/epoll.h>" nogil:
    int EPOLL_CLOEXEC
    int EPOLL_CTL_ADD
    int EPOLL_CTL_DEL
    uint32_t EPOLLIN
    uint32_t EPOLLOUT
    uint32_t EPOLLRDHUP
    uint32_t EPOLLHUP
    uint32_t EPOLLERR
    uint32_t EPOLLET
    int epoll_create1(int flags)
    int epoll_ctl(int epoll_fd, int what, int fd, epoll_event* event)
    int epoll_wait(int epoll_fd, epoll_event* events, int count, int timeout_ms)

cdef extern from "<sys/eventfd.h>" nogil:
    int EFD_CLOEXEC
    int EFD_NONBLOCK
    int eventfd(unsigned int value, int flags)
    int eventfd_read(int fd, uint64_t* value)
    int eventfd_write(int fd, uint64_t value)

cdef enum:
    READ = 64 * 1024           # READ_BYTES: the scratch buffer
    TURN = 256 * 1024          # TURN_BYTES: what one link may move in one turn
    LEND = 16 * 1024           # a rest of this size takes the scratch buffer along: malloc is cheaper than the copy
    PREALLOC = 1024 * 1024     # a declared body up to this is allocated at once: no copy, and no more than that to a liar
    ROUNDS = 8                 # epoll_waits of one turn
    PARTS = 64                 # of one sendmsg; POSIX promises 16, Linux takes 1024
    LEADING_CRLFS = 2

cdef enum:
    OP_NONE = 0
    OP_HEAD = 1
    OP_BODY = 2
    OP_PIECE = 3
    OP_PUMP = 4

cdef enum:  # what Link.pull found
    PULL_WAIT = 0    # nothing now
    PULL_DATA = 1    # payload; the end too if framing.complete
    PULL_END = 2     # the end, and no payload with it
    PULL_FAIL = 3    # the operation has been ended

cdef enum:  # status.Status and status.BODY_*, checked against them in tests/speedups/test_relay_compiled.py
    OK = 0
    CLOSED = 1
    TRUNCATED = 2
    RESET = 3
    MALFORMED = 4
    TOO_LARGE = 5
    DEADLINE = 6
    TOTAL_DEADLINE = 7
    WATCHED_GONE = 8
    SINK_BROKEN = 9
    SINK_STALLED = 10
    CANCELLED = 11

cdef enum:
    BODY_NONE = 0
    BODY_LENGTH = 1
    BODY_CHUNKED = 2
    BODY_UNTIL_EOF = 3

cdef tuple STATUSES = tuple(_status.Status)
cdef uint64_t WAKE = <uint64_t> 0xFFFFFFFF  # the eventfd's slot in the epoll set

WRITE_BOUND_BYTES = 256 * 1024
READ_BYTES = READ
TURN_BYTES = TURN


cdef Py_ssize_t head_end(const char* data, Py_ssize_t size, Py_ssize_t scanned) noexcept:
    """Length of the head up to its blank line, 0 if there is none; the first ``scanned`` bytes are known to end none."""
    cdef const char* end = data + size
    cdef const char* at = data + scanned
    cdef Py_ssize_t index
    while at < end:
        at = <const char*> memchr(at, c"\n", end - at)
        if at == NULL:
            return 0
        index = at - data
        if index >= 1 and data[index - 1] == c"\n":
            return index + 1
        if index >= 3 and memcmp(at - 3, b"\r\n\r", 3) == 0:
            return index + 1
        at += 1
    return 0


cdef class Link(Sock):
    """One socket under a relay. See ``relay_py.Link``."""

    def __cinit__(self):
        self.listed_at = -1
        self.slot = -1
        self.result = b""
        self.detail = ""
        self.first = b""
        self.heartbeat = b""

    def __init__(self, sock):
        self.attach(sock)

    def __dealloc__(self):
        Py_XDECREF(self.body)

    def fileno(self):
        """The socket's descriptor, -1 once closed."""
        return self.fd

    @property
    def status(self):
        return STATUSES[self.read_status]

    @property
    def send_status(self):
        return STATUSES[self.write_status]

    @property
    def body_complete(self):
        return self.declared and self.framing.complete

    @property
    def idle_and_clean(self):
        cdef Py_ssize_t count
        if self.relay is None or self.op != OP_NONE or self.send_parked or (self.declared and not self.framing.complete):
            return False
        if self.gone or self.end or self.write_broken or self.inbox.data != NULL or self.outbox.data != NULL:
            return False
        if self.readable:
            # The last read filled its buffer exactly, or nothing was read since an edge: the one case that costs a call.
            if self.relay.translating:
                return False
            count = self.fill(self.relay.scratch, READ, NULL, 0)
            if count > 0:
                self.keep(0, count)
            return count == FILL_AGAIN
        return True

    def buffered(self):
        """Bytes read from the socket and not yet consumed."""
        return self.inbox.end - self.inbox.start

    # -- starting ------------------------------------------------------------------------------------------------------
    def start_head(self, Py_ssize_t limit_bytes, double deadline_at):
        """See ``relay_py.Link.start_head``."""
        if not self.begin(OP_HEAD, deadline_at):
            return True
        self.declared = False
        self.limit = limit_bytes
        self.scanned = 0
        self.skipped = 0
        return self.conclude()

    def set_body(self, int kind, Py_ssize_t length=0):
        """See ``relay_py.Link.set_body``."""
        if not BODY_NONE <= kind <= BODY_UNTIL_EOF:
            raise ValueError(f"no such kind of body: {kind}")
        if length < 0:
            raise ValueError("a body's length cannot be negative")
        if self.op != OP_NONE:
            raise RuntimeError("a read operation is parked on this link")
        framing_set(&self.framing, kind, length)
        self.declared = True

    def start_body(self, Py_ssize_t limit_bytes, double deadline_at, double min_rate=0.0):
        """See ``relay_py.Link.start_body``."""
        if not self.begin(OP_BODY, deadline_at):
            return True
        self.limit = limit_bytes
        self.min_rate = min_rate
        self.body_bytes = 0
        self.body_room = 0
        self.body_length = -1
        if self.framing.kind == BODY_LENGTH:
            self.body_length = self.framing.left
            if self.body_length > limit_bytes:
                self.end_read(TOO_LARGE, f"the body is larger than {limit_bytes} bytes")
        return self.conclude()

    def start_piece(self, double deadline_at):
        """See ``relay_py.Link.start_piece``."""
        if not self.begin(OP_PIECE, deadline_at):
            return True
        return self.conclude()

    def start_pump(
        self,
        Link sink not None,
        translator,
        *,
        bytes first=b"",
        bint chunked=True,
        double idle_s=0.0,
        double write_s=0.0,
        double after_finish_s=5.0,
        double total_at=0.0,
        double heartbeat_s=0.0,
        bytes heartbeat=b": keep-alive\n\n",
    ):
        """See ``relay_py.Link.start_pump``."""
        if self.op == OP_NONE and sink.feeder is not None:
            raise RuntimeError("another pump already feeds this sink")
        if sink.relay is not None and self.relay is not None and sink.relay is not self.relay:
            raise ValueError("the sink is under another relay")
        if self.op == OP_NONE:
            self.first_forward_at = self.last_forward_at = 0.0
            self.forwarded_bytes = 0
        if not self.begin(OP_PUMP, 0.0):
            return True
        self.sink = sink
        sink.feeder = self
        self.translator = translator
        self.kernel = <Translator> translator if isinstance(translator, Translator) else None
        self.first = first
        self.chunked = chunked
        self.heartbeat = heartbeat
        self.paused = self.finished = False
        self.idle_s = idle_s
        self.write_s = write_s
        self.after_finish_s = after_finish_s
        self.total_at = total_at
        self.heartbeat_s = heartbeat_s
        self.heard_at = self.spoke_at = self.relay.now
        if sink.relay is None or sink.write_broken:
            self.first = b""
            self.end_read(SINK_BROKEN, sink.fault or "the sink is closed")
        return self.conclude()

    cdef bint begin(self, int op, double deadline_at) except -1:
        """Sets up an operation; False if it is over before it began."""
        cdef Link watch = self.watch
        if self.op != OP_NONE:
            raise RuntimeError("a read operation is already parked on this link")
        if op != OP_HEAD and not self.declared and self.relay is not None:
            raise RuntimeError("set_body was not called since the last head")
        self.read_done = False
        self.result = b""
        self.detail = ""
        self.read_status = OK
        self.deadline_at = deadline_at
        if self.relay is None:
            self.read_status = RESET
            self.detail = "the link is closed"
            return False
        if watch is not None and (watch.gone or watch.fd < 0):
            self.read_status = WATCHED_GONE
            self.detail = "the watched peer had left"
            return False
        self.op = op
        return True

    cdef bint conclude(self) except -1:
        """Tries the operation that ``begin`` set up; parks it if it is not complete."""
        cdef Link sink = self.sink
        cdef bytes first
        cdef iovec part
        if self.op != OP_NONE:
            self.advance()
        if self.first:
            # It did not go out with a first output: the client sees the head though no event follows for a while.
            first, self.first = self.first, b""
            part.iov_base = PyBytes_AS_STRING(first)
            part.iov_len = PyBytes_GET_SIZE(first)
            sink.emit(&part, 1)
        if self.op == OP_NONE:
            return True
        self.park()
        return False

    # -- parked and ended ----------------------------------------------------------------------------------------------
    cdef int advance(self) except -1:
        """Goes on with the read operation as far as bytes and fairness allow."""
        if self.op == OP_NONE:
            return 0
        if self.relay.translating:
            return self.relay.mark_ready(self)
        self.moved = 0
        try:
            if self.op == OP_PUMP:
                self.step_pump()
            elif self.op == OP_HEAD:
                self.step_head()
            elif self.op == OP_BODY:
                self.step_body()
            else:
                self.step_piece()
        except MemoryError:
            self.end_read(TOO_LARGE, "out of memory")  # ends this one; the others of the turn must not lose their edges
        if self.inbox.data != NULL and self.inbox.start == self.inbox.end:
            held_free(&self.inbox)  # not earlier: what was pulled from it was still in use
        return 0

    cdef int end_read(self, int status, str detail) except -1:
        cdef Link sink = self.sink
        if self.op == OP_NONE:
            return 0
        self.op = OP_NONE
        self.serial += 1
        self.read_status = status
        self.detail = detail
        if status != OK:
            self.result = b""
        Py_XDECREF(self.body)
        self.body = NULL
        if self.read_parked:
            self.unpark()
            if status != CANCELLED:
                self.announce()
                self.read_done = True
        if sink is not None:
            self.sink = None
            sink.feeder = None
            self.kernel = None
            self.heartbeat = b""
            self.translator = None  # last: may run Python code
        return 0

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
        cdef Link watch = self.watch
        self.read_parked = True
        self.enlist()
        if watch is not None:
            self.watched = watch
            watch.watcher = self
            watch.watchers += 1
        return 0

    cdef int unpark(self) except -1:
        cdef Link watch = self.watched
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
        cdef Link last
        if self.read_parked or self.send_parked:
            return 0
        last = <Link> listed[len(listed) - 1]
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
        """See ``relay_py.Link.cancel``: the read operation; what a pump gave its sink goes on being sent."""
        if self.op != OP_NONE:
            self.end_read(CANCELLED, "cancelled")
        elif self.read_done and self.in_done:  # ended by what was done to another link, not yet returned
            self.read_done = False
            self.read_status = CANCELLED
            self.result = b""

    def cancel_send(self):
        """See ``relay_py.Link.cancel_send``: the message is torn, nothing more is written."""
        if self.send_parked:
            self.end_send(CANCELLED)
            self.break_write("a send was cancelled half-way")
            self.wrote()
        elif self.send_done and self.in_done:
            self.send_done = False
            self.write_status = CANCELLED

    def close(self):
        """See ``relay_py.Link.close``."""
        cdef Link feeder
        if self.relay is not None:
            self.cancel()
            if self.send_parked:
                self.end_send(CANCELLED)
            self.send_done = False
            self.relay.forget(self)
            self.fd = -1  # what is woken below must find a closed link
            self.leave()
            feeder = self.feeder
            if feeder is not None:
                feeder.end_read(SINK_BROKEN, "the sink was closed")
            self.relay = None
        self.waiter = self.send_waiter = self.watch = None
        self.detach()

    cdef int leave(self) except -1:
        """The peer has gone: ends what watches this link."""
        cdef Link link
        if self.watchers == 0:
            return 0
        if self.watchers == 1 and self.watcher is not None:
            return self.watcher.end_read(WATCHED_GONE, "the watched peer left")
        for item in list(self.relay.listed):  # several watch it: rare enough for a scan
            link = <Link> item
            if link.watched is self:
                link.end_read(WATCHED_GONE, "the watched peer left")
        return 0

    # -- reading -------------------------------------------------------------------------------------------------------
    cdef int keep(self, Py_ssize_t start, Py_ssize_t size) except -1:
        """Keeps ``size`` bytes of the scratch buffer from ``start`` on for later."""
        if size >= LEND and self.inbox.data == NULL:
            return self.relay.lend(self, start, size)
        return held_append(&self.inbox, self.relay.scratch + start, size)

    cdef bint spent(self) except -1:
        """This link has had its share of the turn."""
        if self.moved < TURN:
            return False
        self.relay.mark_ready(self)
        return True

    cdef int fail_fill(self, Py_ssize_t code, str what) except -1:
        if code == FILL_EOF:
            return self.end_read(TRUNCATED, f"the peer closed inside the {what}")
        return self.end_read(RESET, self.fault)

    cdef int step_head(self) except -1:
        cdef Py_ssize_t count
        cdef Py_ssize_t used
        if self.inbox.end > self.inbox.start:
            self.inbox.start += self.cut_head(self.inbox.data + self.inbox.start, self.inbox.end - self.inbox.start)
        while self.op == OP_HEAD:
            if not (self.readable or self.end) or self.spent():
                return 0
            count = self.fill(self.relay.scratch, READ, NULL, 0)
            if self.op != OP_HEAD or count == FILL_AGAIN:
                return 0
            if count < 0:
                if self.inbox.end == self.inbox.start and (count == FILL_EOF or count == FILL_RAGGED):
                    return self.end_read(CLOSED, "the peer closed before a head")
                return self.fail_fill(count, "head")
            self.moved += count
            if self.inbox.end == self.inbox.start:
                held_free(&self.inbox)
                used = self.cut_head(self.relay.scratch, count)
                self.keep(used, count - used)
            else:
                self.keep(0, count)
                self.inbox.start += self.cut_head(
                    self.inbox.data + self.inbox.start, self.inbox.end - self.inbox.start
                )
        return 0

    cdef Py_ssize_t cut_head(self, const char* data, Py_ssize_t size) except -1:
        """Looks for the head in all the bytes there are; how many of them are used up."""
        cdef Py_ssize_t used = 0
        cdef Py_ssize_t length
        while self.skipped < LEADING_CRLFS and size - used >= 2 and data[used] == c"\r" and data[used + 1] == c"\n":
            used += 2
            self.skipped += 1
        data += used
        size -= used
        length = head_end(data, size, self.scanned)
        if length > self.limit or (length == 0 and size > self.limit):
            self.end_read(TOO_LARGE, f"the head is larger than {self.limit} bytes")
        elif length:
            self.result = PyBytes_FromStringAndSize(data, length)
            self.end_read(OK, "")
            used += length
        else:
            # a lone CR may yet become a leading CRLF, which moves what follows to the front
            self.scanned = 0 if size == 1 and data[0] == c"\r" else size
        return used

    cdef int pull(self, Decoded* got) except -1:
        """The next payload, from the inbox or the socket. It lies where it is until the next pull or the end of the step."""
        cdef Framing* framing = &self.framing
        cdef Py_ssize_t count
        cdef uint32_t serial = self.serial
        got.size = 0
        while not framing.complete:
            if framing.reason != NULL:
                self.end_read(MALFORMED, framing.reason.decode("ascii"))
                return PULL_FAIL
            if self.spent():
                return PULL_WAIT
            if self.inbox.end > self.inbox.start:
                count = min(self.inbox.end - self.inbox.start, <Py_ssize_t> READ)
                framing_decode(framing, self.inbox.data + self.inbox.start, count, got)
                self.inbox.start += got.used
                self.moved += got.used
            else:
                if not (self.readable or self.end):
                    return PULL_WAIT
                count = self.fill(self.relay.scratch, READ, NULL, 0)
                if self.serial != serial:
                    return PULL_FAIL
                if count == FILL_AGAIN:
                    return PULL_WAIT
                if count == FILL_EOF and framing.kind == BODY_UNTIL_EOF:
                    framing.complete = True
                    break
                if count < 0:
                    self.fail_fill(count, "body")
                    return PULL_FAIL
                self.moved += count
                framing_decode(framing, self.relay.scratch, count, got)
                if framing.complete and got.used < count:
                    # Lending would take the payload away from under the caller: the scratch buffer must stay.
                    held_append(&self.inbox, self.relay.scratch + got.used, count - got.used)
            if got.size:
                return PULL_DATA
        return PULL_END

    cdef int step_piece(self) except -1:
        cdef Decoded got
        cdef int found = self.pull(&got)
        if found == PULL_DATA:
            self.result = PyBytes_FromStringAndSize(got.start, got.size)
        if found == PULL_DATA or found == PULL_END:
            self.end_read(OK, "")
        return 0

    cdef int step_body(self) except -1:
        cdef Decoded got
        cdef int found
        while self.op == OP_BODY and not self.framing.complete:
            if self.body_length >= 0 and not self.tls and self.inbox.end == self.inbox.start:
                if self.fill_body() == PULL_DATA:
                    continue
                return 0
            found = self.pull(&got)
            if found == PULL_WAIT or found == PULL_FAIL:
                return 0
            if self.body_bytes + got.size > self.limit:
                return self.end_read(TOO_LARGE, f"the body is larger than {self.limit} bytes")
            if got.size:
                self.make_room(self.body_bytes + got.size)
                memcpy(PyBytes_AS_STRING(<object> self.body) + self.body_bytes, got.start, got.size)
                self.body_bytes += got.size
        if self.op != OP_BODY:
            return 0
        if self.body != NULL:
            if self.body_room != self.body_bytes:
                _PyBytes_Resize(&self.body, self.body_bytes)
            self.result = <bytes> self.body
        return self.end_read(OK, "")

    cdef int fill_body(self) except -1:
        """Reads a body of known length into its place; what comes after it, into the scratch buffer. PULL_*."""
        cdef Py_ssize_t count
        cdef Py_ssize_t take
        if not (self.readable or self.end) or self.spent():
            return PULL_WAIT
        if self.body_bytes == self.body_room:
            self.make_room(self.body_bytes + 1)
        take = min(self.body_room - self.body_bytes, TURN - self.moved)
        # Asking for a little more than the body tells in the same call whether the socket is drained.
        count = self.fill(
            PyBytes_AS_STRING(<object> self.body) + self.body_bytes,
            take,
            self.relay.scratch,
            READ if <uint64_t> take == self.framing.left else 0,
        )
        if count == FILL_AGAIN:
            return PULL_WAIT
        if count < 0:
            self.fail_fill(count, "body")
            return PULL_FAIL
        self.moved += count
        if count > take:
            self.keep(0, count - take)
            count = take
        self.body_bytes += count
        self.framing.left -= <uint64_t> count
        self.framing.complete = self.framing.left == 0
        return PULL_DATA

    cdef int make_room(self, Py_ssize_t wanted) except -1:
        """Room for ``wanted`` bytes of body: all of it if that is known and small, else an eighth more than needed."""
        cdef Py_ssize_t room = self.body_room
        if wanted <= room:
            return 0
        if self.framing.complete:
            room = wanted
        else:
            room = max(wanted, room + (room >> 3) + READ)
            if self.body_length >= 0:
                room = min(max(room, <Py_ssize_t> PREALLOC), self.body_length)
        if self.body == NULL:
            self.body = new_bytes(NULL, room)
        else:
            _PyBytes_Resize(&self.body, room)
        self.body_room = room
        return 0

    # -- pumping -------------------------------------------------------------------------------------------------------
    cdef int step_pump(self) except -1:
        cdef Decoded got
        cdef Link sink = self.sink
        cdef uint32_t serial = self.serial
        cdef int found
        if self.translator is not None and self.first_forward_at == 0.0 and self.over():
            return 0
        while self.serial == serial:
            if sink.outbox.end - sink.outbox.start > self.relay.write_bound_bytes:
                self.paused = True
                return 0
            if self.paused:
                self.paused = False
                self.heard_at = self.relay.now  # its silence was our doing
            found = self.pull(&got)
            if found == PULL_WAIT or found == PULL_FAIL:
                return 0
            self.heard_at = self.relay.now
            self.carry(&got, self.framing.complete)
        return 0

    cdef bint over(self) except -1:
        """A translator that saw its end mark before this pump (in what was held) ends it before it reads."""
        try:
            if not self.translator.done:
                return False
        except Exception as error:
            self.end_read(MALFORMED, f"the translator failed: {type(error).__name__}")
            return True
        self.result = self.tail(NULL, 0)
        self.end_read(OK, "")
        return True

    cdef int carry(self, Decoded* got, bint whole) except -1:
        """Takes one read's payload (``whole``: and the end) through the translator to the sink, or to the tail."""
        cdef Relay relay = self.relay
        cdef const char* data = got.start
        cdef Py_ssize_t size = got.size
        cdef uint32_t serial = self.serial
        cdef bint done = False
        cdef bint overflow = False
        if self.translator is not None:
            if not self.feed(got, whole, &done, &overflow):
                return 0
            data = relay.out.data
            size = relay.out.size
        if (whole or done) and not overflow:
            self.result = self.tail(data, size)
            return self.end_read(OK, "")
        if size:
            self.put(data, size)
            self.forwarded_bytes += size
            self.last_forward_at = relay.now
            if self.first_forward_at == 0.0:
                self.first_forward_at = relay.now
        if overflow and self.serial == serial:
            self.end_read(TOO_LARGE, "an event is larger than its translator's bound")
        return 0

    cdef bint feed(self, Decoded* got, bint whole, bint* done, bint* overflow) except -1:
        """Feeds the translator into ``relay.out``. False if the pump has ended: it raised, or Python code ended it."""
        cdef Relay relay = self.relay
        cdef Translator kernel = self.kernel
        cdef object translator = self.translator
        cdef uint32_t serial = self.serial
        relay.out.size = 0
        relay.translating = kernel is None
        try:
            if kernel is not None:
                if got.size:
                    kernel.feed_into(got.start, got.size, &relay.out)
                if whole and not kernel.done and not kernel.overflow:
                    kernel.finish_into(&relay.out)
                done[0] = kernel.done
                overflow[0] = kernel.overflow
                self.finished = kernel.finished
            else:
                if got.size:
                    add_output(&relay.out, translator.feed(PyBytes_FromStringAndSize(got.start, got.size)))
                done[0] = translator.done
                overflow[0] = translator.overflow
                if whole and not done[0] and not overflow[0]:
                    add_output(&relay.out, translator.finish())
                self.finished = translator.finished
        except Exception as error:
            if self.serial == serial:
                # the type alone: its text may quote the payload
                self.end_read(MALFORMED, f"the translator failed: {type(error).__name__}")
        finally:
            relay.translating = False
        return self.serial == serial

    cdef int put(self, const char* data, Py_ssize_t size) except -1:
        """Sends ``data`` (and before it ``first``, if that has not gone out) to the sink, in a chunk of its own."""
        cdef iovec parts[4]
        cdef char header[24]
        cdef int count = 0
        cdef bytes first = self.first
        if first:
            self.first = b""
            parts[0].iov_base = PyBytes_AS_STRING(first)
            parts[0].iov_len = PyBytes_GET_SIZE(first)
            count = 1
        if self.chunked:
            parts[count].iov_base = header
            parts[count].iov_len = snprintf(header, sizeof(header), "%zx\r\n", size)
            count += 1
        parts[count].iov_base = <char*> data
        parts[count].iov_len = size
        count += 1
        if self.chunked:
            parts[count].iov_base = <char*> b"\r\n"
            parts[count].iov_len = 2
            count += 1
        self.spoke_at = self.relay.now
        return self.sink.emit(parts, count)

    cdef bytes tail(self, const char* data, Py_ssize_t size):
        """The last output as the sink must get it, with the last chunk."""
        cdef char header[24]
        cdef int length
        cdef bytes framed
        cdef char* at
        if not self.chunked:
            return PyBytes_FromStringAndSize(data, size) if size else b""
        if size == 0:
            return b"0\r\n\r\n"
        length = snprintf(header, sizeof(header), "%zx\r\n", size)
        framed = PyBytes_FromStringAndSize(NULL, length + size + 7)
        at = PyBytes_AS_STRING(framed)
        memcpy(at, header, length)
        memcpy(at + length, data, size)
        memcpy(at + length + size, b"\r\n0\r\n\r\n", 7)
        return framed

    # -- writing -------------------------------------------------------------------------------------------------------
    def start_send(self, tuple parts not None, double deadline_at):
        """See ``relay_py.Link.start_send``."""
        cdef Py_ssize_t at = 0
        if self.send_parked:
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
        cdef Link feeder = self.feeder
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
            if self.sent_bytes != before:
                self.moved_at = self.relay.now
            self.wrote()
        if mask & (EPOLLHUP | EPOLLERR) and not self.write_broken:
            self.break_write("the peer closed the connection")
            if self.relay is not None:
                self.wrote()
        if left:
            self.leave()
        if self.op != OP_NONE and self.readable:
            self.advance()
        return 0

    cdef int check(self, double now) except -1:
        """Ends what is overdue."""
        cdef double due_at = self.deadline_at
        if self.send_parked and self.send_deadline_at != 0.0 and now >= self.send_deadline_at:
            self.end_send(DEADLINE)
            self.break_write("a send was not taken before its deadline")
            self.wrote()
        if not self.read_parked:
            return 0
        if self.op == OP_PUMP:
            return self.check_pump(now)
        if due_at == 0.0:
            return 0
        if self.op == OP_BODY and self.min_rate > 0.0:
            due_at += self.body_bytes / self.min_rate
        if now >= due_at:
            self.end_read(DEADLINE, f"the {'head' if self.op == OP_HEAD else 'body'} did not come before its deadline")
        return 0

    cdef int check_pump(self, double now) except -1:
        cdef Link sink = self.sink
        cdef Py_ssize_t waiting = sink.outbox.end - sink.outbox.start
        cdef double silence_s = now - self.heard_at
        cdef Decoded nothing
        if self.total_at != 0.0 and now >= self.total_at:
            return self.end_read(TOTAL_DEADLINE, "the answer took longer than its total deadline")
        if waiting and self.write_s != 0.0 and now - sink.moved_at >= self.write_s:
            return self.end_read(SINK_STALLED, f"the sink took nothing for {self.write_s:g} s")
        if self.paused:
            return 0  # not read, so its silence is not counted
        if self.finished and self.after_finish_s != 0.0:
            if silence_s >= self.after_finish_s:
                nothing.start = NULL
                nothing.size = nothing.used = 0
                self.carry(&nothing, True)
            return 0
        if self.idle_s != 0.0 and silence_s >= self.idle_s:
            return self.end_read(DEADLINE, f"nothing came for {self.idle_s:g} s")
        # A sink that has bytes waiting is not listening: another comment would only pile up.
        if self.heartbeat_s != 0.0 and not waiting and now - self.spoke_at >= self.heartbeat_s and self.heartbeat:
            self.put(PyBytes_AS_STRING(self.heartbeat), PyBytes_GET_SIZE(self.heartbeat))
        return 0


cdef int add_output(OutBuffer* out, object data) except -1:
    if not isinstance(data, bytes):
        raise TypeError("a translator must return bytes")
    out_append(out, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    return 0


cdef class Relay:
    """All links of one worker and the epoll instance over them. See ``relay_py.Relay``."""

    def __cinit__(self, *, Py_ssize_t write_bound_bytes=256 * 1024, Py_ssize_t max_links=65536):
        cdef epoll_event wake
        self.epoll_fd = self.event_fd = -1
        self.write_bound_bytes = write_bound_bytes
        self.max_links = max_links
        self.slots = []
        self.free_slots = []
        self.listed = []
        self.ready = []
        self.done = []
        self.scratch = <char*> malloc(READ)
        if self.scratch == NULL:
            raise MemoryError
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

    def fileno(self):
        """The epoll descriptor: readable when ``turn`` has something to do."""
        return self.epoll_fd

    def add(self, Link link not None):
        """See ``relay_py.Relay.add``."""
        cdef epoll_event event
        if self.epoll_fd < 0 or link.fd < 0:
            raise ValueError("the relay or the link is closed")
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

    cdef int forget(self, Link link) except -1:
        cdef epoll_event unused
        # closing alone is not enough: a forked child may hold the same open file
        epoll_ctl(self.epoll_fd, EPOLL_CTL_DEL, link.fd, &unused)
        self.slots[link.slot] = None
        self.free_slots.append(link.slot)
        self.open_links -= 1
        return 0

    cdef int lend(self, Link link, Py_ssize_t start, Py_ssize_t size) except -1:
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

    cdef int mark_ready(self, Link link) except -1:
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
                if item is not None and (<Link> item).tag == <uint32_t> (self.events[i].data.u64 >> 32):
                    (<Link> item).on_event(self.events[i].events)
            if count < EVENTS:
                break
        return 0

    cdef int go_on(self) except -1:
        """Goes on with what was marked up to now; what is marked meanwhile waits for the next turn."""
        cdef list ready = self.ready
        cdef Link link
        if not ready:
            return 0
        self.ready = []
        for item in ready:
            link = <Link> item
            link.in_ready = False
            if link.relay is self:
                link.advance()
        return 0

    cdef list collect(self):
        cdef list done = self.done
        cdef list links = []
        cdef Link link
        if not done:
            return links
        self.done = []
        for item in done:
            link = <Link> item
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
                    (<Link> self.listed[at]).check(now)
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
        cdef Link link
        for item in self.slots:
            if item is not None:
                link = <Link> item
                total += link.inbox.capacity + link.outbox.capacity
                if link.body != NULL:
                    total += link.body_room
        return total

    def close(self):
        """Close every link and the epoll instance."""
        for item in list(self.slots):
            if item is not None:
                (<Link> item).close()
        self.done = []
        self.ready = []
        self.slots = []
        self.free_slots = []
        self.close_fds()
