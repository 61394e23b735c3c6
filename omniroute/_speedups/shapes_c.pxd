from libc.stdint cimport uint64_t

cdef struct Node:
    int kind                # a leaf's, an object or a list
    int first               # its members or its element are nodes[first:first + count]
    int count
    uint64_t required       # bits of the members that must be there
    const char* key         # the member's name, NULL in a list and at the top
    Py_ssize_t key_size
    const char* text        # of Is, with its quotes
    Py_ssize_t text_size

cdef struct Match:
    int choice
    int index
    Py_ssize_t text_start   # offsets in the data
    Py_ssize_t text_end
    Py_ssize_t stash_start
    Py_ssize_t stash_end    # 0: no STASH
    bint text_escaped       # there is a backslash in the text

cdef struct Tag:
    const char* text
    Py_ssize_t size

cdef class Shapes:
    cdef readonly tuple specs
    cdef Node* nodes        # roots first, then level by level, so that the members of an object are neighbours
    cdef int count          # of roots
    cdef bint* steady       # per root: no other shape asks for a certain text where this one has TEXT
    cdef list named         # keeps the bytes alive that nodes point into

    cdef int fill(self, Node* node, object key, object spec, int first) except -1
    cdef bint has(self, int shape, const char* data, Py_ssize_t size, Match* match) noexcept nogil

# The offset of the quote that ends the text beginning at ``at``, -1 if it is not well-formed or empty.
cdef Py_ssize_t text_end(const char* data, Py_ssize_t at, Py_ssize_t size, bint* escaped) noexcept nogil

# shapes_py.may_hold
cdef bint tag_in(const char* text, Py_ssize_t size, bint escaped, const Tag* tags, int count) noexcept nogil
