# Parked operations of one link, and what the links of a relay share. Every instant is on the caller's clock, in seconds.

from libc.stdint cimport uint32_t, uint64_t

from omniroute._speedups.dechunk_c cimport Framing
from omniroute._speedups.sock_c cimport Sock, iovec
from omniroute._speedups.translator_c cimport OutBuffer

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint64_t u64
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int EPOLL_CTL_ADD
    int EPOLL_CTL_DEL
    uint32_t EPOLLIN
    uint32_t EPOLLOUT
    uint32_t EPOLLRDHUP
    uint32_t EPOLLHUP
    uint32_t EPOLLERR
    uint32_t EPOLLET
    int epoll_ctl(int epoll_fd, int what, int fd, epoll_event* event)

cdef enum:
    READ = 64 * 1024      # READ_BYTES: the scratch buffer
    TURN = 256 * 1024     # TURN_BYTES: what one link may move in one turn

cdef enum:
    OP_NONE = 0
    OP_HEAD = 1
    OP_BODY = 2
    OP_PIECE = 3
    OP_PUMP = 4

cdef enum:  # status.Status and status.BODY_*; link_c compares them when it is imported
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

cdef class Turns

cdef class Endpoint(Sock):
    cdef Turns relay                     # None before add and after close
    cdef Py_ssize_t slot                 # index in the relay's table
    cdef uint32_t tag                    # tells this registration from earlier ones of the same slot
    cdef Py_ssize_t listed_at            # index in the relay's list of parked links, -1 if not there
    cdef bint in_ready                   # in the relay's list of links to go on with
    cdef bint in_done                    # in the list the next turn or expire returns

    cdef public object waiter
    cdef public object send_waiter
    cdef public Endpoint watch
    cdef Endpoint watched                # ``watch`` as it was when the parked operation started
    cdef Endpoint watcher                # the last link that began to watch this one
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
    cdef double deadline_at              # of the read operation, 0.0 for none
    cdef double send_deadline_at
    cdef long long send_mark             # ``sent_bytes`` at which the parked send is done
    cdef double moved_at                 # bytes began to wait in the outbox, or last left it

    cdef Framing framing                 # of the body being read
    cdef bint declared                   # set_body was called since the last head

    cdef Endpoint sink                   # of the pump parked here
    cdef Endpoint feeder                 # whose pump has this link as its sink
    cdef bytes first                     # the sink gets it before anything else; b"" once it went out
    cdef bint paused                     # the sink has more than the bound waiting

    cdef bint begin(self, int op, double deadline_at) except -1
    cdef bint conclude(self) except -1
    cdef int advance(self) except -1
    cdef int step(self) except -1                      # of the subclass: move what can be moved for ``op``
    cdef int overdue(self, double now) except -1       # of the subclass: end the read operation if its time is up
    cdef int let_go(self) except -1                    # of the subclass: forget what only the ended operation needed
    cdef Py_ssize_t held_bytes(self) noexcept          # memory of all buffers
    cdef int end_read(self, int status, str detail) except -1
    cdef int end_send(self, int status) except -1
    cdef int park(self) except -1
    cdef int unpark(self) except -1
    cdef int enlist(self) except -1
    cdef int unlist(self) except -1
    cdef int announce(self) except -1
    cdef int leave(self) except -1
    cdef Py_ssize_t send_some(self, tuple parts, Py_ssize_t at) except -1
    cdef int emit(self, iovec* parts, int count) except -1
    cdef int wrote(self) except -1
    cdef int on_event(self, uint32_t mask) except -1
    cdef int check(self, double now) except -1

cdef class Turns:
    cdef int epoll_fd                    # -1 once closed
    cdef int event_fd                    # makes epoll_fd readable while links wait to be gone on with
    cdef bint armed                      # event_fd is readable
    cdef bint turning                    # inside turn or expire
    cdef bint translating                # Python code of a translator runs: the buffers below are in use
    cdef double now                      # of the last turn or expire
    cdef readonly Py_ssize_t write_bound_bytes
    cdef Py_ssize_t open_links
    cdef Py_ssize_t parked_operations
    cdef list slots                      # links by slot, None where free
    cdef list free_slots
    cdef list listed                     # links with something parked
    cdef list ready                      # links to go on with at the next turn
    cdef list done                       # links to be returned
    cdef char* scratch                   # READ bytes
    cdef OutBuffer out                   # what a translator gave
    cdef void close_fds(self) noexcept
    cdef int forget(self, Endpoint link) except -1
    cdef int lend(self, Endpoint link, Py_ssize_t start, Py_ssize_t size) except -1
    cdef int mark_ready(self, Endpoint link) except -1
    cdef int arm(self) except -1
    cdef int disarm(self) except -1
