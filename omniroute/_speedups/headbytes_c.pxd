# Classes of the bytes of a head, and names in any case. Inline C, as bytescan_c: every module that cimports it has its
# own tables and calls fill_tables() once.

from libc.stdint cimport uint8_t, uint32_t

cdef extern from *:
    """
    /* Zero for what is in no header name we read; else the character in lower case. */
    static unsigned char omni_lower[256];
    static unsigned char omni_token[256];   /* RFC 9110 section 5.6.2 */
    static unsigned char omni_in_path[256];
    static unsigned char omni_in_query[256];
    static unsigned char omni_in_host[256];

    static void omni_fill(unsigned char *table, const char *members) {
        for (; *members; members++) table[(unsigned char)*members] = (unsigned char)*members;
    }

    static void omni_fill_tables(void) {
        const char *alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        int at;
        for (at = 0; alnum[at]; at++) {
            const unsigned char c = (unsigned char)alnum[at];
            omni_lower[c] = c >= 'A' && c <= 'Z' ? c + 32 : c;
            omni_token[c] = omni_in_path[c] = omni_in_query[c] = omni_in_host[c] = c;
        }
        omni_fill(omni_lower, "-_");
        omni_fill(omni_token, "!#$%&'*+.^_`|~-");
        omni_fill(omni_in_path, "/._~:@!$&'()*+,;=-");
        omni_fill(omni_in_query, "/._~:@!$&'()*+,;=?%-");
        omni_fill(omni_in_host, "._-");
    }
    """
    const unsigned char* LOWER "omni_lower"
    const unsigned char* TOKEN "omni_token"
    const unsigned char* IN_PATH "omni_in_path"
    const unsigned char* IN_QUERY "omni_in_query"
    const unsigned char* IN_HOST "omni_in_host"
    void fill_tables "omni_fill_tables"()


cdef inline uint8_t folded(uint32_t running) noexcept:
    return <uint8_t>(running ^ (running >> 8) ^ (running >> 16))


cdef inline uint8_t hash_of(const char* name, Py_ssize_t size) noexcept:
    """As scan computes it while it reads a name. ``name`` in any case."""
    cdef uint32_t running = 0
    cdef Py_ssize_t at
    for at in range(size):
        running = running * 31 + LOWER[<unsigned char>name[at]]
    return folded(running)


cdef inline bint same(const char* text, const char* lowered, Py_ssize_t size) noexcept:
    """``text`` in lower case is ``lowered``."""
    cdef Py_ssize_t at
    for at in range(size):
        if LOWER[<unsigned char>text[at]] != <unsigned char>lowered[at]:
            return False
    return True


cdef inline bint is_token(const char* name, Py_ssize_t size) noexcept:
    cdef Py_ssize_t at
    for at in range(size):
        if not TOKEN[<unsigned char>name[at]]:
            return False
    return size > 0
