# cython: boundscheck=False, wraparound=False, cdivision=True
r"""The read operations of a link but for the pump: head, body, piece. Part of ``relay_c``.

All reads go through the relay's one scratch buffer. What an operation does not consume moves to the link's inbox
(allocated on need); a large rest takes the scratch buffer along instead of being copied. Two ways lead a body out of
the socket: ``pull`` (scratch buffer, framing taken out in place) and, for a declared length, ``fill_body`` straight
into the result.

Bounds: every pointer walks inside ``inbox.data[start:end]``, the ``READ`` bytes of the scratch buffer, or
``body_room``.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.ref cimport Py_XDECREF
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy

from omniroute._speedups.dechunk_c cimport Framing, framing_decode, framing_set
from omniroute._speedups.link_c cimport (
    BODY_LENGTH, BODY_NONE, BODY_UNTIL_EOF, CLOSED, DEADLINE, MALFORMED, OK, OP_BODY, OP_HEAD, OP_NONE, OP_PIECE, READ,
    RESET, TOO_LARGE, TRUNCATED, TURN,
)
from omniroute._speedups.sock_c cimport FILL_AGAIN, FILL_EOF, FILL_RAGGED, held_append, held_free

cdef extern from "Python.h":
    int _PyBytes_Resize(PyObject** string, Py_ssize_t size) except -1
    PyObject* new_bytes "PyBytes_FromStringAndSize"(const char* data, Py_ssize_t size) except NULL

cdef enum:
    LEND = 16 * 1024           # a rest of this size takes the scratch buffer along: malloc is cheaper than the copy
    PREALLOC = 1024 * 1024     # a declared body up to this is allocated at once; to a liar, no more than that
    LEADING_CRLFS = 2


cdef Py_ssize_t head_end(const char* data, Py_ssize_t size, Py_ssize_t scanned) noexcept:
    """Length of the head with its blank line, 0 if there is none; the first ``scanned`` bytes are known to end none."""
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


cdef class Reader(Endpoint):
    """An endpoint that reads messages."""

    def __dealloc__(self):
        Py_XDECREF(self.body)

    @property
    def body_complete(self):
        return self.declared and self.framing.complete

    @property
    def idle_and_clean(self):
        """See ``link_py.Link.idle_and_clean``; a declared body that was not read to its end counts as unread."""
        cdef Py_ssize_t count
        if self.relay is None or self.op != OP_NONE or self.send_parked:
            return False
        if self.declared and not self.framing.complete:
            return False
        if self.gone or self.end or self.write_broken or self.inbox.data != NULL or self.outbox.data != NULL:
            return False
        if self.readable:
            # The last read filled its buffer, or nothing was read since an edge: the one case that costs a call.
            if self.relay.translating:
                return False
            count = self.fill(self.relay.scratch, READ, NULL, 0)
            if count > 0 and self.relay is not None:
                self.keep(0, count)
            return count == FILL_AGAIN
        return True

    # -- starting ------------------------------------------------------------------------------------------------------
    def start_head(self, Py_ssize_t limit_bytes, double deadline_at, double head_s=0.0):
        """See ``link_py.Link.start_head``."""
        if not self.begin(OP_HEAD, deadline_at):
            return True
        self.head_s = head_s
        self.declared = False
        self.limit = limit_bytes
        self.scanned = 0
        self.skipped = 0
        return self.conclude()

    def set_body(self, int kind, Py_ssize_t length=0):
        """See ``link_py.Link.set_body``."""
        if not BODY_NONE <= kind <= BODY_UNTIL_EOF:
            raise ValueError(f"no such kind of body: {kind}")
        if length < 0:
            raise ValueError("a body's length cannot be negative")
        if self.op != OP_NONE:
            raise RuntimeError("a read operation is parked on this link")
        framing_set(&self.framing, kind, length)
        self.declared = True

    def start_body(self, Py_ssize_t limit_bytes, double deadline_at, double min_rate=0.0):
        """See ``link_py.Link.start_body``."""
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

    def start_piece(self, double deadline_at, Py_ssize_t limit_bytes=READ):
        """See ``link_py.Link.start_piece``."""
        if not 0 < limit_bytes <= READ:
            raise ValueError(f"a piece has 1 to {READ} bytes, not {limit_bytes}")
        if not self.begin(OP_PIECE, deadline_at):
            return True
        self.limit = limit_bytes
        return self.conclude()

    cdef int step(self) except -1:
        self.moved = 0
        if self.op == OP_HEAD:
            return self.step_head()
        if self.op == OP_BODY:
            return self.step_body()
        return self.step_piece()

    cdef int overdue(self, double now) except -1:
        cdef double due_at = self.deadline_at
        if due_at == 0.0:
            return 0
        if self.op == OP_BODY and self.min_rate > 0.0:
            due_at += self.body_bytes / self.min_rate
        if now >= due_at:
            self.end_read(DEADLINE, f"the {'head' if self.op == OP_HEAD else 'body'} did not come before its deadline")
        return 0

    cdef int let_go(self) except -1:
        Py_XDECREF(self.body)
        self.body = NULL
        return 0

    cdef Py_ssize_t held_bytes(self) noexcept:
        return Endpoint.held_bytes(self) + (self.body_room if self.body != NULL else 0)

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
        """Looks for the head in all the bytes there are (at least one); how many of them are used up."""
        cdef Py_ssize_t used = 0
        cdef Py_ssize_t length
        if self.head_s > 0.0:
            self.deadline_at = self.relay.now + self.head_s
            self.head_s = 0.0
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
        """The next payload, from the inbox or the socket; it stays there until the next pull or the end of the step."""
        cdef Framing* framing = &self.framing
        cdef Py_ssize_t count
        cdef Py_ssize_t most = self.limit if self.op == OP_PIECE else <Py_ssize_t> READ
        cdef uint32_t serial = self.serial
        got.size = 0
        while not framing.complete:
            if framing.reason != NULL:
                self.end_read(MALFORMED, framing.reason.decode("ascii"))
                return PULL_FAIL
            if self.spent():
                return PULL_WAIT
            if self.inbox.end > self.inbox.start:
                count = min(self.inbox.end - self.inbox.start, most)
                framing_decode(framing, self.inbox.data + self.inbox.start, count, got)
                self.inbox.start += got.used
                self.moved += got.used
            else:
                if not (self.readable or self.end):
                    return PULL_WAIT
                count = self.fill(self.relay.scratch, most, NULL, 0)
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
                # what was refused does not become complete by having been read
                self.framing.complete = False
                self.framing.reason = b"the body was larger than its limit"
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
