from libc.stdint cimport uint64_t

from omniroute._speedups.translator_c cimport OutBuffer, Translator

cdef struct Scan:
    int state               # where the scan for the block's end stands, see tap_py
    int bom                 # bytes of a byte-order mark matched at the start of the stream
    int lines               # line ends in the block so far, the blank line's not counted
    int open_brackets       # of a bare JSON object
    bint lf_owed            # the last block ended with CR at the end of a read

cdef class SseTap(Translator):
    cdef readonly bytes usage
    cdef readonly bytes model
    cdef readonly bytes error
    cdef readonly Py_ssize_t finishes
    cdef readonly Py_ssize_t events
    cdef readonly bint cut
    cdef bint hide_usage
    cdef bint hidden_last
    cdef Py_ssize_t choices
    cdef Py_ssize_t max_event_bytes
    cdef OutBuffer held             # the incomplete block
    cdef Scan scan
    cdef uint64_t finished_choices[4]   # one bit a choice, MAX_CHOICES of them

    cdef int run(self, const char* data, Py_ssize_t size, OutBuffer* out, list blocks) except -1
    cdef int read_block(self, const char* block, Py_ssize_t size, int lines) except -1
    cdef int read(self, const char* data, Py_ssize_t size) except -1
    cdef int read_choices(self, const char* data, Py_ssize_t start, Py_ssize_t end) except -1
    cdef int drop_all(self) except -1
