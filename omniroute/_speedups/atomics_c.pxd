# Atomic access to words of a mapping shared with other processes. Orders are named by what they are used for:
# a load that is followed by reads of what it points to (acquire), a store that publishes (release), a swap that does both.

from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from * nogil:
    """
    #include <stdint.h>

    static inline uint64_t omni_load(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
    static inline void omni_store(uint64_t *at, uint64_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
    /* On failure *expected is what was found. */
    static inline int omni_swap(uint64_t *at, uint64_t *expected, uint64_t value) {
        return __atomic_compare_exchange_n(at, expected, value, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }
    /* Statistics: nobody draws conclusions from their order. */
    static inline void omni_add(int64_t *at, int64_t amount) { __atomic_fetch_add(at, amount, __ATOMIC_RELAXED); }
    static inline int64_t omni_peek(const int64_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
    /* A word with one writer, stored in the order of the writer's other stores. */
    static inline uint32_t omni_peek32(const uint32_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
    static inline void omni_store32(uint32_t *at, uint32_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
    /* Between the bytes of a buffer and the second look at the word that guards them. */
    static inline void omni_read_fence(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
    /* Between that word and the next change of the buffer it guarded before. */
    static inline void omni_write_fence(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }
    """
    uint64_t omni_load(const uint64_t* at) noexcept
    void omni_store(uint64_t* at, uint64_t value) noexcept
    bint omni_swap(uint64_t* at, uint64_t* expected, uint64_t value) noexcept
    void omni_add(int64_t* at, int64_t amount) noexcept
    int64_t omni_peek(const int64_t* at) noexcept
    uint32_t omni_peek32(const uint32_t* at) noexcept
    void omni_store32(uint32_t* at, uint32_t value) noexcept
    void omni_read_fence() noexcept
    void omni_write_fence() noexcept
