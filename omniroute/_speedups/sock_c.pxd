# One non-blocking socket, plain or TLS: bytes in, bytes out, and what the kernel did not take. No operations, no time.

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len

cdef struct Held:
    char* data           # malloc'ed; NULL while nothing is held, so an idle link costs nothing here
    Py_ssize_t start     # first byte held
    Py_ssize_t end       # one beyond the last
    Py_ssize_t capacity

cdef int held_append(Held* held, const char* data, Py_ssize_t size) except -1
cdef void held_free(Held* held) noexcept

cdef enum:  # what Sock.fill returns when it has no bytes
    FILL_AGAIN = -1
    FILL_EOF = -2     # FIN, or close_notify on TLS
    FILL_RESET = -3   # see Sock.fault
    FILL_RAGGED = -4  # TLS: the connection ended without close_notify

cdef class Sock:
    cdef readonly object sock            # None once closed
    cdef object tls_recv_into            # bound methods of an SSLSocket, None on a plain one
    cdef object tls_send
    cdef object tls_pending
    cdef int fd                          # -1 once closed
    cdef bint tls
    cdef bint readable                   # the kernel may hold bytes, or an end, that we have not read
    cdef bint writable                   # the kernel took everything the last time
    cdef bint read_wants_write           # TLS: a read can go on only after a write edge
    cdef bint write_wants_read           # TLS: the other way round
    cdef readonly bint gone              # RDHUP, HUP or ERR has been reported
    cdef bint write_broken               # nothing can be written any more
    cdef bint write_failed               # because the connection broke
    cdef int end                         # 0, or the FILL_* every further fill returns
    cdef str fault                       # one sentence about the last failure, no payload
    cdef readonly long long received_bytes
    cdef readonly long long sent_bytes
    cdef Held inbox                      # read and not consumed
    cdef Held outbox                     # to be sent
    cdef int attach(self, object sock) except -1
    cdef Py_ssize_t fill(self, char* into, Py_ssize_t size, char* spare, Py_ssize_t spare_size) except -9
    cdef Py_ssize_t fill_tls(self, char* into, Py_ssize_t size) except -9
    cdef int transmit(self, iovec* parts, int count) except -1
    cdef int flush(self) except -1
    cdef int flush_tls(self) except -1
    cdef int fail_write(self, str fault) except -1
    cdef int break_write(self, str fault) except -1
    cdef int detach(self) except -1
