# The C face of a pump's translator (see relay_py.Translator). relay_c calls these without creating Python objects.
# An implementation appends to `out`; it returns 0, or -1 with a Python exception set.

cdef struct OutBuffer:
    char* data          # owned by whoever owns the struct; grown with translator_c.out_reserve
    Py_ssize_t size     # bytes in use
    Py_ssize_t capacity

cdef int out_reserve(OutBuffer* out, Py_ssize_t more) except -1
cdef int out_append(OutBuffer* out, const char* data, Py_ssize_t size) except -1
cdef void out_free(OutBuffer* out) noexcept

cdef class Translator:
    cdef readonly bint done
    cdef readonly bint finished
    cdef readonly bint overflow
    cdef int feed_into(self, const char* data, Py_ssize_t size, OutBuffer* out) except -1
    cdef int finish_into(self, OutBuffer* out) except -1
