# cython: boundscheck=False, wraparound=False
"""HTTP/1.1 heads of the common shape over C pointers; ``heads_py`` is the specification and tells the theory.

Bounds: a scan stops at ``size`` or at a byte that is not of the class it looks for. A ``bytes`` object ends with a NUL
that is not counted in its size and belongs to no class, so ``text[at]`` may be read for every ``at <= size``; what
looks further ahead compares with ``size`` first. Offsets fit 16 bits because a longer head is declined before.
"""

from collections.abc import Mapping

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from omniroute._speedups.bytescan_c cimport first_unprintable
from omniroute._speedups.headbytes_c cimport (
    IN_HOST, IN_PATH, IN_QUERY, LOWER, fill_tables, folded, hash_of, is_token, same,
)

cdef extern from "Python.h":
    Py_ssize_t PyTuple_GET_SIZE(object tuple)

fill_tables()  # of this module: headbytes_c is inline C

cdef enum:
    ROOM = 48            # heads_py.MAX_FIELDS
    HEAD_BYTES = 0xFFFF  # heads_py.MAX_HEAD_BYTES
    NAME_BYTES = 0xFF
    LENGTH_DIGITS = 18
    SET_NAMES = 64       # of a NameSet: a list of that length is scanned

cdef enum:  # status.BODY_*
    NO_BODY = 0
    BY_LENGTH = 1
    BY_CHUNKS = 2
    UNTIL_EOF = 3

cdef struct Field:
    uint16_t name_at     # offsets and sizes in bytes
    uint16_t value_at
    uint16_t value_size
    uint8_t name_size
    uint8_t hash         # of the name in lower case

cdef struct Framing:
    int kind
    long long length     # bytes, with BY_LENGTH


cdef class Lines:
    """Where the fields of a head are. 384 bytes of places: the object stays within what pymalloc serves."""

    cdef bytes raw
    cdef const char* text            # of ``raw``
    cdef int count
    cdef Field fields[ROOM]

    cdef bint scan(self, Py_ssize_t at) noexcept:
        """Find the fields from ``at`` to the blank line; False if it is not the end or a line is not of the shape."""
        cdef const char* text = self.text
        cdef Py_ssize_t size = PyBytes_GET_SIZE(self.raw)
        cdef Py_ssize_t start, name_size
        cdef uint32_t running
        cdef unsigned char c
        cdef Field* field
        while text[at] != c'\r':
            if self.count == ROOM:
                return False
            field = &self.fields[self.count]
            start = at
            running = 0
            c = LOWER[<unsigned char>text[at]]
            while c:
                running = running * 31 + c
                at += 1
                c = LOWER[<unsigned char>text[at]]
            name_size = at - start
            if text[at] != c':' or name_size == 0 or name_size > NAME_BYTES:
                return False
            field.name_at = <uint16_t>start
            field.name_size = <uint8_t>name_size
            field.hash = folded(running)
            at += 1
            while text[at] == c' ':
                at += 1
            start = at
            at = first_unprintable(text, at, size)
            if at == size or text[at] != c'\r' or text[at + 1] != c'\n':
                return False
            field.value_at = <uint16_t>start
            at += 2
            start = at - 2
            while start > field.value_at and text[start - 1] == c' ':
                start -= 1
            if start == field.value_at:
                return False
            field.value_size = <uint16_t>(start - field.value_at)
            self.count += 1
        return at + 2 == size and text[at + 1] == c'\n'

    cdef inline bint named(self, Field* field, const char* lowered, int size) noexcept:
        return field.name_size == size and same(self.text + field.name_at, lowered, size)

    cdef inline bint valued(self, Field* field, const char* lowered, int size) noexcept:
        return field.value_size == size and same(self.text + field.value_at, lowered, size)

    cdef bint length(self, Field* field, Framing* framing) noexcept:
        """Content-Length into ``framing``; False if it is no number of at most 18 digits."""
        cdef const char* digit = self.text + field.value_at
        cdef int at
        if field.value_size > LENGTH_DIGITS:
            return False
        framing.length = 0
        for at in range(field.value_size):
            if digit[at] < c'0' or digit[at] > c'9':
                return False
            framing.length = framing.length * 10 + (digit[at] - c'0')
        framing.kind = BY_LENGTH
        return True

    cdef bytes name(self, Field* field):
        cdef bytes made = PyBytes_FromStringAndSize(NULL, field.name_size)
        cdef char* into = PyBytes_AS_STRING(made)
        cdef int at
        for at in range(field.name_size):
            into[at] = LOWER[<unsigned char>self.text[field.name_at + at]]
        return made

    cdef inline bytes value(self, Field* field):
        return PyBytes_FromStringAndSize(self.text + field.value_at, field.value_size)


cdef class Fields(Lines):
    """The headers of a request, a mapping from lower-case name to value that makes only what it is asked for."""

    cdef bint unique(self) noexcept:
        """No name comes twice."""
        cdef uint64_t seen[4]
        cdef uint64_t bit
        cdef Field* field
        cdef Field* other
        cdef int index, before
        seen[0] = seen[1] = seen[2] = seen[3] = 0
        for index in range(self.count):
            field = &self.fields[index]
            bit = (<uint64_t>1) << (field.hash & 63)
            if seen[field.hash >> 6] & bit:
                for before in range(index):
                    other = &self.fields[before]
                    if other.hash == field.hash and other.name_size == field.name_size and self.alike(field, other):
                        return False
            seen[field.hash >> 6] |= bit
        return True

    cdef bint alike(self, Field* one, Field* other) noexcept:
        cdef int at
        for at in range(one.name_size):
            if (
                LOWER[<unsigned char>self.text[one.name_at + at]]
                != LOWER[<unsigned char>self.text[other.name_at + at]]
            ):
                return False
        return True

    cdef Field* find(self, object name) except? NULL:
        cdef const char* wanted
        cdef Py_ssize_t size
        cdef uint8_t hashed
        cdef int index
        if not isinstance(name, bytes):
            return NULL
        wanted = PyBytes_AS_STRING(name)
        size = PyBytes_GET_SIZE(name)
        hashed = hash_of(wanted, size)
        for index in range(self.count):
            if self.fields[index].hash == hashed and self.named(&self.fields[index], wanted, <int>size):
                return &self.fields[index]
        return NULL

    def get(self, name, default=None):
        cdef Field* field = self.find(name)
        return default if field == NULL else self.value(field)

    def __getitem__(self, name):
        cdef Field* field = self.find(name)
        if field == NULL:
            raise KeyError(name)
        return self.value(field)

    def __contains__(self, name):
        return self.find(name) != NULL

    def __len__(self):
        return self.count

    def __iter__(self):
        return iter(self.keys())

    def keys(self):
        cdef int index
        return [self.name(&self.fields[index]) for index in range(self.count)]

    def values(self):
        cdef int index
        return [self.value(&self.fields[index]) for index in range(self.count)]

    def items(self):
        cdef int index
        return [(self.name(&self.fields[index]), self.value(&self.fields[index])) for index in range(self.count)]

    def __eq__(self, other):
        return dict(self.items()) == (dict(other.items()) if isinstance(other, Fields) else other)

    __hash__ = None

    def __repr__(self):
        return f"<{self.count} headers>"  # values may be credentials

Mapping.register(Fields)


cdef class ResponseFields(Lines):
    """The headers of a response, a sequence of (lower-case name, value) that is made when it is looked at."""

    cdef tuple made

    cdef tuple pairs(self):
        cdef int index
        if self.made is None:
            self.made = tuple(
                [(self.name(&self.fields[index]), self.value(&self.fields[index])) for index in range(self.count)]
            )
        return self.made

    def __iter__(self):
        return iter(self.pairs())

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.pairs()[index]

    def __eq__(self, other):
        return self.pairs() == (tuple(other) if isinstance(other, ResponseFields) else other)

    __hash__ = None

    def __repr__(self):
        return f"<{self.count} headers>"

    cdef bytes relayed(self, NameSet dropped):
        cdef bint kept[ROOM]
        cdef int index, at
        cdef Py_ssize_t size = 0
        cdef Field* field
        cdef bytes block
        cdef char* into
        for index in range(self.count):
            field = &self.fields[index]
            kept[index] = not dropped.has(self.text + field.name_at, field.name_size, field.hash)
            if kept[index]:
                size += field.name_size + field.value_size + 4
        block = PyBytes_FromStringAndSize(NULL, size)
        into = PyBytes_AS_STRING(block)
        for index in range(self.count):
            if kept[index]:
                field = &self.fields[index]
                for at in range(field.name_size):
                    into[at] = LOWER[<unsigned char>self.text[field.name_at + at]]
                into += field.name_size
                into[0] = c':'
                into[1] = c' '
                into += 2
                memcpy(into, self.text + field.value_at, field.value_size)
                into += field.value_size
                into[0] = c'\r'
                into[1] = c'\n'
                into += 2
        return block


cdef struct Member:
    const char* name     # of a bytes object in ``names``
    int size
    uint8_t hash


cdef class NameSet:
    """Header names in lower case, asked with the bytes of a head."""

    cdef tuple names
    cdef uint64_t bits[4]            # hashes that occur
    cdef Member members[SET_NAMES]

    def __cinit__(self, names):
        cdef int index
        cdef bytes name
        cdef uint8_t hashed
        self.names = tuple(names)
        if len(self.names) > SET_NAMES:
            raise ValueError(f"more than {SET_NAMES} names")
        for index in range(<int>len(self.names)):
            name = self.names[index]
            hashed = hash_of(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
            self.members[index] = Member(PyBytes_AS_STRING(name), <int>PyBytes_GET_SIZE(name), hashed)
            self.bits[hashed >> 6] |= (<uint64_t>1) << (hashed & 63)

    def __contains__(self, name):
        return name in self.names

    def __iter__(self):
        return iter(self.names)

    def __len__(self):
        return len(self.names)

    cdef bint has(self, const char* name, int size, uint8_t hashed) noexcept:
        """``name`` in any case."""
        cdef int index
        cdef Member* member
        if not self.bits[hashed >> 6] & ((<uint64_t>1) << (hashed & 63)):
            return False
        for index in range(<int>PyTuple_GET_SIZE(self.names)):
            member = &self.members[index]
            if member.hash == hashed and member.size == size and same(name, member.name, size):
                return True
        return False


cdef class RequestHead:
    """See the twin."""

    cdef readonly str method
    cdef readonly str path
    cdef readonly bytes query
    cdef readonly object headers
    cdef readonly bytes raw
    cdef readonly int body
    cdef readonly long long length
    cdef readonly bint keep_alive
    cdef readonly bint http10
    cdef readonly bint expect_continue
    cdef readonly bint upgrade
    cdef bytes given_target          # None: to be cut from ``raw``
    cdef Py_ssize_t target_at
    cdef Py_ssize_t target_size

    def __init__(
        self, str method, bytes target, str path, bytes query, headers, bytes raw, int body, long long length,
        *, bint keep_alive, bint http10=False, bint expect_continue=False, bint upgrade=False,
    ):
        self.method = method
        self.given_target = target
        self.path = path
        self.query = query
        self.headers = headers
        self.raw = raw
        self.body = body
        self.length = length
        self.keep_alive = keep_alive
        self.http10 = http10
        self.expect_continue = expect_continue
        self.upgrade = upgrade

    @property
    def target(self):
        if self.given_target is None:
            self.given_target = self.raw[self.target_at:self.target_at + self.target_size]
        return self.given_target


cdef class ResponseHead:
    """See the twin."""

    cdef readonly int status
    cdef readonly object headers
    cdef readonly int body_kind
    cdef readonly long long body_bytes
    cdef readonly double keep_alive_s
    cdef readonly bint keep_alive

    def __init__(
        self, int status, headers, int body_kind, long long body_bytes, double keep_alive_s, *, bint keep_alive
    ):
        self.status = status
        self.headers = headers
        self.body_kind = body_kind
        self.body_bytes = body_bytes
        self.keep_alive_s = keep_alive_s
        self.keep_alive = keep_alive


cdef bint is_host(const char* text, int size) noexcept:
    """A name or IPv4 address, perhaps with a port of at most five digits."""
    cdef int at = 0, port_at
    while at < size and IN_HOST[<unsigned char>text[at]]:
        at += 1
    if at == 0 or at == size:
        return at > 0
    if text[at] != c':' or size - at > 6:
        return False
    for port_at in range(at + 1, size):
        if text[port_at] < c'0' or text[port_at] > c'9':
            return False
    return True


cdef int read_request(Fields fields, Framing* framing) noexcept:
    """What the headers say of framing and connection: 1 to be kept, 0 to be closed, -1: declines."""
    cdef bint hosted = False
    cdef bint keep = True
    cdef int index
    cdef Field* field
    framing.kind = NO_BODY
    framing.length = 0
    for index in range(fields.count):
        field = &fields.fields[index]
        if field.name_size == 4:
            if same(fields.text + field.name_at, b"host", 4):
                if not is_host(fields.text + field.value_at, field.value_size):
                    return -1
                hosted = True
        elif field.name_size == 10:
            if same(fields.text + field.name_at, b"connection", 10):
                if fields.valued(field, b"close", 5):
                    keep = False
                elif not fields.valued(field, b"keep-alive", 10):
                    return -1
        elif field.name_size == 14:
            if same(fields.text + field.name_at, b"content-length", 14):
                if framing.kind != NO_BODY or not fields.length(field, framing):
                    return -1
        elif field.name_size == 17:
            if same(fields.text + field.name_at, b"transfer-encoding", 17):
                if framing.kind != NO_BODY or not fields.valued(field, b"chunked", 7):
                    return -1
                framing.kind = BY_CHUNKS
        elif fields.named(field, b"upgrade", 7) or fields.named(field, b"expect", 6):
            return -1
    if framing.kind == BY_LENGTH and framing.length == 0:
        framing.kind = NO_BODY
    return keep if hosted else -1


def parse_request_head(bytes data, Py_ssize_t max_headers, Py_ssize_t target_bytes):
    """See the twin."""
    cdef const char* text = PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    cdef Py_ssize_t target_at, path_end, at
    cdef Framing framing
    cdef int kept
    cdef Fields fields
    cdef RequestHead head
    if size > HEAD_BYTES or size < 18:  # "GET / HTTP/1.1" and two line ends
        return None
    if memcmp(text, b"POST ", 5) == 0:
        target_at = 5
    elif memcmp(text, b"GET ", 4) == 0:
        target_at = 4
    else:
        return None
    at = target_at
    if text[at] != c'/':
        return None
    while IN_PATH[<unsigned char>text[at]]:
        at += 1
    path_end = at
    if text[at] == c'?':
        at += 1
        while IN_QUERY[<unsigned char>text[at]]:
            at += 1
    if at - target_at > target_bytes or at + 11 > size or memcmp(text + at, b" HTTP/1.1\r\n", 11) != 0:
        return None
    fields = Fields.__new__(Fields)
    fields.raw = data
    fields.text = text
    if not fields.scan(at + 11) or fields.count > max_headers or not fields.unique():
        return None
    kept = read_request(fields, &framing)
    if kept < 0:
        return None
    head = RequestHead.__new__(RequestHead)
    head.method = "POST" if target_at == 5 else "GET"
    head.path = PyUnicode_DecodeASCII(text + target_at, path_end - target_at, NULL)
    head.query = b"" if at - path_end < 2 else PyBytes_FromStringAndSize(text + path_end + 1, at - path_end - 1)
    head.headers = fields
    head.raw = data
    head.body = framing.kind
    head.length = framing.length
    head.keep_alive = kept
    head.target_at = target_at
    head.target_size = at - target_at
    return head


cdef int announced_s(const char* text, int size) noexcept:
    """N of ``timeout=N`` with at most nine digits, alone or before a comma; -1: declines."""
    cdef int at = 8, found = 0
    # "=" is not in LOWER: the name and the sign are compared apart
    if size < 9 or not same(text, b"timeout", 7) or text[7] != c'=':
        return -1
    while at < size and c'0' <= text[at] <= c'9':
        if at == 17:
            return -1
        found = found * 10 + (text[at] - c'0')
        at += 1
    return found if at > 8 and (at == size or text[at] == c',') else -1


cdef int read_response(ResponseFields fields, Framing* framing, int* timeout_s) noexcept:
    """As read_request; ``timeout_s``: what Keep-Alive announces, 0 if nothing."""
    cdef int keep = -1
    cdef int index
    cdef Field* field
    framing.kind = NO_BODY
    framing.length = 0
    timeout_s[0] = -1
    for index in range(fields.count):
        field = &fields.fields[index]
        if field.name_size == 10:
            if same(fields.text + field.name_at, b"connection", 10):
                if keep >= 0:
                    return -1
                keep = fields.valued(field, b"keep-alive", 10)
                if not keep and not fields.valued(field, b"close", 5):
                    return -1
            elif same(fields.text + field.name_at, b"keep-alive", 10):
                if timeout_s[0] >= 0:
                    return -1
                timeout_s[0] = announced_s(fields.text + field.value_at, field.value_size)
                if timeout_s[0] < 0:
                    return -1
        elif field.name_size == 14:
            if same(fields.text + field.name_at, b"content-length", 14):
                if framing.kind != NO_BODY or not fields.length(field, framing):
                    return -1
        elif field.name_size == 17:
            if same(fields.text + field.name_at, b"transfer-encoding", 17):
                if framing.kind != NO_BODY or not fields.valued(field, b"chunked", 7):
                    return -1
                framing.kind = BY_CHUNKS
        elif fields.named(field, b"upgrade", 7):
            return -1
    if timeout_s[0] < 0:
        timeout_s[0] = 0
    return 1 if keep < 0 else keep


def parse_response_head(bytes data, *, bint bodiless):
    """See the twin."""
    cdef const char* text = PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    cdef Py_ssize_t at
    cdef Framing framing
    cdef int kept, timeout_s
    cdef ResponseFields fields
    cdef ResponseHead head
    # "HTTP/1.1 200 " and two line ends
    if size > HEAD_BYTES or size < 17 or memcmp(text, b"HTTP/1.1 ", 9) != 0 or text[12] != c' ':
        return None
    if not (c'2' <= text[9] <= c'5' and c'0' <= text[10] <= c'9' and c'0' <= text[11] <= c'9'):
        return None
    at = first_unprintable(text, 13, size)
    if at == size or text[at] != c'\r' or text[at + 1] != c'\n':
        return None
    fields = ResponseFields.__new__(ResponseFields)
    fields.raw = data
    fields.text = text
    if not fields.scan(at + 2):
        return None
    kept = read_response(fields, &framing, &timeout_s)
    if kept < 0:
        return None
    head = ResponseHead.__new__(ResponseHead)
    head.status = 100 * (text[9] - c'0') + 10 * (text[10] - c'0') + (text[11] - c'0')
    head.headers = fields
    if bodiless or head.status == 204 or head.status == 304:
        framing.kind = NO_BODY
        framing.length = 0
    elif framing.kind == NO_BODY:
        framing.kind = UNTIL_EOF
        kept = 0
    elif framing.kind == BY_LENGTH and framing.length == 0:
        framing.kind = NO_BODY
    head.body_kind = framing.kind
    head.body_bytes = framing.length
    head.keep_alive_s = timeout_s
    head.keep_alive = kept
    return head


def relayed_lines(headers, NameSet dropped not None):
    """See the twin."""
    if type(headers) is ResponseFields:
        return (<ResponseFields>headers).relayed(dropped)
    return b"".join([b"%b: %b\r\n" % pair for pair in headers if pair[0] not in dropped])


cdef inline char* put(char* into, bytes data) noexcept:
    memcpy(into, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    return into + PyBytes_GET_SIZE(data)


cdef inline bint breaks(const char* text, Py_ssize_t size) noexcept:
    """A CR, LF or NUL is in it. Values are short and printable: one look at all of it mostly settles it."""
    cdef Py_ssize_t at = first_unprintable(text, 0, size)
    while at < size:
        if text[at] == c'\r' or text[at] == c'\n' or text[at] == 0:
            return True
        at = first_unprintable(text, at + 1, size)
    return False


cdef inline char* put_line(char* into, bytes name, bytes value) noexcept:
    into = put(into, name)
    into[0] = c':'
    into[1] = c' '
    into = put(into + 2, value)
    into[0] = c'\r'
    into[1] = c'\n'
    return into + 2


cdef Py_ssize_t room_for(tuple pairs) except -1:
    """Bytes of all lines. Raises TypeError or ValueError for what is no tuple of pairs of bytes."""
    cdef Py_ssize_t size = 0
    cdef tuple pair
    for pair in pairs:
        if pair is None or len(pair) != 2:
            raise ValueError("a header is a pair")
        if not isinstance(pair[0], bytes) or not isinstance(pair[1], bytes):
            raise TypeError("a header's name and value are bytes")
        size += PyBytes_GET_SIZE(pair[0]) + PyBytes_GET_SIZE(pair[1]) + 4
    return size


def write_reply_head(
    bytes start not None, bytes request_id not None, bytes lines not None, tuple pairs not None,
    NameSet owned not None, bytes end not None
):
    """See the twin."""
    cdef Py_ssize_t size = (
        PyBytes_GET_SIZE(start) + PyBytes_GET_SIZE(request_id) + PyBytes_GET_SIZE(lines) + PyBytes_GET_SIZE(end) + 2
    )
    cdef bytes made, name, value
    cdef tuple pair
    cdef char* into
    cdef char* began
    cdef Py_ssize_t name_size
    size += room_for(pairs)
    made = PyBytes_FromStringAndSize(NULL, size)
    began = PyBytes_AS_STRING(made)
    into = put(put(began, start), request_id)
    into[0] = c'\r'
    into[1] = c'\n'
    into = put(into + 2, lines)
    for pair in pairs:
        name, value = <bytes>pair[0], <bytes>pair[1]
        name_size = PyBytes_GET_SIZE(name)
        if not is_token(PyBytes_AS_STRING(name), name_size):
            continue
        if name_size <= NAME_BYTES and owned.has(
            PyBytes_AS_STRING(name), <int>name_size, hash_of(PyBytes_AS_STRING(name), name_size)
        ):
            continue
        if breaks(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)):
            value = value.replace(b"\r", b" ").replace(b"\n", b" ").replace(b"\0", b" ")
        into = put_line(into, name, value)
    into = put(into, end)
    # what was left out shortens it
    return made if into - began == size else PyBytes_FromStringAndSize(began, into - began)


def write_request_head(bytes start not None, tuple pairs not None, long long length):
    """See the twin."""
    cdef bytes end = b"\r\n" if length < 0 else b"Content-Length: %d\r\n\r\n" % length
    cdef Py_ssize_t size = PyBytes_GET_SIZE(start) + room_for(pairs) + PyBytes_GET_SIZE(end)
    cdef bytes made = PyBytes_FromStringAndSize(NULL, size)
    cdef bytes name, value
    cdef char* into = put(PyBytes_AS_STRING(made), start)
    cdef tuple pair
    for pair in pairs:
        name, value = <bytes>pair[0], <bytes>pair[1]
        if breaks(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)) or breaks(
            PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)
        ):
            raise ValueError("a line break or NUL in a header")
        into = put_line(into, name, value)
    put(into, end)
    return made
