# cython: boundscheck=False, wraparound=False
"""One non-blocking socket: bytes in, bytes out, and what the kernel did not take.

The caller polls edge-triggered, so this class remembers what the kernel last said: ``readable`` is cleared by a short read
or EAGAIN, ``writable`` by a short write or EAGAIN, and only an event sets them again. A short read of a stream socket means
drained, so no second ``recv`` is spent to see EAGAIN; only when the peer is ``gone`` is the socket read on to its end.

TLS goes through the public methods of ``ssl.SSLSocket``: OpenSSL holds bytes the kernel no longer has, so a read goes on
until WantRead, or until OpenSSL (``pending``) and the kernel (FIONREAD) both say they have nothing: an ioctl is ten times
cheaper than a raised and caught SSLWantReadError. (A record cut in half inside OpenSSL needs more bytes, which is an edge.)

Bounds: ``start <= end <= capacity`` in every Held; nothing is indexed outside ``data[start:end]`` or room just reserved.
"""

import ssl

from cpython.buffer cimport PyBUF_WRITE
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.errno cimport EAGAIN, EBADF, EINTR, errno  # EWOULDBLOCK is EAGAIN where epoll is
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove, strerror

cdef extern from "<sys/types.h>" nogil:
    ctypedef Py_ssize_t ssize_t

cdef extern from "<sys/uio.h>" nogil:
    ssize_t readv(int fd, const iovec* parts, int count)

cdef extern from "<sys/socket.h>" nogil:
    struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
    int MSG_DONTWAIT
    int MSG_NOSIGNAL
    ssize_t recv(int fd, void* into, size_t size, int flags)
    ssize_t send(int fd, const void* data, size_t size, int flags)
    ssize_t sendmsg(int fd, const msghdr* message, int flags)

cdef extern from "<sys/ioctl.h>" nogil:
    int FIONREAD
    int ioctl(int fd, unsigned long request, ...)

cdef extern from "<string.h>" nogil:
    void* memset(void* into, int byte, size_t size)

cdef enum:
    RECORD_BYTES = 16384   # a TLS record: the unit in which OpenSSL takes and reports
    FIRST_BYTES = 512      # of a Held: a trickled head, a few held events

cdef object SSLSocket = ssl.SSLSocket
cdef object SSLWantRead = ssl.SSLWantReadError
cdef object SSLWantWrite = ssl.SSLWantWriteError
cdef object SSLEnd = ssl.SSLEOFError
cdef object SSLZeroReturn = ssl.SSLZeroReturnError


cdef int held_reserve(Held* held, Py_ssize_t more) except -1:
    """Room for ``more`` bytes at the end. Amortised: moves down only to gain half the room or when it grows anyway."""
    cdef Py_ssize_t used = held.end - held.start
    cdef Py_ssize_t capacity
    cdef char* grown
    if held.end + more <= held.capacity:
        return 0
    if held.start:
        memmove(held.data, held.data + held.start, used)
        held.start = 0
        held.end = used
    if used + more > held.capacity // 2:
        capacity = max(held.capacity + held.capacity // 2, used + more, <Py_ssize_t> FIRST_BYTES)
        grown = <char*> realloc(held.data, capacity)
        if grown == NULL:
            raise MemoryError
        held.data = grown
        held.capacity = capacity
    return 0


cdef int held_append(Held* held, const char* data, Py_ssize_t size) except -1:
    if size > 0:
        held_reserve(held, size)
        memcpy(held.data + held.end, data, size)
        held.end += size
    return 0


cdef void held_free(Held* held) noexcept:
    free(held.data)
    memset(held, 0, sizeof(Held))


cdef str errno_text(int number):
    return strerror(number).decode("ascii", "replace")


cdef class Sock:
    """Bytes in and out of one socket. A base class: what the bytes mean is the subclass's."""

    def __cinit__(self):
        self.fd = -1
        self.fault = ""
        # a registration reports what is already there, but one recv now is cheaper than a turn
        self.readable = True
        self.writable = True

    def __dealloc__(self):
        held_free(&self.inbox)
        held_free(&self.outbox)

    cdef int attach(self, object sock) except -1:
        if self.fd >= 0:
            raise RuntimeError("the link has a socket already")
        cdef int fd = sock.fileno()
        if fd < 0:
            raise OSError(EBADF, errno_text(EBADF))
        if sock.gettimeout() != 0.0:
            raise ValueError("the socket must be non-blocking")
        if isinstance(sock, SSLSocket):
            # a cut connection must not look like an orderly end: it would make half an answer whole
            sock.suppress_ragged_eofs = False
            self.tls_recv_into = sock.recv_into
            self.tls_send = sock.send
            self.tls_pending = sock.pending
            self.tls = True
        self.sock = sock
        self.fd = fd
        return 0

    cdef Py_ssize_t fill(self, char* into, Py_ssize_t size, char* spare, Py_ssize_t spare_size) except -9:
        """Reads what there is, at most ``size`` bytes and then ``spare_size`` into ``spare``. Bytes read, or FILL_*."""
        cdef iovec parts[2]
        cdef ssize_t got
        if self.end:
            return self.end
        if self.tls:
            return self.fill_tls(into, size)
        while True:
            if spare_size:
                parts[0].iov_base = into
                parts[0].iov_len = size
                parts[1].iov_base = spare
                parts[1].iov_len = spare_size
                got = readv(self.fd, parts, 2)
            else:
                got = recv(self.fd, into, size, MSG_DONTWAIT)
            if got > 0:
                self.received_bytes += got
                if got < size + spare_size and not self.gone:
                    self.readable = False
                return got
            if got == 0:
                self.end = FILL_EOF
                self.gone = True
            elif errno == EINTR:
                continue
            elif errno == EAGAIN:
                self.readable = False
                return FILL_AGAIN
            else:
                self.end = FILL_RESET
                self.fault = errno_text(errno)
            return self.end

    cdef Py_ssize_t fill_tls(self, char* into, Py_ssize_t size) except -9:
        cdef Py_ssize_t got = 0
        cdef Py_ssize_t count
        cdef int waiting
        self.read_wants_write = False
        while got < size and self.fd >= 0:
            try:
                count = self.tls_recv_into(PyMemoryView_FromMemory(into + got, size - got, PyBUF_WRITE))
            except SSLWantRead:
                self.readable = False
                break
            except SSLWantWrite:
                self.readable = False
                self.read_wants_write = True
                break
            except SSLZeroReturn:
                count = 0
            except SSLEnd:
                self.end = FILL_RAGGED
                self.fault = "TLS end without close_notify"
                break
            except OSError as error:  # every other ssl.SSLError is one
                self.end = FILL_RESET
                self.fault = f"TLS read: {getattr(error, 'reason', None) or error.strerror or type(error).__name__}"
                break
            if count <= 0:
                self.end = FILL_EOF
                break
            got += count
            self.received_bytes += count
            if self.gone or self.tls_pending():
                continue
            waiting = 0
            if ioctl(self.fd, FIONREAD, &waiting) == 0 and waiting == 0:
                self.readable = False
                break
        if got:
            return got
        return self.end if self.end else FILL_AGAIN

    cdef int transmit(self, iovec* parts, int count) except -1:
        """Sends ``parts`` behind what is waiting; what the kernel does not take is copied. Breaking sets write_broken."""
        cdef msghdr message
        cdef ssize_t took
        cdef size_t total = 0
        cdef size_t skip
        cdef int i
        if self.write_broken or self.fd < 0:
            return 0
        for i in range(count):
            total += parts[i].iov_len
        if total == 0:
            return 0
        if self.tls or self.outbox.data != NULL:
            held_reserve(&self.outbox, total)
            for i in range(count):
                held_append(&self.outbox, <char*> parts[i].iov_base, parts[i].iov_len)
            return self.flush()
        memset(&message, 0, sizeof(message))
        message.msg_iov = parts
        message.msg_iovlen = count
        while True:
            took = sendmsg(self.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT)
            if took >= 0 or errno != EINTR:
                break
        if took < 0:
            if errno != EAGAIN:
                return self.fail_write(errno_text(errno))
            took = 0
        self.sent_bytes += took
        skip = took
        if skip < total:
            self.writable = False
            held_reserve(&self.outbox, total - skip)
            for i in range(count):
                if skip >= parts[i].iov_len:
                    skip -= parts[i].iov_len
                    continue
                held_append(&self.outbox, <char*> parts[i].iov_base + skip, parts[i].iov_len - skip)
                skip = 0
        return 0

    cdef int flush(self) except -1:
        """Sends what waits as far as the kernel takes it."""
        cdef ssize_t took
        cdef Py_ssize_t waiting
        if self.tls:
            return self.flush_tls()
        while self.outbox.data != NULL and self.writable:
            waiting = self.outbox.end - self.outbox.start
            took = send(self.fd, self.outbox.data + self.outbox.start, waiting, MSG_NOSIGNAL | MSG_DONTWAIT)
            if took < 0:
                if errno == EINTR:
                    continue
                if errno != EAGAIN:
                    return self.fail_write(errno_text(errno))
                took = 0
            self.sent_bytes += took
            self.outbox.start += took
            if took == waiting:
                held_free(&self.outbox)
            else:
                self.writable = False
        return 0

    cdef int flush_tls(self) except -1:
        cdef Py_ssize_t took
        cdef Py_ssize_t piece
        while self.outbox.data != NULL and self.writable and not self.write_wants_read and self.fd >= 0:
            # Record by record: OpenSSL reports nothing before all of a write is out, and a retry must offer at least
            # the same bytes again, which the front of the outbox does. A copy, because the call runs Python: whatever
            # that does to this link, OpenSSL reads memory that stays.
            piece = min(self.outbox.end - self.outbox.start, <Py_ssize_t> RECORD_BYTES)
            try:
                took = self.tls_send(PyBytes_FromStringAndSize(self.outbox.data + self.outbox.start, piece))
            except SSLWantWrite:
                self.writable = False
                break
            except SSLWantRead:
                self.write_wants_read = True
                break
            except OSError as error:
                return self.fail_write(f"TLS write: {getattr(error, 'reason', None) or type(error).__name__}")
            self.sent_bytes += took
            if self.outbox.data == NULL:  # closed or cancelled meanwhile
                break
            self.outbox.start += took
            if self.outbox.start == self.outbox.end:
                held_free(&self.outbox)
        return 0

    cdef int fail_write(self, str fault) except -1:
        self.write_failed = True
        return self.break_write(fault)

    cdef int break_write(self, str fault) except -1:
        """Drops what waits and takes nothing more: half a message must not be followed by another."""
        self.write_broken = True
        self.fault = fault
        held_free(&self.outbox)
        return 0

    cdef int detach(self) except -1:
        """Closes the socket. TLS: one attempt at close_notify; its answer is not waited for."""
        sock = self.sock
        self.fd = -1
        self.sock = self.tls_recv_into = self.tls_send = self.tls_pending = None
        self.readable = self.writable = False
        held_free(&self.inbox)
        held_free(&self.outbox)
        if sock is None:
            return 0
        if self.tls and not self.end and not self.write_broken:
            try:
                sock.unwrap()
            except (OSError, ValueError):
                self.fault = "close_notify was not answered at once"  # the ordinary case of a socket that does not block
        sock.close()
        return 0
