# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The compiled half of ``stream_py``: same names, same bytes, same calls; its docstring has the theory.

Between two calls of the machine no Python object is made: a hot event is its frame around a copy of its text, or its
block as it came.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memset

from omniroute._speedups.framing_c cimport ASKED, GOES_ON, STAYS, BlockTranslator, append_bytes, begin_scan, read_block
from omniroute._speedups.shapes_c cimport Match, Shapes, Tag, tag_in, text_end
from omniroute._speedups.translator_c cimport OutBuffer, out_append, out_free, out_reserve

cdef enum:
    MAX_DIGITS = 20
    KEEP_BYTES = 8192           # of a buffer that is empty again; what is larger is given back
    MAX_MISSES = 16             # in a row; then the vendor writes something new in every event
    MAX_STENCIL_BYTES = 4096    # an event with more around its text is none of many small ones

MAX_EVENT_BYTES = 16 * 1024 * 1024


cdef class StreamCore(BlockTranslator):
    """See ``stream_py.StreamCore``."""

    def __init__(
        self, machine, *, str framing not None, shapes, bint forward=False, bint lanes=True,
        Py_ssize_t max_event_bytes=MAX_EVENT_BYTES,
    ):
        face = "forward" if forward else "event"
        if not hasattr(machine, face):
            raise TypeError(f"{type(machine).__name__} has no {face}")
        if not begin_scan(&self.scan, framing):
            raise ValueError(f"framing {framing!r} is none of sse, ndjson")
        self.machine = machine
        self.ask_machine = getattr(machine, face)
        self.shapes = shapes if isinstance(shapes, Shapes) else Shapes(shapes)
        self.forward = forward
        self.use_lanes = lanes
        self.max_event_bytes = max_event_bytes
        self.armed = []
        self.blocks = []

    def __dealloc__(self):
        cdef int i
        for i in range(self.lane_room):
            out_free(&self.lanes[i].kept)
            out_free(&self.lanes[i].stash)
        free(self.lanes)
        free(self.tags)
        out_free(&self.stencil.data)

    def settle(self):
        """See ``stream_py.StreamCore.settle``."""
        cdef Lane* lane
        cdef int i
        for i in range(self.lane_count):
            lane = &self.lanes[i]
            if lane.deltas:
                deltas, text_bytes = lane.deltas, lane.text_bytes
                kept, stash = taken(&lane.kept), taken(&lane.stash)
                lane.deltas = lane.text_bytes = 0
                self.machine.caught(self.blocks[i], deltas, text_bytes, kept, stash)
        self.machine.begin(self)

    cdef int finish_into(self, OutBuffer* out) except -1:
        if self.asking:
            raise RuntimeError("a machine must not finish the core that asks it")
        if not self.done and not self.overflow:
            self.rest_into(out)
        if self.overflow:
            return 0
        self.asking = True
        try:
            self.settle()
            append_bytes(out, self.machine.finish())
            self.resume()
        finally:
            self.asking = False
        return 0

    cdef int look(self, int kind, const char* block, Py_ssize_t size, OutBuffer* out) except -1:
        """What becomes of a block; a hot event is written."""
        cdef Match match
        cdef Lane* lane
        cdef int i, j
        read_block(kind, block, size, &self.event, &self.joined)
        if self.event.data_size == 0:
            return GOES_ON if self.forward else STAYS
        self.events += 1
        if self.stencil.set and self.fits_stencil(&match):
            return self.take(&self.lanes[self.stencil.lane], &match, out)
        for i in range(self.lane_count):
            if not self.lanes[i].leads:
                continue
            if not self.shapes.has(self.lanes[i].shape, self.event.data, self.event.data_size, &match):
                continue
            for j in range(i, self.lane_count):
                lane = &self.lanes[j]
                if lane.shape != self.lanes[i].shape or lane.choice != match.choice or lane.index != match.index:
                    continue
                self.cut_stencil(j, &match)
                return self.take(lane, &match, out)
        return ASKED

    cdef bint fits_stencil(self, Match* match) noexcept:
        """Whether the event at hand is the last hot one but for its text, which is then in ``match``."""
        cdef const char* data = self.event.data
        cdef Stencil* stencil = &self.stencil
        cdef Py_ssize_t tail_size = stencil.data.size - stencil.text_start
        cdef Py_ssize_t end
        if self.event.data_size <= stencil.text_start + tail_size:
            return False
        if memcmp(data, stencil.data.data, stencil.text_start) != 0:
            return False
        memset(match, 0, sizeof(Match))
        end = text_end(data, stencil.text_start, self.event.data_size, &match.text_escaped)
        if end < 0 or self.event.data_size - end != tail_size:
            return False
        if memcmp(data + end, stencil.data.data + stencil.text_start, tail_size) != 0:
            return False
        match.text_start = stencil.text_start
        match.text_end = end
        stencil.misses = 0
        return True

    cdef int cut_stencil(self, int lane, const Match* match) except -1:
        """Remember the event at hand, which ``lane`` takes. Declines where a different text may mean a different lane,
        where the event is kept in part (STASH), and in streams whose events differ in more than their text."""
        cdef Stencil* stencil = &self.stencil
        stencil.set = False
        if match.stash_end or not self.shapes.steady[self.lanes[lane].shape] or stencil.misses >= MAX_MISSES:
            return 0
        if self.event.data_size - (match.text_end - match.text_start) > MAX_STENCIL_BYTES:
            return 0
        stencil.misses += 1
        stencil.lane = lane
        stencil.text_start = match.text_start
        stencil.data.size = 0
        out_append(&stencil.data, self.event.data, match.text_start)
        out_append(&stencil.data, self.event.data + match.text_end, self.event.data_size - match.text_end)
        stencil.set = True
        return 0

    cdef int take(self, Lane* lane, const Match* match, OutBuffer* out) except -1:
        """Let the event at hand pass through ``lane``, unless a tag may begin in it."""
        cdef const char* text = self.event.data + match.text_start
        cdef Py_ssize_t size = match.text_end - match.text_start
        if tag_in(text, size, match.text_escaped, &self.tags[lane.first_tag], lane.tag_count):
            return ASKED
        if match.stash_end:
            lane.stash.size = 0
            out_append(&lane.stash, self.event.data + match.stash_start, match.stash_end - match.stash_start)
        if lane.keep and not self.forward:
            self.kept_bytes += size
            if self.kept_bytes > self.max_event_bytes:
                self.overflow = True
                return STAYS
            out_append(&lane.kept, text, size)
        lane.deltas += 1
        lane.text_bytes += size
        self.content = True
        if self.forward:
            return GOES_ON
        if not lane.silent:
            out_reserve(
                out,
                lane.head_size + MAX_DIGITS + lane.middle_size + 2 * size + lane.again_size + lane.tail_size,
            )
            write(out, lane.head, lane.head_size)
            if lane.middle != NULL:
                write_number(out, self.sequence)
                write(out, lane.middle, lane.middle_size)
                self.sequence += 1
            write(out, text, size)
            if lane.again != NULL:
                write(out, lane.again, lane.again_size)
                write(out, text, size)
            write(out, lane.tail, lane.tail_size)
        return STAYS

    cdef int ask(self, const char* block, Py_ssize_t size, OutBuffer* out) except -1:
        """What the machine makes of the event at hand."""
        cdef bytes name = PyBytes_FromStringAndSize(self.event.name, self.event.name_size)
        cdef bytes data = PyBytes_FromStringAndSize(self.event.data, self.event.data_size)
        cdef bytes whole
        cdef object made
        self.asking = True
        try:
            self.settle()
            if self.forward:
                whole = PyBytes_FromStringAndSize(block, size)
                made = self.ask_machine(name, data, whole)
                if made is not whole:
                    append_bytes(out, made)
                    self.cr_passed = made.endswith(b"\r")
                self.resume()
                return GOES_ON if made is whole else STAYS
            append_bytes(out, self.ask_machine(name, data))
            self.resume()
        finally:
            self.asking = False
        return STAYS

    cdef int resume(self) except -1:
        """Take over what the machine has come to, and its lanes."""
        cdef object machine = self.machine
        machine.settle(self)
        self.content = self.content or machine.content
        self.done = machine.done
        self.finished = machine.finished
        self.lane_count = 0
        self.stencil.set = False
        self.armed = []
        self.blocks = []
        if self.use_lanes and not self.done:
            for lane in machine.lanes():
                self.arm(lane)
        return 0

    cdef int arm(self, object armed) except -1:
        """One more lane."""
        cdef object hot = armed.hot, frame = armed.frame
        cdef bytes head = frame.head, tail = frame.tail, middle = frame.middle, again = frame.again
        cdef tuple tags = armed.tags
        cdef int number = self.lane_count, first_tag = 0, i
        cdef Lane* lane
        if number:
            first_tag = self.lanes[number - 1].first_tag + self.lanes[number - 1].tag_count
        self.make_room(number + 1, first_tag + len(tags))
        lane = &self.lanes[number]
        lane.shape, lane.choice, lane.index = hot.shape, hot.choice, hot.index
        if not 0 <= lane.shape < self.shapes.count:
            raise ValueError(f"there is no shape {hot.shape}")
        lane.leads = True
        for i in range(number):
            if self.lanes[i].shape == lane.shape:
                lane.leads = False
        lane.keep, lane.silent = frame.keep, frame.silent
        lane.head, lane.head_size = point_to(head), len(head)
        lane.tail, lane.tail_size = point_to(tail), len(tail)
        lane.middle, lane.middle_size = NULL, 0
        if middle is not None:
            lane.middle, lane.middle_size = point_to(middle), len(middle)
        lane.again, lane.again_size = NULL, 0
        if again is not None:
            lane.again, lane.again_size = point_to(again), len(again)
        lane.first_tag, lane.tag_count = first_tag, len(tags)
        for i in range(lane.tag_count):
            self.tags[first_tag + i].text = point_to(<bytes?> tags[i])
            self.tags[first_tag + i].size = len(tags[i])
        lane.deltas = lane.text_bytes = lane.kept.size = lane.stash.size = 0
        self.armed.append((head, middle, again, tail, tags))
        self.blocks.append(hot.block)
        self.lane_count += 1
        return 0

    cdef int make_room(self, int lanes, int tags) except -1:
        cdef void* grown
        if lanes > self.lane_room:
            grown = realloc(self.lanes, 2 * lanes * sizeof(Lane))
            if grown == NULL:
                raise MemoryError
            self.lanes = <Lane*> grown
            memset(self.lanes + self.lane_room, 0, (2 * lanes - self.lane_room) * sizeof(Lane))
            self.lane_room = 2 * lanes
        if tags > self.tag_room:
            grown = realloc(self.tags, 2 * tags * sizeof(Tag))
            if grown == NULL:
                raise MemoryError
            self.tags = <Tag*> grown
            self.tag_room = 2 * tags
        return 0


cdef const char* point_to(bytes data):
    """Its bytes, as long as somebody holds it."""
    return PyBytes_AS_STRING(data)


cdef bytes taken(OutBuffer* buffer):
    """What is in ``buffer``, which is empty then."""
    cdef bytes data = PyBytes_FromStringAndSize(buffer.data, buffer.size)
    buffer.size = 0
    if buffer.capacity > KEEP_BYTES:
        out_free(buffer)
    return data


cdef inline void write(OutBuffer* out, const char* data, Py_ssize_t size) noexcept:
    """Append; there is room."""
    memcpy(out.data + out.size, data, size)
    out.size += size


cdef void write_number(OutBuffer* out, Py_ssize_t number) noexcept:
    """Append in decimal; there is room for MAX_DIGITS, and counters are not negative."""
    cdef char digits[MAX_DIGITS]
    cdef int at = MAX_DIGITS
    while True:
        at -= 1
        digits[at] = c"0" + <char> (number % 10)
        number //= 10
        if number == 0:
            break
    write(out, digits + at, MAX_DIGITS - at)
