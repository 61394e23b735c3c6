# Head, body and piece: the read operations but for the pump.

from cpython.object cimport PyObject

from omniroute._speedups.dechunk_c cimport Decoded
from omniroute._speedups.link_c cimport Endpoint

cdef enum:  # what Reader.pull found
    PULL_WAIT = 0    # nothing now
    PULL_DATA = 1    # payload; the end too if framing.complete
    PULL_END = 2     # the end, and no payload with it
    PULL_FAIL = 3    # the operation has been ended

cdef class Reader(Endpoint):
    cdef Py_ssize_t moved                # bytes this link has moved in the current turn
    cdef Py_ssize_t limit                # bytes, of a head or body
    cdef Py_ssize_t scanned              # bytes of the held head that hold no end
    cdef double head_s                   # from the first byte of a head to its end; 0.0 once it runs, or for none
    cdef int skipped                     # CRLFs dropped before the head
    cdef double min_rate                 # payload bytes per second
    cdef PyObject* body                  # a bytes object being filled (ours alone), NULL before the first byte
    cdef Py_ssize_t body_bytes           # of it that are filled
    cdef Py_ssize_t body_room            # its size
    cdef Py_ssize_t body_length          # declared, -1 if not
    cdef int keep(self, Py_ssize_t start, Py_ssize_t size) except -1
    cdef bint spent(self) except -1
    cdef int fail_fill(self, Py_ssize_t code, str what) except -1
    cdef int step_head(self) except -1
    cdef Py_ssize_t cut_head(self, const char* data, Py_ssize_t size) except -1
    cdef int pull(self, Decoded* got) except -1
    cdef int step_piece(self) except -1
    cdef int step_body(self) except -1
    cdef int fill_body(self) except -1
    cdef int make_room(self, Py_ssize_t wanted) except -1
