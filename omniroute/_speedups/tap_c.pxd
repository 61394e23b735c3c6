from libc.stdint cimport uint64_t

from omniroute._speedups.framing_c cimport BlockTranslator
from omniroute._speedups.shapes_c cimport Tag

cdef enum:
    MAX_TAGS = 4        # tap_py.MAX_TAGS

cdef class SseTap(BlockTranslator):
    cdef readonly bytes usage
    cdef readonly bytes model
    cdef readonly bytes error
    cdef readonly Py_ssize_t finishes
    cdef bint hide_usage
    cdef Py_ssize_t choices
    cdef uint64_t finished_choices[4]   # one bit a choice, MAX_CHOICES of them
    cdef object make_guard
    cdef object guard                   # None until it is needed
    cdef bint guarding                  # it is holding something back
    cdef Tag tags[MAX_TAGS]
    cdef int tag_count
    cdef tuple tag_texts                # keeps alive what `tags` points to

    cdef int read(self, const char* data, Py_ssize_t size) except -1
    cdef int read_choices(self, const char* data, Py_ssize_t start, Py_ssize_t end) except -1
