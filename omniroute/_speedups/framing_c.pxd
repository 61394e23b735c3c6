# Blocks and events in C (framing_py has the theory). No Python objects; what is known between two reads is in a Scan.

from omniroute._speedups.translator_c cimport OutBuffer

# Kinds of blocks.
cdef enum:
    LINES
    BARE
    ELEMENT
    LINE

cdef struct Scan:
    int state               # where the scan for the block's end stands
    int kind                # of the block in progress
    int bom                 # bytes of a byte-order mark matched at the start of the stream
    int open_brackets       # of an object
    bint lf_owed            # the last block ended with CR at the end of a read

cdef struct Event:
    const char* name        # into the block
    Py_ssize_t name_size
    const char* data        # into the block, or into the buffer given to `read_block`
    Py_ssize_t data_size    # 0: the block has no event

# Make `scan` ready for a body; False if there is no such framing.
cdef bint begin_scan(Scan* scan, str framing)

# Offset just after the end of the block in progress, -1 while it is incomplete. `next_block` before the next one.
cdef Py_ssize_t block_end(Scan* scan, const char* data, Py_ssize_t at, Py_ssize_t size) noexcept nogil
cdef void next_block(Scan* scan) noexcept nogil

cdef int read_block(int kind, const char* block, Py_ssize_t size, Event* event, OutBuffer* joined) except -1
cdef bint is_complete(const char* data, Py_ssize_t size) noexcept nogil
