# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The compiled half of ``framing_py``: same blocks, same events; its docstring has the theory.

Blocks are cut and read where they lie in the read buffer, and a run of blocks that go on is appended to the output in
one piece. Only the incomplete block at the end of a read is copied aside. Every ``data[i]`` below is behind
``i < size``; that is why bounds checking is off.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcmp, memset

from omniroute._speedups.bytescan_c cimport first_of
from omniroute._speedups.jsonspan_c cimport Cursor, skip_blanks, skip_value
from omniroute._speedups.translator_c cimport OutBuffer, Translator, out_append, out_free

from omniroute._speedups.framing_py import FRAMINGS

cdef enum:
    STREAM_START        # nothing but a possible byte-order mark has been seen
    STREAM_BLANKS       # nothing but a byte-order mark and blanks
    BLOCK_START
    LINE_START
    IN_LINE
    AFTER_CR
    IN_JSON
    IN_STRING
    AFTER_BACKSLASH
    IN_ARRAY
    NDJSON

# Buffers grow by doubling and never shrink; a stream that held one large event would keep its size for good.
cdef enum:
    KEEP_HELD_BYTES = 8192


cdef bint begin_scan(Scan* scan, str framing):
    memset(scan, 0, sizeof(Scan))
    if framing == "ndjson":
        scan.state = NDJSON
        scan.kind = LINE
    else:
        scan.state = STREAM_START
        scan.kind = LINES
    return framing in FRAMINGS


cdef void next_block(Scan* scan) noexcept nogil:
    if scan.kind == LINES or scan.kind == BARE:
        scan.kind = LINES
        scan.state = BLOCK_START


cdef Py_ssize_t block_end(Scan* scan, const char* data, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    cdef char byte
    while at < size:
        byte = data[at]
        if scan.state == IN_LINE:
            at = first_of(data, at, size, c"\n", c"\r")
            if at == size:
                return -1
            scan.state = AFTER_CR if data[at] == c"\r" else LINE_START
            at += 1
        elif scan.state == LINE_START or scan.state == BLOCK_START:
            if byte == c"\n":
                return at + 1
            if byte == c"\r":
                if at + 1 == size:
                    scan.lf_owed = True
                    return size
                return at + 2 if data[at + 1] == c"\n" else at + 1
            begin_line(scan, byte == c"{" and scan.state == BLOCK_START)
        elif scan.state == AFTER_CR:
            at += byte == c"\n"
            scan.state = LINE_START
        elif scan.state == NDJSON:
            at = end_of_line(data, at, size)
            return at
        elif scan.state == STREAM_START or scan.state == STREAM_BLANKS:
            at = start(scan, data, at, size)
        elif scan.state == IN_ARRAY:
            at = first_of(data, at, size, c"{", c"]")
            if at < size and data[at] == c"]":
                return at + 1
            if at < size:
                scan.state = IN_JSON
                scan.open_brackets = 0
        else:
            at = object_step(scan, data, at, size)
            if scan.open_brackets == 0:
                scan.state = IN_ARRAY if scan.kind == ELEMENT else BLOCK_START
                return at
    return -1


cdef inline void begin_line(Scan* scan, bint bare) noexcept nogil:
    scan.open_brackets = 0
    if bare:
        scan.kind = BARE
    scan.state = IN_JSON if bare else IN_LINE


cdef inline Py_ssize_t end_of_line(const char* data, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    cdef const char* found = <const char*> memchr(data + at, c"\n", size - at)
    return -1 if found == NULL else found - data + 1


cdef Py_ssize_t start(Scan* scan, const char* data, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    """On through a byte-order mark and blanks; what follows says what the body is."""
    if scan.state == STREAM_START:
        if data[at] == (<const char*> b"\xef\xbb\xbf")[scan.bom]:
            scan.bom += 1
            if scan.bom == 3:
                scan.state = STREAM_BLANKS
            return at + 1
        if scan.bom:
            begin_line(scan, False)  # part of a mark is no mark but the beginning of a line
            return at
        scan.state = STREAM_BLANKS
    at = skip_blanks(data, at, size)
    if at < size:
        if data[at] == c"[":
            scan.kind = ELEMENT
            scan.state = IN_ARRAY
            return at + 1
        begin_line(scan, data[at] == c"{")
    return at


cdef Py_ssize_t object_step(Scan* scan, const char* data, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    """On in an object as far as the data goes; ``open_brackets`` is 0 behind its last one, and at no other time."""
    cdef char byte
    while at < size:
        if scan.state == IN_STRING:
            at = first_of(data, at, size, c'"', c"\\")
            if at == size:
                return at
            scan.state = IN_JSON if data[at] == c'"' else AFTER_BACKSLASH
        elif scan.state == AFTER_BACKSLASH:
            scan.state = IN_STRING
        else:
            byte = data[at]
            if byte == c'"':
                scan.state = IN_STRING
            elif byte == c"{" or byte == c"[":
                scan.open_brackets += 1
            elif byte == c"}" or byte == c"]":
                scan.open_brackets -= 1
                if scan.open_brackets == 0:
                    return at + 1
        at += 1
    return at


cdef int read_block(int kind, const char* block, Py_ssize_t size, Event* event, OutBuffer* joined) except -1:
    """The event in ``block``; several data lines are joined in ``joined``."""
    cdef Py_ssize_t at = 0
    cdef const char* brace
    memset(event, 0, sizeof(Event))
    if kind == BARE or kind == ELEMENT:
        brace = <const char*> memchr(block, c"{", size)
        if brace != NULL:
            event.data = brace
            event.data_size = size - (brace - block)
        return 0
    if size >= 3 and block[0] == c"\xef" and memcmp(block, b"\xef\xbb\xbf", 3) == 0:
        at = 3
    if kind == LINES:
        return read_lines(block, at, size, event, joined)
    if size > at and block[size - 1] == c"\n":
        size -= 1
    if size > at and block[size - 1] == c"\r":
        size -= 1
    if skip_blanks(block, at, size) < size:
        event.data = block + at
        event.data_size = size - at
    return 0


cdef int read_lines(const char* block, Py_ssize_t at, Py_ssize_t size, Event* event, OutBuffer* joined) except -1:
    cdef Py_ssize_t end, length, value
    cdef int found = 0
    while at < size:
        end = first_of(block, at, size, c"\n", c"\r")
        length = end - at
        if length >= 4 and memcmp(block + at, b"data", 4) == 0 and (length == 4 or block[at + 4] == c":"):
            value = value_start(block, at + 4, end)
            found += 1
            if found == 2:
                joined.size = 0
                out_append(joined, event.data, event.data_size)
            if found >= 2:
                out_append(joined, b"\n", 1)
                out_append(joined, block + value, end - value)
            else:
                event.data = block + value
                event.data_size = end - value
        elif length >= 5 and memcmp(block + at, b"event", 5) == 0 and (length == 5 or block[at + 5] == c":"):
            value = value_start(block, at + 5, end)
            event.name = block + value
            event.name_size = end - value
        at = end + 1
        if at < size and block[end] == c"\r" and block[at] == c"\n":
            at += 1
    if found >= 2:
        event.data = joined.data
        event.data_size = joined.size
    if event.data_size == 0:
        event.name_size = 0
    return 0


cdef inline Py_ssize_t value_start(const char* block, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Behind the colon at ``at`` (if the line goes on at all) and one blank."""
    if at < end:
        at += 1
        if at < end and block[at] == c" ":
            at += 1
    return at


cdef bint is_complete(const char* data, Py_ssize_t size) noexcept nogil:
    """Whether the data of an unterminated event is all there (framing_py.is_complete)."""
    cdef Cursor cursor
    cdef Py_ssize_t at = skip_blanks(data, 0, size)
    while size > at and skip_blanks(data, size - 1, size) == size:
        size -= 1
    if at == size:
        return False
    if size - at == 6 and memcmp(data + at, b"[DONE]", 6) == 0:
        return True
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


cdef int append_bytes(OutBuffer* out, object data) except -1:
    return out_append(out, PyBytes_AS_STRING(<bytes?> data), PyBytes_GET_SIZE(data))


cdef class BlockTranslator(Translator):
    """One block after the other, and nothing after ``done`` or ``overflow``."""

    def __dealloc__(self):
        out_free(&self.held)
        out_free(&self.joined)

    def feed(self, bytes data not None):
        """What goes on of the blocks that ``data`` completes."""
        cdef OutBuffer out
        memset(&out, 0, sizeof(OutBuffer))
        try:
            self.run(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), &out, None)
            return PyBytes_FromStringAndSize(out.data, out.size)
        finally:
            out_free(&out)

    def finish(self):
        """The same at the end of the body."""
        cdef OutBuffer out
        memset(&out, 0, sizeof(OutBuffer))
        try:
            self.finish_into(&out)
            return PyBytes_FromStringAndSize(out.data, out.size)
        finally:
            out_free(&out)

    def held_bytes(self):
        """Bytes of the incomplete block kept inside."""
        return self.held.size

    cdef int feed_into(self, const char* data, Py_ssize_t size, OutBuffer* out) except -1:
        return self.run(data, size, out, None)

    cdef int look(self, int kind, const char* block, Py_ssize_t size, OutBuffer* out) except -1:
        raise TypeError(f"{type(self).__name__} has no look")

    cdef int ask(self, const char* block, Py_ssize_t size, OutBuffer* out) except -1:
        raise TypeError(f"{type(self).__name__} has no ask")

    cdef int run(self, const char* data, Py_ssize_t size, OutBuffer* out, list blocks) except -1:
        """Cut ``data`` into blocks and deal with each; with ``blocks`` what goes on for each becomes an item of it."""
        cdef Py_ssize_t at = 0              # where the current block begins in data
        cdef Py_ssize_t run_start = 0       # goes on, not yet appended: data[run_start:at)
        cdef Py_ssize_t end, length
        cdef const char* block
        cdef int kind, fate
        if self.asking:
            raise RuntimeError("a machine must not feed the core that asks it")
        if self.overflow or size == 0:
            return 0
        if self.scan.lf_owed:
            # Owed only at the start of a read, where nothing is held and nothing is waiting to be appended.
            self.scan.lf_owed = False
            if data[0] == c"\n":
                at = run_start = 1
                if self.cr_passed:
                    out_append(out, data, 1)
                    itemize(blocks, out)
        while not self.done and not self.overflow:
            end = block_end(&self.scan, data, at, size)
            if end < 0:
                break
            kind = self.scan.kind
            next_block(&self.scan)
            if self.held.size:
                out_append(&self.held, data + at, end - at)
                block = self.held.data
                length = self.held.size
            else:
                block = data + at
                length = end - at
            if self.is_too_large(block, length):
                self.drop_all()
                break
            fate = self.look(kind, block, length, out)
            self.cr_passed = False
            if fate != GOES_ON and at > run_start:
                out_append(out, data + run_start, at - run_start)
                run_start = at
            if fate == ASKED:
                fate = self.ask(block, length, out)
            if fate == GOES_ON:
                self.cr_passed = block[length - 1] == c"\r"
            if self.held.size or blocks is not None:
                # What is held comes before everything in data, so there is no run yet.
                if fate == GOES_ON:
                    out_append(out, block, length)
                fate = STAYS
                if self.held.capacity > KEEP_HELD_BYTES:
                    out_free(&self.held)
                self.held.size = 0
                itemize(blocks, out)
            if fate == STAYS:
                run_start = end
            at = end
        if at > run_start:
            out_append(out, data + run_start, at - run_start)
        if size > at and not self.done and not self.overflow:
            if self.held.size + (size - at) > self.max_event_bytes:
                return self.drop_all()
            out_append(&self.held, data + at, size - at)
        return 0

    cdef int rest_into(self, OutBuffer* out) except -1:
        """The last block, if it lacks its end: what is blank goes on, an event if its data is complete."""
        cdef int fate = STAYS
        if self.held.size == 0:
            return 0
        read_block(self.scan.kind, self.held.data, self.held.size, &self.event, &self.joined)
        if self.event.data_size == 0 and skip_blanks(self.held.data, 0, self.held.size) == self.held.size:
            fate = self.look(self.scan.kind, self.held.data, self.held.size, out)
        elif not is_complete(self.event.data, self.event.data_size):
            self.cut = True
        else:
            fate = self.look(self.scan.kind, self.held.data, self.held.size, out)
            if fate == ASKED:
                fate = self.ask(self.held.data, self.held.size, out)
        if fate == GOES_ON:
            out_append(out, self.held.data, self.held.size)
        out_free(&self.held)
        return 0

    cdef bint is_too_large(self, const char* block, Py_ssize_t size) noexcept:
        # The LF of a last CRLF is not counted: in another split it would not be part of the block.
        if size >= 2 and block[size - 1] == c"\n" and block[size - 2] == c"\r":
            size -= 1
        return size > self.max_event_bytes

    cdef int drop_all(self) except -1:
        self.overflow = True
        out_free(&self.held)
        return 0


cdef int itemize(list blocks, OutBuffer* out) except -1:
    """Move what is in ``out`` to a new item of ``blocks``, if that is what is wanted."""
    if blocks is not None and out.size:
        blocks.append(PyBytes_FromStringAndSize(out.data, out.size))
        out.size = 0
    return 0
