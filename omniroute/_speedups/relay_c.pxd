# State of the compiled relay. Operations and rules: relay_py. Every instant is on the caller's clock, in seconds.

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from omniroute._speedups.dechunk_c cimport Decoded, Framing
from omniroute._speedups.sock_c cimport Sock, iovec
from omniroute._speedups.translator_c cimport OutBuffer, Translator

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint64_t u64
    struct epoll_event:
        uint32_t events
        epoll_data_t data

cdef enum:
    EVENTS = 512   # of one epoll_wait

cdef class Relay

cdef class Link(Sock):
    cdef Relay relay                     # None before add and after close
    cdef Py_ssize_t slot                 # index in the relay's table
    cdef uint32_t tag                    # tells this registration from earlier ones of the same slot
    cdef Py_ssize_t listed_at            # index in the relay's list of parked links, -1 if not there
    cdef bint in_ready                   # in the relay's list of links to go on with
    cdef bint in_done                    # in the list the next turn or expire returns

    cdef public object waiter
    cdef public object send_waiter
    cdef public Link watch
    cdef Link watched                    # ``watch`` as it was when the parked operation started
    cdef Link watcher                    # the last link that began to watch this one
    cdef int watchers                    # how many watch it

    cdef int op                          # OP_* being tried or parked
    cdef uint32_t serial                 # counts ended operations: tells whether Python code ended this one meanwhile
    cdef bint read_parked
    cdef bint send_parked
    cdef int read_status                 # Status
    cdef int write_status
    cdef readonly bytes result
    cdef readonly str detail
    cdef readonly bint read_done
    cdef readonly bint send_done

    cdef Framing framing
    cdef bint declared                   # set_body was called since the last head
    cdef Py_ssize_t moved                # bytes this link has moved in the current turn
    cdef Py_ssize_t limit                # bytes, of a head or body
    cdef double deadline_at
    cdef double send_deadline_at
    cdef long long send_mark             # ``sent_bytes`` at which the parked send is done
    cdef Py_ssize_t scanned              # bytes of the held head that hold no end
    cdef int skipped                     # CRLFs dropped before the head

    cdef double min_rate                 # payload bytes per second
    cdef PyObject* body                  # a bytes object being filled (ours alone), NULL before the first byte
    cdef Py_ssize_t body_bytes           # of it that are filled
    cdef Py_ssize_t body_room            # its size
    cdef Py_ssize_t body_length          # declared, -1 if not

    cdef Link sink                       # of the pump
    cdef Link feeder                     # whose pump has this link as its sink
    cdef object translator               # of the pump, None for raw bytes
    cdef Translator kernel               # the same if it is compiled
    cdef bytes first                     # not yet sent
    cdef bytes heartbeat
    cdef bint chunked                    # frame for the sink
    cdef bint paused                     # the sink has more than the bound waiting
    cdef bint finished                   # the translator said so
    cdef double idle_s
    cdef double write_s
    cdef double after_finish_s
    cdef double total_at
    cdef double heartbeat_s
    cdef double heard_at                 # the source last sent, or was last allowed to
    cdef double spoke_at                 # the sink was last given anything, heartbeats included
    cdef double moved_at                 # bytes began to wait in the outbox, or last left it
    cdef readonly double first_forward_at
    cdef readonly double last_forward_at
    cdef readonly long long forwarded_bytes

    cdef bint begin(self, int op, double deadline_at) except -1
    cdef bint conclude(self) except -1
    cdef int advance(self) except -1
    cdef int end_read(self, int status, str detail) except -1
    cdef int end_send(self, int status) except -1
    cdef int park(self) except -1
    cdef int unpark(self) except -1
    cdef int enlist(self) except -1
    cdef int unlist(self) except -1
    cdef int announce(self) except -1
    cdef int keep(self, Py_ssize_t start, Py_ssize_t size) except -1
    cdef bint spent(self) except -1
    cdef int step_head(self) except -1
    cdef Py_ssize_t cut_head(self, const char* data, Py_ssize_t size) except -1
    cdef int fail_fill(self, Py_ssize_t code, str what) except -1
    cdef int pull(self, Decoded* got) except -1
    cdef int step_piece(self) except -1
    cdef int step_body(self) except -1
    cdef int fill_body(self) except -1
    cdef int make_room(self, Py_ssize_t wanted) except -1
    cdef int step_pump(self) except -1
    cdef int carry(self, Decoded* got, bint whole) except -1
    cdef bint feed(self, Decoded* got, bint whole, bint* done, bint* overflow) except -1
    cdef bint over(self) except -1
    cdef int put(self, const char* data, Py_ssize_t size) except -1
    cdef bytes tail(self, const char* data, Py_ssize_t size)
    cdef Py_ssize_t send_some(self, tuple parts, Py_ssize_t at) except -1
    cdef int emit(self, iovec* parts, int count) except -1
    cdef int wrote(self) except -1
    cdef int leave(self) except -1
    cdef int on_event(self, uint32_t mask) except -1
    cdef int check(self, double now) except -1
    cdef int check_pump(self, double now) except -1

cdef class Relay:
    cdef int epoll_fd                    # -1 once closed
    cdef int event_fd                    # makes epoll_fd readable while links wait to be gone on with
    cdef bint armed
    cdef bint turning
    cdef bint translating                # Python code of a translator runs: the buffers below are in use
    cdef double now
    cdef readonly Py_ssize_t write_bound_bytes
    cdef Py_ssize_t max_links
    cdef Py_ssize_t open_links
    cdef Py_ssize_t parked_operations
    cdef uint32_t tags                   # registrations so far
    cdef list slots                      # Link or None
    cdef list free_slots
    cdef list listed                     # links with something parked
    cdef list ready                      # links to go on with at the next turn
    cdef list done                       # to be returned
    cdef char* scratch                   # READ_BYTES
    cdef OutBuffer out                   # what a translator gave
    cdef epoll_event events[EVENTS]
    cdef int mark_ready(self, Link link) except -1
    cdef int arm(self) except -1
    cdef int disarm(self) except -1
    cdef int poll(self) except -1
    cdef int go_on(self) except -1
    cdef list collect(self)
    cdef int forget(self, Link link) except -1
    cdef void close_fds(self) noexcept
    cdef int lend(self, Link link, Py_ssize_t start, Py_ssize_t size) except -1
