# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The compiled half of ``chat_py``: same names, same answers, and it declines the same.

Bounds: spans come from a walk of ``jsonspan_c``, so ``start <= end <= size`` and a value has at least one byte; a
string, object or list has two, its brackets. Everything below reads within such a span, behind ``at < end``.
There is no recursion: the walk has its own bound on depth, and usage is read two objects deep.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeASCII
from libc.stdint cimport int64_t
from libc.string cimport memcmp, memcpy

from omniroute._speedups.bytescan_c cimport first_of, first_unprintable
from omniroute._speedups.jsonspan_c cimport Cursor, bracket_at, key_is, next_member, open_at, skip_blanks

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)

cdef enum:
    COPY_BYTES = 16384     # chat_py.COPY_BYTES
    MODEL_BYTES = 256
    COUNT_DIGITS = 12      # of a token count
    CHOICES_DIGITS = 2     # of n

cdef struct Span:
    Py_ssize_t start    # -1: absent
    Py_ssize_t end

cdef enum:              # places in Tokens.counts
    PROMPT = 0
    COMPLETION = 1
    TOTAL = 2
    CACHED = 3
    WRITTEN = 4
    AUDIO_IN = 5
    REASONING = 6
    AUDIO_OUT = 7
    COUNTS = 8

cdef struct Tokens:
    int64_t counts[COUNTS]  # -1: absent
    bint inputs             # the details have been there
    bint outputs


cdef inline bint is_word(const Cursor* cursor, const char* word, Py_ssize_t size) noexcept nogil:
    """Whether the value of the member just found is ``word``."""
    return cursor.value_end - cursor.value_start == size and memcmp(cursor.data + cursor.value_start, word, size) == 0


cdef inline bint named(const Cursor* cursor, const char* name, Py_ssize_t size) noexcept nogil:
    """Whether the member just found is called ``name``, written without escapes."""
    return cursor.key_end - cursor.key_at == size + 2 and memcmp(cursor.data + cursor.key_at + 1, name, size) == 0


cdef inline int64_t whole_number(const Cursor* cursor, int digits) noexcept nogil:
    """The value of the member just found if that is at most ``digits`` (fewer than 19) digits, -1 otherwise."""
    cdef Py_ssize_t at = cursor.value_start
    cdef Py_ssize_t length = cursor.value_end - at
    cdef int64_t number = 0
    if length > digits or (cursor.data[at] == c"0" and length > 1):
        return -1
    while at < cursor.value_end:
        if not c"0" <= cursor.data[at] <= c"9":
            return -1
        number = number * 10 + (cursor.data[at] - c"0")
        at += 1
    return number


cdef inline bint is_plain(const char* data, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Whether data[start..end) is text that JSON writes between quotes as it is: printable ASCII without escapes."""
    return first_unprintable(data, start, end) >= end and first_of(data, start, end, c'"', c"\\") >= end


cdef inline bint note(Span* span, const Cursor* cursor) noexcept nogil:
    """False if the member has been there before."""
    if span.start >= 0:
        return False
    span.start = cursor.value_start
    span.end = cursor.value_end
    return True


cdef inline bint ends_here(Cursor* cursor) noexcept nogil:
    """Whether the walk ended with the object, and the document with the walk."""
    return cursor.fault == NULL and skip_blanks(cursor.data, cursor.at, cursor.size) == cursor.size


def scan_request(bytes body not None):
    """See ``chat_py.scan_request``."""
    cdef Span spans[3]  # model, stream_options, include_usage
    cdef Cursor cursor
    cdef const char* data = PyBytes_AS_STRING(body)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
    cdef int64_t choices = 0
    cdef bint messages = False, stream = False, stream_told = False, include_usage = False
    cdef int i
    for i in range(3):
        spans[i] = Span(-1, -1)
    if not open_at(&cursor, data, bracket_at(data, size), size, c"{"):
        return None
    while next_member(&cursor, 1) == 1:
        if key_is(&cursor, b"model", 5):
            if not note(&spans[0], &cursor):
                return None
        elif key_is(&cursor, b"messages", 8):
            if messages or data[cursor.value_start] != c"[":
                return None
            messages = True
        elif key_is(&cursor, b"stream", 6):
            stream = is_word(&cursor, b"true", 4)
            if stream_told or not (stream or is_word(&cursor, b"false", 5)):
                return None
            stream_told = True
        elif key_is(&cursor, b"n", 1):
            if choices:
                return None
            choices = whole_number(&cursor, CHOICES_DIGITS)
            if choices < 1:
                return None
        elif key_is(&cursor, b"stream_options", 14):
            if not note(&spans[1], &cursor):
                return None
    if not ends_here(&cursor) or not messages or spans[0].start < 0:
        return None
    if data[spans[0].start] != c'"' or not 1 <= spans[0].end - spans[0].start - 2 <= MODEL_BYTES:
        return None
    if not is_plain(data, spans[0].start + 1, spans[0].end - 1):
        return None
    if not stream:
        spans[1].start = -1
    elif spans[1].start >= 0:
        if not only_usage_option(data, &spans[1], &spans[2]):
            return None
        include_usage = data[spans[2].start] == c"t"
    return (
        PyUnicode_DecodeASCII(data + spans[0].start + 1, spans[0].end - spans[0].start - 2, NULL),
        stream,
        include_usage,
        choices if choices else 1,
        (span_or_none(&spans[0]), span_or_none(&spans[1]), span_or_none(&spans[2])),
    )


cdef inline object span_or_none(const Span* span):
    return None if span.start < 0 else (span.start, span.end)


cdef inline bint only_usage_option(const char* data, const Span* options, Span* told) noexcept nogil:
    """Whether ``options`` is an object of one member, ``include_usage``, true or false; ``told`` is where."""
    cdef Cursor cursor
    if not open_at(&cursor, data, options.start, options.end, c"{"):
        return False
    if next_member(&cursor, 2) != 1 or not named(&cursor, b"include_usage", 13):
        return False
    if not (is_word(&cursor, b"true", 4) or is_word(&cursor, b"false", 5)):
        return False
    note(told, &cursor)
    return next_member(&cursor, 2) == 0


def encode_body(bytes body not None, tuple model_span, str model not None, bytes inserted not None):
    """See ``chat_py.encode_body``."""
    cdef const char* data = PyBytes_AS_STRING(body)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
    cdef const char* name = NULL
    cdef Py_ssize_t cut = 0, start, end, name_size = 0
    if PyBytes_GET_SIZE(inserted):
        cut = bracket_at(data, size)
        if cut >= size or data[cut] != c"{":
            return None
        cut += 1
    elif model_span is None:
        return (body,)
    start = end = cut
    if model_span is not None:
        start, end = model_span
        if not cut <= start <= end <= size or not PyUnicode_IS_ASCII(model):
            return None
        name = PyUnicode_AsUTF8AndSize(model, &name_size)  # of ASCII: the text itself, no copy
        if not is_plain(name, 0, name_size):
            return None
    if size <= COPY_BYTES:
        return (patched(data, cut, inserted, start, name, name_size, end, size),)
    view = memoryview(body)
    if end <= COPY_BYTES:
        return (patched(data, cut, inserted, start, name, name_size, end, end), view[end:])
    front = patched(data, cut, inserted, cut, NULL, 0, cut, cut)
    parts = (front, view[cut:start], patched(data, 0, b"", 0, name, name_size, 0, 0), view[end:])
    return tuple([part for part in parts if len(part)])


cdef bytes patched(
    const char* data, Py_ssize_t cut, bytes inserted, Py_ssize_t start, const char* name, Py_ssize_t name_size,
    Py_ssize_t end, Py_ssize_t size,
):
    """data[0..cut), ``inserted``, data[cut..start), ``name`` in quotes (NULL: none) and data[end..size), in one object.

    Filled to its last byte: what is allocated is the sum of the lengths that are copied, in their order. The caller has
    seen to ``0 <= cut <= start <= end <= size``.
    """
    cdef Py_ssize_t inserted_size = PyBytes_GET_SIZE(inserted)
    cdef Py_ssize_t quoted = 0 if name == NULL else name_size + 2
    cdef bytes made = PyBytes_FromStringAndSize(NULL, start + inserted_size + quoted + size - end)
    cdef char* into = PyBytes_AS_STRING(made)
    memcpy(into, data, cut)
    into += cut
    memcpy(into, PyBytes_AS_STRING(inserted), inserted_size)
    into += inserted_size
    memcpy(into, data + cut, start - cut)
    into += start - cut
    if name != NULL:
        into[0] = c'"'
        memcpy(into + 1, name, name_size)
        into[name_size + 1] = c'"'
        into += quoted
    memcpy(into, data + end, size - end)
    return made


def scan_answer(bytes body not None):
    """See ``chat_py.scan_answer``."""
    cdef Span choices = Span(-1, -1)
    cdef Span usage = Span(-1, -1)
    cdef Cursor cursor
    cdef Tokens tokens
    cdef const char* data = PyBytes_AS_STRING(body)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
    if not open_at(&cursor, data, bracket_at(data, size), size, c"{"):
        return None
    while next_member(&cursor, 1) == 1:
        # Of two members of one name the last counts, for the slow path as well.
        if key_is(&cursor, b"choices", 7):
            choices = Span(cursor.value_start, cursor.value_end)
        elif key_is(&cursor, b"usage", 5):
            usage = Span(cursor.value_start, cursor.value_end)
    if not ends_here(&cursor) or choices.start < 0 or usage.start < 0:
        return None
    if data[choices.start] != c"[" or skip_blanks(data, choices.start + 1, choices.end) == choices.end - 1:
        return None
    if not read_usage(data, &usage, &tokens) or not is_sound(&tokens):
        return None
    return (
        tokens.counts[PROMPT], tokens.counts[CACHED], tokens.counts[WRITTEN], 0, tokens.counts[COMPLETION],
        tokens.counts[REASONING], tokens.counts[AUDIO_IN], tokens.counts[AUDIO_OUT], True,
    )


cdef bint is_sound(Tokens* tokens) noexcept nogil:
    """Whether all three totals are there and no part is more than its whole; what is absent of the parts becomes 0."""
    cdef int i
    cdef int64_t* counts = tokens.counts
    if counts[PROMPT] < 0 or counts[COMPLETION] < 0 or counts[TOTAL] < 0:
        return False
    for i in range(COUNTS):
        if counts[i] < 0:
            counts[i] = 0
    # Counts of COUNT_DIGITS digits: no sum of two leaves 64 bits.
    return (
        counts[TOTAL] == counts[PROMPT] + counts[COMPLETION]
        and counts[CACHED] + counts[WRITTEN] <= counts[PROMPT]
        and counts[AUDIO_IN] <= counts[PROMPT]
        and counts[REASONING] <= counts[COMPLETION]
        and counts[AUDIO_OUT] <= counts[COMPLETION]
    )


cdef bint read_usage(const char* data, const Span* usage, Tokens* tokens) noexcept nogil:
    """The counts of a ``usage`` object; False to decline."""
    cdef Cursor cursor
    cdef int i, more, place
    for i in range(COUNTS):
        tokens.counts[i] = -1
    tokens.inputs = tokens.outputs = False
    if not open_at(&cursor, data, usage.start, usage.end, c"{"):
        return False
    while True:
        more = next_member(&cursor, 2)
        if more != 1:
            return more == 0
        if not is_plain(data, cursor.key_at + 1, cursor.key_end - 1):
            return False
        place = total_place(&cursor)
        if place >= 0:
            if not put(tokens, place, &cursor):
                return False
        elif named(&cursor, b"prompt_tokens_details", 21):
            if tokens.inputs or not read_details(&cursor, tokens, True):
                return False
            tokens.inputs = True
        elif named(&cursor, b"completion_tokens_details", 25):
            if tokens.outputs or not read_details(&cursor, tokens, False):
                return False
            tokens.outputs = True
        elif (
            named(&cursor, b"prompt_cache_hit_tokens", 23)
            or named(&cursor, b"cache_read_input_tokens", 23)
            or named(&cursor, b"cache_creation_input_tokens", 27)
        ):
            return False
        elif not is_scalar(&cursor) and not is_flat(&cursor):
            return False


cdef inline int total_place(const Cursor* cursor) noexcept nogil:
    if named(cursor, b"prompt_tokens", 13):
        return PROMPT
    if named(cursor, b"completion_tokens", 17):
        return COMPLETION
    if named(cursor, b"total_tokens", 12):
        return TOTAL
    return -1


cdef inline bint put(Tokens* tokens, int place, const Cursor* cursor) noexcept nogil:
    """False if there is such a count already or this is no plain one."""
    if tokens.counts[place] >= 0:
        return False
    tokens.counts[place] = whole_number(cursor, COUNT_DIGITS)
    return tokens.counts[place] >= 0


cdef bint read_details(const Cursor* outer, Tokens* tokens, bint inputs) noexcept nogil:
    """The counts of the details that are the value of ``outer``'s member; False to decline."""
    cdef Cursor cursor
    cdef int more, place
    if is_word(outer, b"null", 4):
        return True
    if not open_at(&cursor, outer.data, outer.value_start, outer.value_end, c"{"):
        return False
    while True:
        more = next_member(&cursor, 3)
        if more != 1:
            return more == 0
        if not is_plain(cursor.data, cursor.key_at + 1, cursor.key_end - 1):
            return False
        place = input_place(&cursor) if inputs else output_place(&cursor)
        if place >= 0:
            if not put(tokens, place, &cursor):
                return False
        elif not is_scalar(&cursor):
            return False


cdef inline int input_place(const Cursor* cursor) noexcept nogil:
    if named(cursor, b"cached_tokens", 13):
        return CACHED
    if named(cursor, b"audio_tokens", 12):
        return AUDIO_IN
    if named(cursor, b"cache_write_tokens", 18):
        return WRITTEN
    return -1


cdef inline int output_place(const Cursor* cursor) noexcept nogil:
    if named(cursor, b"reasoning_tokens", 16):
        return REASONING
    if named(cursor, b"audio_tokens", 12):
        return AUDIO_OUT
    return -1


cdef bint is_flat(const Cursor* outer) noexcept nogil:
    """Whether the value is an object of scalars under plain names: JSON beyond doubt, though nobody reads it."""
    cdef Cursor cursor
    cdef int more
    if not open_at(&cursor, outer.data, outer.value_start, outer.value_end, c"{"):
        return False
    while True:
        more = next_member(&cursor, 3)
        if more != 1:
            return more == 0
        if not is_plain(cursor.data, cursor.key_at + 1, cursor.key_end - 1) or not is_scalar(&cursor):
            return False


cdef bint is_scalar(const Cursor* cursor) noexcept nogil:
    """Whether the value is null, true, false or a number without an exponent, spelled as JSON has it."""
    cdef const char* data = cursor.data
    cdef Py_ssize_t at = cursor.value_start
    cdef Py_ssize_t end = cursor.value_end
    cdef Py_ssize_t digits_at
    if is_word(cursor, b"null", 4) or is_word(cursor, b"true", 4) or is_word(cursor, b"false", 5):
        return True
    if data[at] == c"-":
        at += 1
    digits_at = at
    at = behind_digits(data, at, end)
    if at == digits_at or (data[digits_at] == c"0" and at - digits_at > 1):
        return False
    if at < end and data[at] == c".":
        digits_at = at + 1
        at = behind_digits(data, digits_at, end)
        if at == digits_at:
            return False
    return at == end


cdef inline Py_ssize_t behind_digits(const char* data, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    while at < end and c"0" <= data[at] <= c"9":
        at += 1
    return at
