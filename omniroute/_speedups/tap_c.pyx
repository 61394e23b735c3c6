# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The compiled half of ``tap_py``: same names, same answers, same state; its docstring has the theory.

When nothing is held, blocks are cut and read where they lie in the read buffer, and a run of forwarded blocks is
appended to the output in one piece. Only the incomplete block at the end of a read is copied aside. Every ``data[i]``
below is behind ``i < size``; that is why bounds checking is off.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcmp, memset

from omniroute._speedups.bytescan_c cimport first_of, quoted
from omniroute._speedups.jsonspan_c cimport (
    Cursor, bracket_at, key_is, next_item, next_member, open_at, skip_blanks, skip_value,
)
from omniroute._speedups.translator_c cimport OutBuffer, Translator, out_append, out_free

cdef enum:
    MAX_CHOICES_BITS = 256  # tap_py.MAX_CHOICES

cdef enum:
    STREAM_START
    BLOCK_START
    LINE_START
    IN_LINE
    AFTER_CR
    IN_JSON
    IN_STRING
    AFTER_BACKSLASH

# out_append grows by doubling and never shrinks; a stream that held one large event would keep its size for good.
cdef enum:
    KEEP_HELD_BYTES = 8192

MAX_EVENT_BYTES = 16 * 1024 * 1024
MAX_CHOICES = 256


cdef class SseTap(Translator):
    """See ``tap_py.SseTap``."""

    def __init__(self, *, bint hide_usage=False, Py_ssize_t choices=1, Py_ssize_t max_event_bytes=MAX_EVENT_BYTES):
        self.hide_usage = hide_usage
        self.choices = choices
        self.max_event_bytes = max_event_bytes
        self.usage = self.model = self.error = b""
        memset(&self.scan, 0, sizeof(Scan))

    def __dealloc__(self):
        out_free(&self.held)

    def feed(self, bytes data not None):
        """See ``tap_py.SseTap.feed``."""
        cdef OutBuffer out
        memset(&out, 0, sizeof(OutBuffer))
        try:
            self.run(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), &out, None)
            return PyBytes_FromStringAndSize(out.data, out.size)
        finally:
            out_free(&out)

    def split(self, bytes data not None):
        """See ``tap_py.SseTap.split``."""
        cdef list blocks = []
        self.run(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), NULL, blocks)
        return blocks

    def finish(self):
        """See ``tap_py.SseTap.finish``."""
        cdef OutBuffer out
        memset(&out, 0, sizeof(OutBuffer))
        try:
            self.finish_into(&out)
            return PyBytes_FromStringAndSize(out.data, out.size)
        finally:
            out_free(&out)

    def held_bytes(self):
        """See ``tap_py.SseTap.held_bytes``."""
        return self.held.size

    cdef int feed_into(self, const char* data, Py_ssize_t size, OutBuffer* out) except -1:
        return self.run(data, size, out, None)

    cdef int finish_into(self, OutBuffer* out) except -1:
        cdef bytes data
        if self.held.size == 0:
            return 0
        try:
            data = data_of(self.held.data, self.held.size)
            if not is_complete(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)):
                self.cut = True
            elif self.read(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)):
                out_append(out, self.held.data, self.held.size)
        finally:
            out_free(&self.held)
        return 0

    cdef int run(self, const char* data, Py_ssize_t size, OutBuffer* out, list blocks) except -1:
        """Cut ``data`` into blocks, read each, give what is forwarded to ``out`` (or one by one to ``blocks``)."""
        cdef Py_ssize_t at = 0              # where the current block begins in data
        cdef Py_ssize_t run_start = 0       # forwarded, not yet appended: data[run_start:at)
        cdef Py_ssize_t end, length, counted
        cdef const char* block
        cdef int lines
        if self.overflow:
            return 0
        while True:
            if self.scan.lf_owed and at < size:
                self.scan.lf_owed = False
                if data[at] == c"\n":
                    # Owed only at the start of a read, where nothing is held and nothing is waiting to be appended.
                    at += 1
                    if self.hidden_last:
                        run_start = at
                    elif blocks is not None:
                        blocks.append(b"\n")
            end = block_end(&self.scan, data, at, size)
            if end < 0:
                break
            lines = self.scan.lines
            self.scan.state = BLOCK_START
            self.scan.lines = 0
            if self.held.size:
                out_append(&self.held, data + at, end - at)
                block = self.held.data
                length = self.held.size
            else:
                block = data + at
                length = end - at
            # The LF of a last CRLF is not counted: in another split it would not be part of the block.
            counted = length
            if length >= 2 and block[length - 1] == c"\n" and block[length - 2] == c"\r":
                counted -= 1
            if counted > self.max_event_bytes:
                if blocks is None and at > run_start:
                    out_append(out, data + run_start, at - run_start)
                return self.drop_all()
            self.hidden_last = not self.read_block(block, length, lines)
            if self.held.size:
                # What is held comes before everything in data, so there is no run yet.
                if not self.hidden_last:
                    if blocks is None:
                        out_append(out, block, length)
                    else:
                        blocks.append(PyBytes_FromStringAndSize(block, length))
                if self.held.capacity > KEEP_HELD_BYTES:
                    out_free(&self.held)
                self.held.size = 0
                run_start = end
            elif self.hidden_last:
                if blocks is None and at > run_start:
                    out_append(out, data + run_start, at - run_start)
                run_start = end
            elif blocks is not None:
                blocks.append(PyBytes_FromStringAndSize(block, length))
            at = end
        if blocks is None and at > run_start:
            out_append(out, data + run_start, at - run_start)
        if size > at:
            if self.held.size + (size - at) > self.max_event_bytes:
                return self.drop_all()
            out_append(&self.held, data + at, size - at)
        return 0

    cdef int drop_all(self) except -1:
        self.overflow = True
        out_free(&self.held)
        return 0

    cdef int read_block(self, const char* block, Py_ssize_t size, int lines) except -1:
        """Note what a whole block says; 0 if it is to be left out."""
        cdef Py_ssize_t end
        cdef bytes joined
        if lines == 0 and block[0] != c"{" and block[0] != c"\xef":
            return 1  # a blank line
        if lines == 1:
            if block[0] == c":":
                return 1
            if size > 5 and memcmp(block, b"data:", 5) == 0:
                # One data line and a blank one, all but a handful of events: the data is where it lies.
                end = size
                while end > 5 and (block[end - 1] == c"\n" or block[end - 1] == c"\r"):
                    end -= 1
                if block[5] == c" " and end > 5:
                    return self.read(block + 6, end - 6)
                return self.read(block + 5, end - 5)
        joined = data_of(block, size)
        return self.read(PyBytes_AS_STRING(joined), PyBytes_GET_SIZE(joined))

    cdef int read(self, const char* data, Py_ssize_t size) except -1:
        """Note what an event's data says; 0 if the event is to be left out."""
        cdef Cursor cursor
        cdef Cursor inner
        cdef Py_ssize_t usage = 0, usage_end = 0, error = 0, error_end = 0, model = 0, model_end = 0
        cdef Py_ssize_t choices = 0, choices_end = 0, groq = 0, groq_end = 0
        cdef bint failed, is_usage
        if size == 0:
            return 1
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


def event_data(bytes event not None):
    """See ``tap_py.event_data``."""
    return data_of(PyBytes_AS_STRING(event), PyBytes_GET_SIZE(event))


cdef Py_ssize_t block_end(Scan* scan, const char* data, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    """Offset just after the end of the block in progress, -1 while it is incomplete (``scan`` knows how far it is)."""
    cdef char byte
    while at < size:
        byte = data[at]
        if scan.state == IN_LINE:
            at = first_of(data, at, size, c"\n", c"\r")
            if at == size:
                return -1
            scan.state = AFTER_CR if data[at] == c"\r" else LINE_START
            scan.lines += 1
            at += 1
        elif scan.state == LINE_START or scan.state == BLOCK_START:
            if byte == c"\n":
                return at + 1
            if byte == c"\r":
                if at + 1 == size:
                    scan.lf_owed = True
                    return size
                return at + 2 if data[at + 1] == c"\n" else at + 1
            if byte == c"{" and scan.state == BLOCK_START:
                scan.state = IN_JSON
                scan.open_brackets = 0
            else:
                scan.state = IN_LINE
        elif scan.state == AFTER_CR:
            at += byte == c"\n"
            scan.state = LINE_START
        elif scan.state == IN_STRING:
            at = first_of(data, at, size, c'"', c"\\")
            if at < size:
                scan.state = IN_JSON if data[at] == c'"' else AFTER_BACKSLASH
                at += 1
        elif scan.state == AFTER_BACKSLASH:
            scan.state = IN_STRING
            at += 1
        elif scan.state == IN_JSON:
            at += 1
            if byte == c'"':
                scan.state = IN_STRING
            elif byte == c"{" or byte == c"[":
                scan.open_brackets += 1
            elif byte == c"}" or byte == c"]":
                scan.open_brackets -= 1
                if scan.open_brackets == 0:
                    return at
        elif byte == (<const char*> b"\xef\xbb\xbf")[scan.bom]:  # STREAM_START
            at += 1
            scan.bom += 1
            if scan.bom == 3:
                scan.state = BLOCK_START
        else:
            # Part of a mark is no mark but the beginning of a line.
            scan.state = IN_LINE if scan.bom else BLOCK_START
    return -1


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


cdef bytes data_of(const char* event, Py_ssize_t size):
    """``event_data`` for any number of lines."""
    cdef Py_ssize_t at = 0, end, start
    cdef list values
    cdef bytes only = b""
    cdef int found = 0
    if size >= 3 and memcmp(event, b"\xef\xbb\xbf", 3) == 0:
        at = 3
    if at < size and event[at] == c"{":
        return PyBytes_FromStringAndSize(event + at, size - at)
    values = None
    while at < size:
        end = first_of(event, at, size, c"\n", c"\r")
        start = -1
        if end - at >= 5 and memcmp(event + at, b"data:", 5) == 0:
            start = at + 6 if end - at > 5 and event[at + 5] == c" " else at + 5
        elif end - at == 4 and memcmp(event + at, b"data", 4) == 0:
            start = end
        if start >= 0:
            found += 1
            if found == 2:
                values = [only]
            only = PyBytes_FromStringAndSize(event + start, end - start)
            if found >= 2:
                values.append(only)
        at = end + 1
        if end + 1 < size and event[end] == c"\r" and event[end + 1] == c"\n":
            at += 1
    return only if found < 2 else b"\n".join(values)


cdef bint is_complete(const char* data, Py_ssize_t size):
    """Whether the data of an unterminated event is all there (tap_py._is_complete)."""
    cdef Cursor cursor
    cdef Py_ssize_t at = skip_blanks(data, 0, size)
    if is_done(data, size):
        return True
    while size > at and skip_blanks(data, size - 1, size) == size:
        size -= 1
    if at == size:
        return False
    if data[at] == c"{" or data[at] == c"[" or data[at] == c'"':
        memset(&cursor, 0, sizeof(Cursor))
        cursor.data = data
        cursor.size = size
        cursor.at = at
        return skip_value(&cursor, 0) and cursor.at == size
    return is_scalar(data + at, size - at)


cdef bint is_scalar(const char* data, Py_ssize_t size) noexcept nogil:
    """A JSON number, true, false or null, and nothing else."""
    cdef Py_ssize_t at = 0, digits
    if (size == 4 and (memcmp(data, b"true", 4) == 0 or memcmp(data, b"null", 4) == 0)) or (
        size == 5 and memcmp(data, b"false", 5) == 0
    ):
        return True
    if at < size and data[at] == c"-":
        at += 1
    digits = count_digits(data, at, size)
    if digits == 0 or (digits > 1 and data[at] == c"0"):
        return False
    at += digits
    if at < size and data[at] == c".":
        digits = count_digits(data, at + 1, size)
        if digits == 0:
            return False
        at += 1 + digits
    if at < size and (data[at] == c"e" or data[at] == c"E"):
        at += 1
        if at < size and (data[at] == c"+" or data[at] == c"-"):
            at += 1
        digits = count_digits(data, at, size)
        if digits == 0:
            return False
        at += digits
    return at == size


cdef inline Py_ssize_t count_digits(const char* data, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t start = at
    while at < size and data[at] >= c"0" and data[at] <= c"9":
        at += 1
    return at - start
