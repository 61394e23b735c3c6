# JSON structure in C, shared by the compiled readers of chunks. No Python objects, no recursion, no exceptions: a walk
# that meets a fault says so by its return value and notes where and what in the cursor.

cdef enum:
    MAX_DEPTH = 512     # jsonspan_py.MAX_DEPTH

cdef struct Cursor:
    const char* data
    Py_ssize_t size
    Py_ssize_t at           # the next byte to read
    Py_ssize_t key_at       # the last member: offset of its opening quote, -1 in a list
    Py_ssize_t key_end      # just after its closing quote
    bint key_escaped        # there is a backslash in the key
    Py_ssize_t value_start
    Py_ssize_t value_end
    Py_ssize_t fault_at     # offset of what is wrong
    const char* fault       # what is wrong, a constant, NULL if nothing is

# Walk one object or list. `open_at` puts the cursor on the container that begins at `at`, 0 if none of that kind does.
# `next_*` moves to the next member or item (`value_*`, `key_*`): 1 found, 0 the container ended (`at` is behind it), -1
# fault.
cdef bint open_at(Cursor* cursor, const char* data, Py_ssize_t at, Py_ssize_t size, char bracket) noexcept nogil
cdef int next_member(Cursor* cursor, int depth) noexcept nogil
cdef int next_item(Cursor* cursor, int depth) noexcept nogil

# Move `cursor.at` behind the value that begins there; False on a fault. `depth`: containers around it.
cdef bint skip_value(Cursor* cursor, int depth) noexcept nogil
cdef Py_ssize_t bracket_at(const char* data, Py_ssize_t size) noexcept nogil  # behind a byte-order mark and blanks
cdef Py_ssize_t skip_blanks(const char* data, Py_ssize_t at, Py_ssize_t size) noexcept nogil

# True if the key of the member just found is `key` once its escapes are resolved.
cdef bint key_is(const Cursor* cursor, const char* key, Py_ssize_t size) noexcept nogil
