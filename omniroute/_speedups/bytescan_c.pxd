# Finding bytes sixteen at a time. Inline C, so that every module that cimports it has its own copy and no call is left.
# SSE2 is part of every x86-64; elsewhere eight bytes at a time in a register. Nothing outside data[at..size) is read.

cdef extern from *:
    """
    #include <string.h>
    #if defined(__SSE2__)
    #include <emmintrin.h>
    #define OMNI_SSE2 1
    #endif

    static inline Py_ssize_t omni_first_of(const char *data, Py_ssize_t at, Py_ssize_t size, char one, char two) {
    #ifdef OMNI_SSE2
        const __m128i ones = _mm_set1_epi8(one), twos = _mm_set1_epi8(two);
        while (at + 16 <= size) {
            const __m128i block = _mm_loadu_si128((const __m128i *)(data + at));
            const int hits = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(block, ones), _mm_cmpeq_epi8(block, twos)));
            if (hits) return at + __builtin_ctz((unsigned)hits);
            at += 16;
        }
    #else
        /* "Has a zero byte" on the word XORed with the byte sought; a hit is then pinned down by the last loop. */
        const unsigned long long low = 0x0101010101010101ULL, top = 0x8080808080808080ULL;
        while (at + 8 <= size) {
            unsigned long long word, a, b;
            memcpy(&word, data + at, 8);
            a = word ^ (low * (unsigned char)one);
            b = word ^ (low * (unsigned char)two);
            if ((((a - low) & ~a) | ((b - low) & ~b)) & top) break;
            at += 8;
        }
    #endif
        while (at < size && data[at] != one && data[at] != two) at++;
        return at;
    }

    /* The first byte that is no printable ASCII character and no blank; `size` if there is none. */
    static inline Py_ssize_t omni_first_unprintable(const char *data, Py_ssize_t at, Py_ssize_t size) {
    #ifdef OMNI_SSE2
        const __m128i blank = _mm_set1_epi8(' '), del = _mm_set1_epi8(0x7f);
        while (at + 16 <= size) {
            const __m128i block = _mm_loadu_si128((const __m128i *)(data + at));
            /* compared as signed: bytes from 0x80 up are below the blank too */
            const int hits = _mm_movemask_epi8(_mm_or_si128(_mm_cmplt_epi8(block, blank), _mm_cmpeq_epi8(block, del)));
            if (hits) return at + __builtin_ctz((unsigned)hits);
            at += 16;
        }
    #endif
        while (at < size && (unsigned char)data[at] >= 0x20 && (unsigned char)data[at] < 0x7f) at++;
        return at;
    }

    /* The first byte a JSON string cannot go on with as it is: a quote, a backslash, a control, or above ASCII. */
    static inline Py_ssize_t omni_text_stop(const char *data, Py_ssize_t at, Py_ssize_t size) {
    #ifdef OMNI_SSE2
        const __m128i blank = _mm_set1_epi8(' '), quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8(92);
        while (at + 16 <= size) {
            const __m128i block = _mm_loadu_si128((const __m128i *)(data + at));
            /* compared as signed: bytes from 0x80 up are below the blank too */
            const int hits = _mm_movemask_epi8(_mm_or_si128(_mm_cmplt_epi8(block, blank),
                _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, slash))));
            if (hits) return at + __builtin_ctz((unsigned)hits);
            at += 16;
        }
    #endif
        for (; at < size; at++) {
            const unsigned char byte = (unsigned char)data[at];
            if (byte < 0x20 || byte >= 0x80 || byte == '"' || byte == 92) return at;
        }
        return size;
    }

    /* The next '"' that is followed by one of four letters, `size` if there is none. */
    static inline Py_ssize_t omni_quoted(
        const char *data, Py_ssize_t at, Py_ssize_t size, char a, char b, char c, char d
    ) {
    #ifdef OMNI_SSE2
        const __m128i quote = _mm_set1_epi8('"');
        const __m128i as = _mm_set1_epi8(a), bs = _mm_set1_epi8(b), cs = _mm_set1_epi8(c), ds = _mm_set1_epi8(d);
        while (at + 17 <= size) {
            const __m128i here = _mm_loadu_si128((const __m128i *)(data + at));
            const __m128i next = _mm_loadu_si128((const __m128i *)(data + at + 1));
            const __m128i letter = _mm_or_si128(
                _mm_or_si128(_mm_cmpeq_epi8(next, as), _mm_cmpeq_epi8(next, bs)),
                _mm_or_si128(_mm_cmpeq_epi8(next, cs), _mm_cmpeq_epi8(next, ds)));
            const int hits = _mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(here, quote), letter));
            if (hits) return at + __builtin_ctz((unsigned)hits);
            at += 16;
        }
    #endif
        for (; at + 1 < size; at++) {
            const char next = data[at + 1];
            if (data[at] == '"' && (next == a || next == b || next == c || next == d)) return at;
        }
        return size;
    }

    /* Whether the needle, of two bytes or more, is in data. Looked at is where both its first and its last byte are in
       place; memmem, which looks for the first alone, stops at every such letter of a long prompt. */
    static inline int omni_holds(const char *data, Py_ssize_t size, const char *needle, Py_ssize_t length) {
        Py_ssize_t at = 0;
    #ifdef OMNI_SSE2
        const __m128i firsts = _mm_set1_epi8(needle[0]), lasts = _mm_set1_epi8(needle[length - 1]);
        #define OMNI_BOTH(at) _mm_and_si128( \
            _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(data + (at))), firsts), \
            _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(data + (at) + length - 1)), lasts))
        while (at + length + 15 <= size) {
            int hits;
            while (at + length + 63 <= size && !_mm_movemask_epi8(_mm_or_si128(
                _mm_or_si128(OMNI_BOTH(at), OMNI_BOTH(at + 16)), _mm_or_si128(OMNI_BOTH(at + 32), OMNI_BOTH(at + 48)))))
                at += 64;
            if (at + length + 15 > size) break;
            for (hits = _mm_movemask_epi8(OMNI_BOTH(at)); hits; hits &= hits - 1)
                if (!memcmp(data + at + __builtin_ctz((unsigned)hits), needle, (size_t)length)) return 1;
            at += 16;
        }
        #undef OMNI_BOTH
    #endif
        for (; at + length <= size; at++)
            if (data[at] == needle[0] && !memcmp(data + at, needle, (size_t)length)) return 1;
        return 0;
    }
    """
    # Offset of the first byte that is `one` or `two` at or after `at`; `size` if there is none.
    Py_ssize_t first_of "omni_first_of"(
        const char* data, Py_ssize_t at, Py_ssize_t size, char one, char two
    ) noexcept nogil
    Py_ssize_t first_unprintable "omni_first_unprintable"(
        const char* data, Py_ssize_t at, Py_ssize_t size
    ) noexcept nogil
    Py_ssize_t quoted "omni_quoted"(
        const char* data, Py_ssize_t at, Py_ssize_t size, char a, char b, char c, char d
    ) noexcept nogil
    Py_ssize_t text_stop "omni_text_stop"(const char* data, Py_ssize_t at, Py_ssize_t size) noexcept nogil
    bint holds_needle "omni_holds"(
        const char* data, Py_ssize_t size, const char* needle, Py_ssize_t length
    ) noexcept nogil
