# cython: boundscheck=False, wraparound=False, cdivision=True
r"""Body framing over C memory.

Theory of operation
-------------------
``framing_decode`` is given bytes in memory it may write to and takes the framing out in place: the first run of payload
stays where it is, later runs are moved down to it. So a read that holds one chunk moves nothing, and a translator is
called once a read however many chunks the read held. All input is consumed unless the body ends inside it. A broken
framing gives the payload before the fault, then ``reason``: the outcome does not depend on how the bytes were split.

Chunked coding (RFC 9112 §7.1) is strict, because two parsers that disagree are how requests are smuggled: at most 16
digits, CRLF and nothing else ends a line, extensions are skipped but bounded, trailers are bounded and dropped.

    SIZE0 -digit-> SIZE -;-> EXT -CR-> SIZE_LF -LF-> DATA -left=0-> DATA_CR -CR-> DATA_LF -LF-> SIZE0
                   SIZE -CR-> SIZE_LF ; SIZE -blank-> BLANK -;-> EXT
    SIZE_LF with size 0 -LF-> FIELD0 -CR-> END_LF -LF-> complete ; FIELD0 -any-> FIELD -CR-> FIELD_LF -LF-> FIELD0

Bounds: ``at`` runs from ``data`` to ``data + size`` and every dereference follows the ``at < end`` of its loop; ``write``
never passes ``at``.
"""

from libc.string cimport memmove

from omniroute._speedups.link_c cimport BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_EOF

cdef enum:
    EXTENSION_BYTES = 4096   # behind the digits of one chunk size: nobody sends any, attackers send long ones
    TRAILER_BYTES = 16384    # all trailers of a body together
    SIZE_DIGITS = 16

cdef enum:
    SIZE0 = 0
    SIZE = 1
    BLANK = 2
    EXT = 3
    SIZE_LF = 4
    DATA = 5
    DATA_CR = 6
    DATA_LF = 7
    FIELD0 = 8
    FIELD = 9
    FIELD_LF = 10
    END_LF = 11


cdef void framing_set(Framing* framing, int kind, uint64_t length) noexcept:
    framing.kind = <uint8_t> kind
    framing.state = SIZE0
    framing.digits = 0
    framing.line_bytes = 0
    framing.left = length if kind == BODY_LENGTH else 0
    framing.reason = NULL
    framing.complete = kind == BODY_NONE or (kind == BODY_LENGTH and length == 0)


cdef void framing_decode(Framing* framing, char* data, Py_ssize_t size, Decoded* out) noexcept:
    out.start = data
    out.size = 0
    out.used = 0
    if framing.complete or framing.reason != NULL:
        return
    if framing.kind == BODY_CHUNKED:
        dechunk(framing, data, size, out)
    elif framing.kind == BODY_UNTIL_EOF:
        out.size = out.used = size
    else:
        out.size = out.used = size if <uint64_t> size < framing.left else <Py_ssize_t> framing.left
        framing.left -= <uint64_t> out.used
        framing.complete = framing.left == 0


cdef void dechunk(Framing* framing, char* data, Py_ssize_t size, Decoded* out) noexcept:
    cdef char* at = data
    cdef char* end = data + size
    cdef char* write = NULL
    cdef Py_ssize_t run
    while at < end and not framing.complete and framing.reason == NULL:
        if framing.state != DATA:
            line_byte(framing, <uint8_t> at[0])
            at += 1
            continue
        run = end - at
        if <uint64_t> run > framing.left:
            run = <Py_ssize_t> framing.left
        if write == NULL:
            out.start = write = at
        else:
            memmove(write, at, run)
        write += run
        at += run
        framing.left -= <uint64_t> run
        if framing.left == 0:
            framing.state = DATA_CR
    if write != NULL:
        out.size = write - out.start
    out.used = at - data


cdef inline void expect(Framing* framing, uint8_t byte, uint8_t wanted, uint8_t state, const char* reason) noexcept:
    if byte == wanted:
        framing.state = state
    else:
        framing.reason = reason


cdef void line_byte(Framing* framing, uint8_t byte) noexcept:
    """One byte that is not payload."""
    cdef uint8_t state = framing.state
    if state <= EXT:
        size_byte(framing, byte)
    elif state == SIZE_LF:
        expect(framing, byte, b"\n", DATA if framing.left else FIELD0, b"a chunk size line does not end with CRLF")
        framing.line_bytes = 0
    elif state == DATA_CR:
        expect(framing, byte, b"\r", DATA_LF, b"no CRLF after a chunk")
    elif state == DATA_LF:
        expect(framing, byte, b"\n", SIZE0, b"no CRLF after a chunk")
    elif state == END_LF:
        expect(framing, byte, b"\n", SIZE0, b"a trailer line does not end with CRLF")
        framing.complete = framing.reason == NULL
    elif state == FIELD_LF:
        expect(framing, byte, b"\n", FIELD0, b"a trailer line does not end with CRLF")
    else:
        trailer_byte(framing, byte)


cdef inline void size_byte(Framing* framing, uint8_t byte) noexcept:
    cdef int digit = -1
    cdef uint8_t lower = byte | 0x20
    if framing.state <= SIZE:
        if b"0" <= byte <= b"9":
            digit = byte - <uint8_t> b"0"
        elif b"a" <= lower <= b"f":
            digit = lower - <uint8_t> b"a" + 10
    if digit >= 0:
        if framing.state == SIZE0:
            framing.digits = 0
            framing.line_bytes = 0
            framing.left = 0
            framing.state = SIZE
        framing.digits += 1
        if framing.digits > SIZE_DIGITS or framing.left >> 59:
            # 63 bits: a size that is no Py_ssize_t is an attack on somebody's arithmetic
            framing.reason = b"a chunk size is too large"
            return
        framing.left = (framing.left << 4) | <uint64_t> digit
    elif framing.state == SIZE0:
        framing.reason = b"a chunk size is not hexadecimal"
    elif byte == b"\r" and framing.state != BLANK:
        framing.state = SIZE_LF
    elif byte == b"\n" or byte == b"\r":
        framing.reason = b"a chunk size line does not end with CRLF"
    elif framing.line_bytes == EXTENSION_BYTES:
        framing.reason = b"a chunk extension is too long"
    else:
        framing.line_bytes += 1
        if framing.state == EXT:
            return
        if byte == b";":
            framing.state = EXT
        elif byte == b" " or byte == b"\t":
            framing.state = BLANK
        else:
            framing.reason = b"a chunk size is not hexadecimal"


cdef inline void trailer_byte(Framing* framing, uint8_t byte) noexcept:
    if byte == b"\r":
        framing.state = END_LF if framing.state == FIELD0 else FIELD_LF
        framing.line_bytes += 2
    elif byte == b"\n":
        framing.reason = b"a trailer line does not end with CRLF"
    elif framing.line_bytes >= TRAILER_BYTES:
        framing.reason = b"the trailers are too long"
    else:
        framing.line_bytes += 1
        framing.state = FIELD
