# Body framing of HTTP/1.1 (RFC 9112 §6, §7.1) over C memory: what follows a head, cut out of the bytes a socket gave.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef struct Framing:
    uint8_t kind          # BODY_* of status.py
    uint8_t state         # of the chunked decoder, see dechunk_c
    uint8_t digits        # hexadecimal digits seen of the current chunk size
    bint complete         # the body was read to its end
    uint32_t line_bytes   # of the current chunk extension, or of all trailers, line ends included
    uint64_t left         # bytes to come of the body (length) or of the current chunk
    const char* reason    # why the framing is broken; NULL while it is not

cdef struct Decoded:
    char* start           # payload, contiguous, inside the memory that was given
    Py_ssize_t size
    Py_ssize_t used       # bytes of the input that belong to this body, framing included

cdef void framing_set(Framing* framing, int kind, uint64_t length) noexcept
cdef void framing_decode(Framing* framing, char* data, Py_ssize_t size, Decoded* out) noexcept
