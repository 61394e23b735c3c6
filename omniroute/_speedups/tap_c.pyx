# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The compiled half of ``tap_py``: same names, same answers, same state; its docstring has the theory.

Every ``data[i]`` below is behind ``i < size``; that is why bounds checking is off.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memset

from omniroute._speedups.bytescan_c cimport quoted
from omniroute._speedups.framing_c cimport (
    ASKED, BARE, GOES_ON, LINES, STAYS, BlockTranslator, Event, append_bytes, begin_scan, read_block,
)
from omniroute._speedups.jsonspan_c cimport Cursor, bracket_at, key_is, next_item, next_member, open_at, skip_blanks
from omniroute._speedups.shapes_c cimport tag_in
from omniroute._speedups.translator_c cimport OutBuffer, out_free

cdef enum:
    MAX_CHOICES_BITS = 256  # tap_py.MAX_CHOICES

MAX_EVENT_BYTES = 16 * 1024 * 1024
MAX_CHOICES = 256


cdef class SseTap(BlockTranslator):
    """See ``tap_py.SseTap``."""

    def __init__(
        self, *, bint hide_usage=False, Py_ssize_t choices=1, tuple tags=(), guard=None,
        Py_ssize_t max_event_bytes=MAX_EVENT_BYTES,
    ):
        cdef int i
        cdef bytes tag
        if len(tags) > MAX_TAGS:
            raise ValueError(f"more than {MAX_TAGS} tags")
        begin_scan(&self.scan, "sse")
        self.hide_usage = hide_usage
        self.choices = choices
        self.max_event_bytes = max_event_bytes
        self.usage = self.model = self.error = b""
        self.make_guard = guard
        self.tag_texts = tags
        self.tag_count = 0 if guard is None else len(tags)
        for i in range(len(tags)):
            tag = tags[i]
            self.tags[i].text = PyBytes_AS_STRING(tag)
            self.tags[i].size = PyBytes_GET_SIZE(tag)

    def split(self, bytes data not None):
        """See ``tap_py.SseTap.split``."""
        cdef list blocks = []
        cdef OutBuffer out
        memset(&out, 0, sizeof(OutBuffer))
        try:
            self.run(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), &out, blocks)
        finally:
            out_free(&out)
        return blocks

    cdef int finish_into(self, OutBuffer* out) except -1:
        if not self.done and not self.overflow:
            self.rest_into(out)
        if self.guarding:
            self.guarding = False
            append_bytes(out, self.guard.finish())
        return 0

    cdef int look(self, int kind, const char* block, Py_ssize_t size, OutBuffer* out) except -1:
        read_block(kind, block, size, &self.event, &self.joined)
        if self.event.data_size == 0:
            return GOES_ON
        if not self.read(self.event.data, self.event.data_size):
            return STAYS
        if self.guarding or (
            self.tag_count and tag_in(self.event.data, self.event.data_size, True, self.tags, self.tag_count)
        ):
            return ASKED
        return GOES_ON

    cdef int ask(self, const char* block, Py_ssize_t size, OutBuffer* out) except -1:
        cdef bytes name = PyBytes_FromStringAndSize(self.event.name, self.event.name_size)
        cdef bytes data = PyBytes_FromStringAndSize(self.event.data, self.event.data_size)
        cdef bytes whole = PyBytes_FromStringAndSize(block, size)
        cdef bytes passed
        self.asking = True
        try:
            if self.guard is None:
                self.guard = self.make_guard()
            passed = self.guard.forward(name, data, whole)
            self.guarding = self.guard.holding
        finally:
            self.asking = False
        if passed is whole:
            return GOES_ON
        append_bytes(out, passed)
        self.cr_passed = passed.endswith(b"\r")
        return STAYS

    cdef int read(self, const char* data, Py_ssize_t size) except -1:
        """Note what an event's data says; 0 if the event is to be left out."""
        cdef Cursor cursor
        cdef Cursor inner
        cdef Py_ssize_t usage = 0, usage_end = 0, error = 0, error_end = 0, model = 0, model_end = 0
        cdef Py_ssize_t choices = 0, choices_end = 0, groq = 0, groq_end = 0
        cdef bint failed, is_usage
        self.events += 1
        if is_done(data, size):
            self.done = True
            return 1
        if not has_needle(data, size, PyBytes_GET_SIZE(self.model) == 0):
            return 1
        if not open_at(&cursor, data, bracket_at(data, size), size, c"{"):
            return 1
        while next_member(&cursor, 1) == 1:
            # The last of several members of one name counts, as everywhere.
            if key_is(&cursor, b"usage", 5):
                usage, usage_end = cursor.value_start, cursor.value_end
            elif key_is(&cursor, b"error", 5):
                error, error_end = cursor.value_start, cursor.value_end
            elif key_is(&cursor, b"model", 5):
                model, model_end = cursor.value_start, cursor.value_end
            elif key_is(&cursor, b"choices", 7):
                choices, choices_end = cursor.value_start, cursor.value_end
            elif key_is(&cursor, b"x_groq", 6):
                groq, groq_end = cursor.value_start, cursor.value_end
        if cursor.fault != NULL or skip_blanks(data, cursor.at, size) < size:
            return 1
        failed = error and not (error_end - error >= 4 and memcmp(data + error, b"null", 4) == 0)
        if failed and PyBytes_GET_SIZE(self.error) == 0:
            self.error = PyBytes_FromStringAndSize(data + error, error_end - error)
        if model_end - model > 2 and data[model] == c'"' and PyBytes_GET_SIZE(self.model) == 0:
            self.model = PyBytes_FromStringAndSize(data + model, model_end - model)
        is_usage = usage and data[usage] == c"{"
        if is_usage:
            self.usage = PyBytes_FromStringAndSize(data + usage, usage_end - usage)
        elif groq and open_at(&inner, data, groq, groq_end, c"{"):
            usage = 0
            while next_member(&inner, 1) == 1:
                if key_is(&inner, b"usage", 5):
                    usage, usage_end = inner.value_start, inner.value_end
            if usage and data[usage] == c"{":
                self.usage = PyBytes_FromStringAndSize(data + usage, usage_end - usage)
        if not choices or data[choices] != c"[":
            return 1
        if self.read_choices(data, choices, choices_end) == 0:
            return not (self.hide_usage and is_usage and not failed)
        return 1

    cdef int read_choices(self, const char* data, Py_ssize_t start, Py_ssize_t end) except -1:
        """Note which choices have finished; how many items the list has (its structure has been checked)."""
        cdef Cursor item
        cdef Cursor member
        cdef Py_ssize_t reason, reason_size, index, index_size
        cdef int place = 0, number
        open_at(&item, data, start, end, c"[")
        while next_item(&item, 1) == 1:
            reason_size = index_size = 0
            reason = index = 0
            if open_at(&member, data, item.value_start, item.value_end, c"{"):
                while next_member(&member, 1) == 1:
                    if key_is(&member, b"finish_reason", 13):
                        reason, reason_size = member.value_start, member.value_end - member.value_start
                    elif key_is(&member, b"index", 5):
                        index, index_size = member.value_start, member.value_end - member.value_start
            if reason_size > 2 and data[reason] == c'"':
                number = small_number(data + index, index_size)
                if number < 0:
                    number = place
                if number < MAX_CHOICES_BITS and not (self.finished_choices[number >> 6] >> (number & 63)) & 1:
                    self.finished_choices[number >> 6] |= (<uint64_t> 1) << (number & 63)
                    self.finishes += 1
                    self.finished = self.finishes >= self.choices
            place += 1
        return place


def event_data(bytes block not None):
    """See ``tap_py.event_data``."""
    cdef Event event
    cdef OutBuffer joined
    cdef const char* data = PyBytes_AS_STRING(block)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(block)
    cdef Py_ssize_t at = bracket_at(data, size)
    memset(&joined, 0, sizeof(OutBuffer))
    try:
        read_block(BARE if at < size and data[at] == c"{" else LINES, data, size, &event, &joined)
        return PyBytes_FromStringAndSize(event.data, event.data_size)
    finally:
        out_free(&joined)


cdef bint is_done(const char* data, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t at = skip_blanks(data, 0, size)
    return (
        size - at >= 6 and data[at] == c"[" and memcmp(data + at, b"[DONE]", 6) == 0
        and skip_blanks(data, at + 6, size) == size
    )


cdef bint has_needle(const char* data, Py_ssize_t size, bint want_model) noexcept nogil:
    """Whether data holds one of the quoted names that make it worth a walk (tap_py._NEEDLE)."""
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t left, after
    cdef char wanted = c"m" if want_model else c"u"
    while True:
        at = quoted(data, at, size, c"u", c"e", c"f", wanted)
        left = size - at
        if left < 7:
            return False
        after = 0
        if data[at + 6] == c'"':
            if want_model and memcmp(data + at, b'"model"', 7) == 0:
                return True
            if memcmp(data + at, b'"usage"', 7) == 0 or memcmp(data + at, b'"error"', 7) == 0:
                after = at + 7
        elif left >= 15 and memcmp(data + at, b'"finish_reason"', 15) == 0:
            after = at + 15
        if after and not is_null_member(data, after, size):
            return True
        at += 1


cdef inline bint is_null_member(const char* data, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    at = skip_blanks(data, at, size)
    if at >= size or data[at] != c":":
        return False
    at = skip_blanks(data, at + 1, size)
    return size - at >= 4 and memcmp(data + at, b"null", 4) == 0


cdef int small_number(const char* data, Py_ssize_t size) noexcept nogil:
    """An integer of one to three digits, -1 if it is anything else."""
    cdef int number = 0
    cdef Py_ssize_t i
    if size < 1 or size > 3:
        return -1
    for i in range(size):
        if data[i] < c"0" or data[i] > c"9":
            return -1
        number = number * 10 + (data[i] - c"0")
    return number
