# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The compiled half of ``jsonspan_py``: same names, same answers, same errors.

Every read of ``data[i]`` below is behind ``i < size``; that is why bounds checking is off.
"""

from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memset

from omniroute._speedups.bytescan_c cimport first_of, holds_needle
from omniroute._speedups.jsonspan_py import RepeatedMemberError


cdef inline bint fail(Cursor* cursor, const char* what, Py_ssize_t at) noexcept nogil:
    cursor.fault = what
    cursor.fault_at = at
    return False


cdef Py_ssize_t skip_blanks(const char* data, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    while at < size and (data[at] == c" " or data[at] == c"\n" or data[at] == c"\r" or data[at] == c"\t"):
        at += 1
    return at


cdef inline bint skip_string(Cursor* cursor) noexcept nogil:
    """Behind the string whose opening quote is at ``cursor.at``; ``key_escaped`` says whether it holds a backslash."""
    cdef Py_ssize_t at = cursor.at + 1
    cursor.key_escaped = False
    while True:
        at = first_of(cursor.data, at, cursor.size, c'"', c"\\")
        if at >= cursor.size:
            return fail(cursor, b"string without end", cursor.at)
        if cursor.data[at] == c'"':
            cursor.at = at + 1
            return True
        cursor.key_escaped = True
        at += 2  # past the end is caught above: the scan returns at >= size then


cdef inline bint ends_scalar(char byte) noexcept nogil:
    return (
        byte == c"," or byte == c"}" or byte == c"]" or byte == c" " or byte == c"\n" or byte == c"\r" or byte == c"\t"
        or byte == c":" or byte == c'"' or byte == c"{" or byte == c"["
    )


cdef inline bint skip_scalar(Cursor* cursor) noexcept nogil:
    cdef Py_ssize_t at = cursor.at
    while at < cursor.size and not ends_scalar(cursor.data[at]):
        at += 1
    if at == cursor.at:
        return fail(cursor, b"expected a value", at)
    cursor.at = at
    return True


cdef inline bint skip_key(Cursor* cursor) noexcept nogil:
    """From the opening quote of a member's key to the first byte of its value; notes the key."""
    if cursor.at >= cursor.size or cursor.data[cursor.at] != c'"':
        return fail(cursor, b"expected a member name", cursor.at)
    if not skip_string(cursor):
        return False
    cursor.key_end = cursor.at
    cursor.at = skip_blanks(cursor.data, cursor.at, cursor.size)
    if cursor.at >= cursor.size or cursor.data[cursor.at] != c":":
        return fail(cursor, b"expected a colon", cursor.at)
    cursor.at = skip_blanks(cursor.data, cursor.at + 1, cursor.size)
    return True


cdef inline char closer(bint is_object) noexcept nogil:
    return c"}" if is_object else c"]"


cdef bint skip_value(Cursor* cursor, int depth) noexcept nogil:
    # One bit for each open container, set for an object. `inner` counts the containers opened here.
    cdef uint64_t objects[8]  # MAX_DEPTH bits
    cdef int inner = 0
    cdef bint is_object = False
    cdef char byte
    while True:
        # A value begins at cursor.at.
        byte = cursor.data[cursor.at] if cursor.at < cursor.size else 0
        if byte == c'"':
            if not skip_string(cursor):
                return False
        elif byte == c"{" or byte == c"[":
            if depth + inner >= MAX_DEPTH:
                return fail(cursor, b"nested deeper than 512", cursor.at)
            is_object = byte == c"{"
            if is_object:
                objects[inner >> 6] |= (<uint64_t> 1) << (inner & 63)
            else:
                objects[inner >> 6] &= ~((<uint64_t> 1) << (inner & 63))
            inner += 1
            cursor.at = skip_blanks(cursor.data, cursor.at + 1, cursor.size)
            if cursor.at >= cursor.size or cursor.data[cursor.at] != closer(is_object):
                if is_object and not skip_key(cursor):
                    return False
                continue
            cursor.at += 1
            inner -= 1
        elif not skip_scalar(cursor):
            return False
        # A value has ended: close what closes, then go on to the next one.
        while True:
            if inner == 0:
                return True
            is_object = (objects[(inner - 1) >> 6] >> ((inner - 1) & 63)) & 1
            cursor.at = skip_blanks(cursor.data, cursor.at, cursor.size)
            byte = cursor.data[cursor.at] if cursor.at < cursor.size else 0
            if byte == closer(is_object):
                inner -= 1
                cursor.at += 1
                continue
            if byte != c",":
                return fail(cursor, b"expected a comma or a closing bracket", cursor.at)
            cursor.at = skip_blanks(cursor.data, cursor.at + 1, cursor.size)
            if is_object and not skip_key(cursor):
                return False
            break


cdef bint open_at(Cursor* cursor, const char* data, Py_ssize_t at, Py_ssize_t size, char bracket) noexcept nogil:
    memset(cursor, 0, sizeof(Cursor))
    cursor.data = data
    cursor.size = size
    cursor.at = at
    cursor.value_start = -1
    if at >= size or data[at] != bracket:
        return fail(cursor, b"expected an object", at)
    cursor.at = at + 1
    return True


cdef inline int next_value(Cursor* cursor, char closer) noexcept nogil:
    """To where the next item begins: 1 there is one, 0 the container ended, -1 fault."""
    cdef char byte
    cursor.at = skip_blanks(cursor.data, cursor.at, cursor.size)
    byte = cursor.data[cursor.at] if cursor.at < cursor.size else 0
    if byte == closer:
        cursor.at += 1
        return 0
    if cursor.value_start >= 0:
        if byte != c",":
            fail(cursor, b"expected a comma or a closing bracket", cursor.at)
            return -1
        cursor.at = skip_blanks(cursor.data, cursor.at + 1, cursor.size)
    return 1


cdef int next_member(Cursor* cursor, int depth) noexcept nogil:
    cdef int more = next_value(cursor, c"}")
    cdef Py_ssize_t key_at, key_end
    cdef bint escaped
    if more != 1:
        return more
    key_at = cursor.at
    if not skip_key(cursor):
        return -1
    # The value may hold objects of its own, whose keys the cursor notes as well.
    key_end = cursor.key_end
    escaped = cursor.key_escaped
    cursor.value_start = cursor.at
    if not skip_value(cursor, depth):
        return -1
    cursor.key_at = key_at
    cursor.key_end = key_end
    cursor.key_escaped = escaped
    cursor.value_end = cursor.at
    return 1


cdef int next_item(Cursor* cursor, int depth) noexcept nogil:
    cdef int more = next_value(cursor, c"]")
    if more != 1:
        return more
    cursor.key_at = -1
    cursor.value_start = cursor.at
    if not skip_value(cursor, depth):
        return -1
    cursor.value_end = cursor.at
    return 1


cdef inline int hex_digit(char byte) noexcept nogil:
    if c"0" <= byte <= c"9":
        return byte - c"0"
    if c"a" <= byte <= c"f":
        return byte - c"a" + 10
    if c"A" <= byte <= c"F":
        return byte - c"A" + 10
    return -1


cdef inline int hex_unit(const char* data, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """The four hexadecimal digits at ``at``, -1 if they are not."""
    cdef int code = 0, digit, i
    if at + 4 > end:
        return -1
    for i in range(4):
        digit = hex_digit(data[at + i])
        if digit < 0:
            return -1
        code = code * 16 + digit
    return code


cdef inline int utf8(int code, char* into) noexcept nogil:
    if code < 0x80:
        into[0] = <char> code
        return 1
    if code < 0x800:
        into[0] = <char> (0xC0 | (code >> 6))
        into[1] = <char> (0x80 | (code & 0x3F))
        return 2
    if code < 0x10000:
        into[0] = <char> (0xE0 | (code >> 12))
        into[1] = <char> (0x80 | ((code >> 6) & 0x3F))
        into[2] = <char> (0x80 | (code & 0x3F))
        return 3
    into[0] = <char> (0xF0 | (code >> 18))
    into[1] = <char> (0x80 | ((code >> 12) & 0x3F))
    into[2] = <char> (0x80 | ((code >> 6) & 0x3F))
    into[3] = <char> (0x80 | (code & 0x3F))
    return 4


cdef inline int unescape(const char* data, Py_ssize_t* at, Py_ssize_t end, char* into) noexcept nogil:
    """Length of what the escape at ``at`` (moved behind it) stands for; 0 if it is none or half a surrogate pair."""
    cdef char byte = data[at[0] + 1] if at[0] + 1 < end else 0
    cdef int code, low
    if byte == c"u":
        code = hex_unit(data, at[0] + 2, end)
        at[0] += 6
        if code < 0 or 0xDC00 <= code < 0xE000:
            return 0
        if code >= 0xD800 and code < 0xDC00:
            if at[0] + 1 >= end or data[at[0]] != c"\\" or data[at[0] + 1] != c"u":
                return 0
            low = hex_unit(data, at[0] + 2, end)
            if low < 0xDC00 or low >= 0xE000:
                return 0
            at[0] += 6
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        return utf8(code, into)
    at[0] += 2
    if byte == c'"' or byte == c"\\" or byte == c"/":
        into[0] = byte
    elif byte == c"b":
        into[0] = 8
    elif byte == c"f":
        into[0] = 12
    elif byte == c"n":
        into[0] = 10
    elif byte == c"r":
        into[0] = 13
    elif byte == c"t":
        into[0] = 9
    else:
        return 0
    return 1


cdef bint key_is(const Cursor* cursor, const char* key, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t at = cursor.key_at + 1
    cdef Py_ssize_t end = cursor.key_end - 1
    cdef Py_ssize_t matched = 0
    cdef char piece[4]
    cdef int length
    if not cursor.key_escaped:
        return end - at == size and memcmp(cursor.data + at, key, size) == 0
    while at < end:
        if cursor.data[at] == c"\\":
            length = unescape(cursor.data, &at, end, piece)
            if length == 0:
                return False
        else:
            piece[0] = cursor.data[at]
            length = 1
            at += 1
        if matched + length > size or memcmp(key + matched, piece, length) != 0:
            return False
        matched += length
    return matched == size


cdef enum:
    MAX_KEYS = 32  # a caller names the few members it owns


cdef tuple walk(bytes data, tuple keys, bint whole_member, bint unique):
    cdef const char* wanted[MAX_KEYS]
    cdef Py_ssize_t sizes[MAX_KEYS]
    cdef Py_ssize_t starts[MAX_KEYS]
    cdef Py_ssize_t ends[MAX_KEYS]
    cdef Py_ssize_t count = len(keys), i, at, repeated = -1
    cdef Py_ssize_t size = len(data)
    cdef const char* raw = <const char*> data
    cdef Cursor cursor
    cdef bytes key
    cdef int more
    if count > MAX_KEYS:
        raise ValueError(f"more than {MAX_KEYS} keys")
    for i in range(count):
        key = keys[i]
        wanted[i] = <const char*> key
        sizes[i] = len(key)
        starts[i] = -1
        ends[i] = -1
    open_at(&cursor, raw, bracket_at(raw, size), size, c"{")
    with nogil:
        more = 0 if cursor.fault != NULL else 1
        while more == 1:
            more = next_member(&cursor, 1)
            if more != 1:
                break
            for i in range(count):
                if key_is(&cursor, wanted[i], sizes[i]):
                    if repeated < 0 and starts[i] >= 0:
                        repeated = i
                    starts[i] = cursor.key_at if whole_member else cursor.value_start
                    ends[i] = cursor.value_end
        if cursor.fault == NULL:
            at = skip_blanks(raw, cursor.at, size)
            if at < size:
                fail(&cursor, b"bytes after the object", at)
    if cursor.fault != NULL:
        raise ValueError(f"{cursor.fault.decode()} at byte {cursor.fault_at}")
    if unique and repeated >= 0:
        raise RepeatedMemberError(keys[repeated])
    return tuple([None if starts[i] < 0 else (starts[i], ends[i]) for i in range(count)])


cdef Py_ssize_t bracket_at(const char* data, Py_ssize_t size) noexcept nogil:
    """Where the top-level bracket must be: behind a byte-order mark and blanks."""
    cdef Py_ssize_t at = 3 if size >= 3 and memcmp(data, b"\xef\xbb\xbf", 3) == 0 else 0
    return skip_blanks(data, at, size)


def spans(bytes data not None, tuple keys not None):
    """See ``jsonspan_py.spans``."""
    return walk(data, keys, False, False)


def unique_spans(bytes data not None, tuple keys not None):
    """See ``jsonspan_py.unique_spans``."""
    return walk(data, keys, False, True)


def member_spans(bytes data not None, tuple keys not None):
    """See ``jsonspan_py.member_spans``."""
    return walk(data, keys, True, False)


def item_spans(bytes data not None):
    """See ``jsonspan_py.item_spans``."""
    cdef Cursor cursor
    cdef Py_ssize_t size = len(data), at
    cdef list found = []
    if not open_at(&cursor, data, bracket_at(data, size), size, c"["):
        raise ValueError(f"expected a list at byte {cursor.fault_at}")
    while next_item(&cursor, 1) == 1:
        found.append((cursor.value_start, cursor.value_end))
    if cursor.fault == NULL:
        at = skip_blanks(data, cursor.at, size)
        if at < size:
            fail(&cursor, b"bytes after the list", at)
    if cursor.fault != NULL:
        raise ValueError(f"{cursor.fault.decode()} at byte {cursor.fault_at}")
    return tuple(found)


def patch(bytes data not None, tuple edits not None):
    """See ``jsonspan_py.patch``."""
    cdef Py_ssize_t at = 0, size = len(data), start, end
    cdef list parts = []
    if not edits:
        return (data,)
    view = memoryview(data)
    for start, end, replacement in edits:
        if not at <= start <= end <= size:
            raise ValueError(f"edit ({start}, {end}) overlaps another or leaves the document")
        if start > at:
            parts.append(view[at:start])
        if replacement:
            parts.append(replacement)
        at = end
    if at < size:
        parts.append(view[at:])
    return tuple(parts)


def open_brace(bytes data not None):
    """See ``jsonspan_py.open_brace``."""
    cdef Py_ssize_t size = len(data)
    cdef Py_ssize_t at = bracket_at(data, size)
    if at >= size or (<const char*> data)[at] != c"{":
        raise ValueError(f"expected an object at byte {at}")
    return at + 1


def is_empty_object(bytes data not None):
    """See ``jsonspan_py.is_empty_object``."""
    cdef Py_ssize_t size = len(data)
    cdef Py_ssize_t at = skip_blanks(data, open_brace(data), size)
    return at < size and (<const char*> data)[at] == c"}"


def holds(bytes data not None, bytes needle not None):
    """See ``jsonspan_py.holds``."""
    cdef Py_ssize_t length = len(needle)
    if length < 2:
        return needle in data
    return holds_needle(data, len(data), needle, length)
