from omniroute._speedups.framing_c cimport BlockTranslator
from omniroute._speedups.shapes_c cimport Match, Shapes, Tag
from omniroute._speedups.translator_c cimport OutBuffer

cdef struct Lane:
    int shape
    int choice
    int index
    bint leads              # no lane before it has its shape
    bint keep
    bint silent
    int first_tag           # its tags are core.tags[first_tag:first_tag + tag_count]
    int tag_count
    const char* head
    Py_ssize_t head_size
    const char* middle      # NULL: there is no number in the frame
    Py_ssize_t middle_size
    const char* again       # NULL: the text is written once
    Py_ssize_t again_size
    const char* tail
    Py_ssize_t tail_size
    # What it has carried since it was armed.
    Py_ssize_t deltas
    Py_ssize_t text_bytes
    OutBuffer kept
    OutBuffer stash

# The last event a lane took. Most differ from it in their text alone, which is told sooner than by walking the event.
cdef struct Stencil:
    bint set
    int lane
    int misses              # events since the last that fitted it
    Py_ssize_t text_start   # where in `data` the text was cut out
    OutBuffer data

cdef class StreamCore(BlockTranslator):
    cdef public Py_ssize_t sequence
    cdef readonly bint content
    cdef object machine
    cdef object ask_machine         # its `event` or `forward`
    cdef bint forward
    cdef bint use_lanes
    cdef Py_ssize_t kept_bytes      # over all lanes, over all of the stream
    cdef Shapes shapes
    cdef Lane* lanes
    cdef int lane_count             # armed
    cdef int lane_room              # allocated; those behind lane_count own buffers too
    cdef Stencil stencil
    cdef Tag* tags
    cdef int tag_room
    cdef list armed                 # keeps the bytes alive that lanes and tags point into
    cdef list blocks                # of the armed lanes, for `caught`

    cdef bint fits_stencil(self, Match* match) noexcept
    cdef int cut_stencil(self, int lane, const Match* match) except -1
    cdef int take(self, Lane* lane, const Match* match, OutBuffer* out) except -1
    cdef int resume(self) except -1
    cdef int arm(self, object armed) except -1
    cdef int make_room(self, int lanes, int tags) except -1
