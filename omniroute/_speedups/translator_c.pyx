# cython: boundscheck=False, wraparound=False
"""Base of every compiled translator and the growing buffer they write to."""

from libc.stdlib cimport free, realloc
from libc.string cimport memcpy


cdef int out_reserve(OutBuffer* out, Py_ssize_t more) except -1:
    cdef Py_ssize_t wanted = out.size + more
    cdef Py_ssize_t capacity
    cdef char* grown
    if wanted <= out.capacity:
        return 0
    capacity = out.capacity * 2 if out.capacity else 4096
    if capacity < wanted:
        capacity = wanted
    grown = <char*> realloc(out.data, capacity)
    if grown == NULL:
        raise MemoryError
    out.data = grown
    out.capacity = capacity
    return 0


cdef int out_append(OutBuffer* out, const char* data, Py_ssize_t size) except -1:
    if size > 0:
        out_reserve(out, size)
        memcpy(out.data + out.size, data, size)
        out.size += size
    return 0


cdef void out_free(OutBuffer* out) noexcept:
    free(out.data)
    out.data = NULL
    out.size = 0
    out.capacity = 0


cdef class Translator:
    """Feeds whole events onward; subclasses say which and in what words."""

    cdef int feed_into(self, const char* data, Py_ssize_t size, OutBuffer* out) except -1:
        raise TypeError(f"{type(self).__name__} has no feed_into")

    cdef int finish_into(self, OutBuffer* out) except -1:
        raise TypeError(f"{type(self).__name__} has no finish_into")
