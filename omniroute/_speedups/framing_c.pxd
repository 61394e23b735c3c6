# Blocks and events in C (framing_py has the theory). No Python objects; what is known between two reads is in a Scan.

from omniroute._speedups.translator_c cimport OutBuffer, Translator

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

# What becomes of a block.
cdef enum:
    STAYS = 0       # nothing of it goes on, or what does is written
    GOES_ON = 1     # as it came
    ASKED = 2       # `ask` says

# A translator that deals with one block after the other: what reads a body and what renders it derive from it.
cdef class BlockTranslator(Translator):
    cdef readonly bint cut
    cdef readonly Py_ssize_t events
    cdef Py_ssize_t max_event_bytes
    cdef bint asking                # Python is being called
    cdef bint cr_passed             # the last block went on and ended with CR: its LF may follow
    cdef Scan scan
    cdef Event event                # of the block at hand
    cdef OutBuffer held             # the incomplete block
    cdef OutBuffer joined           # data of an event of several data lines

    cdef int run(self, const char* data, Py_ssize_t size, OutBuffer* out, list blocks) except -1
    cdef int rest_into(self, OutBuffer* out) except -1
    cdef int drop_all(self) except -1
    cdef bint is_too_large(self, const char* block, Py_ssize_t size) noexcept
    # For those who derive: what becomes of a block, and what is made of the event of one that was ASKED.
    cdef int look(self, int kind, const char* block, Py_ssize_t size, OutBuffer* out) except -1
    cdef int ask(self, const char* block, Py_ssize_t size, OutBuffer* out) except -1

cdef int append_bytes(OutBuffer* out, object data) except -1
