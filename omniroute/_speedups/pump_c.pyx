# cython: boundscheck=False, wraparound=False, cdivision=True
r"""The pump: body bytes of one link through a translator into another link's outbox. Part of ``relay_c``.

One read, one call of the translator, one chunk, one ``sendmsg`` of header, output and CRLF: nothing is framed by
copying, and with a compiled translator no Python object is made. A Python translator gets a copy of the bytes; it may
do anything to any link, so ``serial`` is compared after it, and operations started from inside it wait for the next
turn.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy

from omniroute._speedups.link_c cimport (
    DEADLINE, MALFORMED, OK, OP_NONE, OP_PUMP, SINK_BROKEN, SINK_STALLED, TOO_LARGE, TOTAL_DEADLINE,
    Endpoint, Turns,
)
from omniroute._speedups.operations_c cimport PULL_FAIL, PULL_WAIT
from omniroute._speedups.sock_c cimport iovec
from omniroute._speedups.translator_c cimport OutBuffer, out_append


cdef int add_output(OutBuffer* out, object data) except -1:
    if not isinstance(data, bytes):
        raise TypeError("a translator must return bytes")
    out_append(out, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    return 0


cdef class Link(Reader):
    """One socket under a relay. See ``link_py.Link``."""

    def __cinit__(self):
        self.heartbeat = b""

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
        """See ``link_py.Link.start_pump``."""
        cdef bint finished = translator is not None and translator.finished  # by what it was fed before the pump
        if self.op == OP_NONE and sink.feeder is not None:
            raise RuntimeError("another pump already feeds this sink")
        if sink.relay is not None and self.relay is not None and sink.relay is not self.relay:
            raise ValueError("the sink is under another relay")
        if not self.begin(OP_PUMP, 0.0):
            return True
        self.first_forward_at = self.last_forward_at = 0.0
        self.forwarded_bytes = 0
        self.sink = sink
        sink.feeder = self
        self.translator = translator
        self.kernel = <Translator> translator if isinstance(translator, Translator) else None
        self.first = first
        self.chunked = chunked
        self.heartbeat = heartbeat
        self.paused = False
        self.finished = finished
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

    cdef int step(self) except -1:
        if self.op != OP_PUMP:
            return Reader.step(self)
        self.moved = 0
        return self.step_pump()

    cdef int let_go(self) except -1:
        Reader.let_go(self)
        self.kernel = None
        self.heartbeat = b""
        self.translator = None  # last: its destructor may be Python code
        return 0

    # -- pumping -------------------------------------------------------------------------------------------------------
    cdef int step_pump(self) except -1:
        cdef Decoded got
        cdef Endpoint sink = self.sink
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
            if not (self.kernel.done if self.kernel is not None else self.translator.done):
                return False
        except Exception as error:
            self.end_read(MALFORMED, f"the translator failed: {type(error).__name__}")
            return True
        self.result = self.tail(NULL, 0)
        self.end_read(OK, "")
        return True

    cdef int carry(self, Decoded* got, bint whole) except -1:
        """Takes one read's payload (``whole``: and the end) through the translator to the sink, or to the tail."""
        cdef Turns relay = self.relay
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
        cdef Turns relay = self.relay
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

    cdef int overdue(self, double now) except -1:
        cdef Endpoint sink = self.sink
        cdef Py_ssize_t waiting
        cdef double silence_s = now - self.heard_at
        cdef Decoded nothing
        if self.op != OP_PUMP:
            return Reader.overdue(self, now)
        waiting = sink.outbox.end - sink.outbox.start
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
