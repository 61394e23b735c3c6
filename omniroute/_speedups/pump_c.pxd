# A link that can pump its body into another.

from omniroute._speedups.dechunk_c cimport Decoded
from omniroute._speedups.operations_c cimport Reader
from omniroute._speedups.translator_c cimport Translator

cdef class Link(Reader):
    cdef object translator               # of the pump, None for raw bytes
    cdef Translator kernel               # the same if it is compiled
    cdef bytes heartbeat
    cdef bint chunked                    # frame for the sink
    cdef bint finished                   # the translator said so
    cdef double idle_s
    cdef double write_s
    cdef double after_finish_s
    cdef double total_at
    cdef double heartbeat_s
    cdef double heard_at                 # the source last sent, or was last allowed to
    cdef double spoke_at                 # the sink was last given anything, heartbeats included
    cdef readonly double first_forward_at
    cdef readonly double last_forward_at
    cdef readonly long long forwarded_bytes
    cdef bint over(self) except -1
    cdef int step_pump(self) except -1
    cdef int carry(self, Decoded* got, bint whole) except -1
    cdef bint feed(self, Decoded* got, bint whole, bint* done, bint* overflow) except -1
    cdef int put(self, const char* data, Py_ssize_t size) except -1
    cdef bytes tail(self, const char* data, Py_ssize_t size)
