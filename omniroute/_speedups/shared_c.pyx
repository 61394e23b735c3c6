# cython: boundscheck=False, wraparound=False
"""Tables of numbers shared by all processes of one gateway: ``shared_py`` with atomics. Its docstring has the theory.

Why an operation is exact although rows can be taken over: it loads the value word, then looks again whether the row still has
its key, then swaps the word. A take-over changes the word (generation, or arrival time) before it changes the key, and once
more after; so either the second look sees the other key, or the swap fails. A word is only ever loaded after a locked
one was stored whole (acquire and release), hence an unlocked word of a new generation shows the new key.
"""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t
from posix.unistd cimport close as close_fd

from omniroute._speedups.atomics_c cimport omni_add, omni_load, omni_peek, omni_peek32, omni_store, omni_store32, omni_swap

from omniroute._speedups import shared_py
from omniroute._speedups.shared_py import SnapshotArea

cdef extern from "<fcntl.h>" nogil:
    struct flock_t "flock":
        short l_type
        short l_whence
        long long l_start
        long long l_len
    int F_SETLKW, F_WRLCK, F_UNLCK, F_DUPFD_CLOEXEC
    int fcntl(int fd, int command, ...)

cdef enum:
    MAX_IDS_C = 65536
    PROBE_ROWS_C = 32
    WORKER_SLOTS_C = 64
    STATS_C = 1024
    EPOCH_AT = 128
    RATES_AT = 4096

cdef enum Kind:
    RATE
    GAUGE
    CURSOR

cdef struct Row:
    uint64_t key
    uint64_t value

cdef uint64_t VALUE_MASK = (<uint64_t> 1 << 48) - 1
cdef uint64_t LOCKED_RATE = <uint64_t> 0xFFFFFFFFFFFFFFFF
cdef int64_t RATE_SPAN_NS = <int64_t> 1 << 62

MAX_IDS = MAX_IDS_C
PROBE_ROWS = PROBE_ROWS_C
WORKER_SLOTS = WORKER_SLOTS_C
STATS = STATS_C
SIZE_BYTES = shared_py.SIZE_BYTES


cdef inline bint is_locked(uint64_t value, Kind kind) noexcept nogil:
    """A take-over of the row is half done: no arrival time and no 48-bit count gets there."""
    if kind == RATE:
        return value == LOCKED_RATE
    return (value & VALUE_MASK) == VALUE_MASK


cdef inline uint64_t home_of(uint64_t key) noexcept nogil:
    return (key * <uint64_t> 0x9E3779B97F4A7C15) >> 48


cdef class Shared:
    """The mapping, opened. All methods are wait-free except first use of an id (bounded probing)."""

    cdef object _mapping
    cdef Py_buffer _view
    cdef char* _base        # NULL once closed
    cdef int _fd            # ours, for the record lock of take-overs
    cdef Row* _tables[3]    # by Kind
    cdef int64_t* _stats
    cdef uint32_t* _all_held  # by slot, then by row of the gauges
    cdef uint32_t* _held    # our slot's; NULL without one

    def __cinit__(self, int fd, *, bint create=False, bytes boot_id=b"", int slot=-1):
        self._base = NULL
        self._fd = -1
        if not -1 <= slot < WORKER_SLOTS_C:
            raise IndexError(f"slot {slot}")
        self._mapping = shared_py.prepare_shared(fd, create=create, boot_id=boot_id)
        if len(self._mapping) < shared_py.SIZE_BYTES:
            raise ValueError(f"shared table has {len(self._mapping)} bytes, should have {shared_py.SIZE_BYTES}")
        self._fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)
        if self._fd < 0:
            raise OSError(errno, "duplicate the shared table's descriptor")
        PyObject_GetBuffer(self._mapping, &self._view, PyBUF_WRITABLE)
        self._base = <char*> self._view.buf
        self._tables[<int> RATE] = <Row*> (self._base + RATES_AT)
        self._tables[<int> GAUGE] = self._tables[<int> RATE] + MAX_IDS_C
        self._tables[<int> CURSOR] = self._tables[<int> GAUGE] + MAX_IDS_C
        self._stats = <int64_t*> (self._tables[<int> CURSOR] + MAX_IDS_C)
        self._all_held = <uint32_t*> (self._stats + WORKER_SLOTS_C * STATS_C)
        self._held = NULL if slot < 0 else self._all_held + <Py_ssize_t> slot * MAX_IDS_C

    def __dealloc__(self):
        if self._base != NULL:
            PyBuffer_Release(&self._view)
        if self._fd >= 0:
            close_fd(self._fd)

    def close(self):
        """Unmap. Any other method raises ``ValueError`` from now on; closing again does nothing."""
        if self._base == NULL:
            return
        self._base = NULL
        PyBuffer_Release(&self._view)
        self._mapping.close()
        close_fd(self._fd)
        self._fd = -1

    cdef inline int _check(self) except -1:
        if self._base == NULL:
            raise ValueError("shared table is closed")
        return 0

    # -- epoch ------------------------------------------------------------------------------------------------------
    def epoch(self):
        """Number of the snapshot in force; one 8-byte load (acquire)."""
        self._check()
        return omni_load(<uint64_t*> (self._base + EPOCH_AT))

    def publish_epoch(self, uint64_t epoch):
        """Store it (release). Control only."""
        self._check()
        omni_store(<uint64_t*> (self._base + EPOCH_AT), epoch)

    # -- rows -------------------------------------------------------------------------------------------------------
    cdef Row* _find(self, Kind kind, uint64_t key) except? NULL:
        """The id's row, NULL without an exception if it has none."""
        cdef Row* table = self._tables[<int> kind]
        cdef Row* row
        cdef uint64_t home, seen
        cdef int step
        self._check()
        if key == 0:
            raise ValueError("id 0 has no row")
        home = home_of(key)
        for step in range(PROBE_ROWS_C):
            row = table + ((home + step) % MAX_IDS_C)
            seen = omni_load(&row.key)
            if seen == key and not is_locked(omni_load(&row.value), kind):
                return row
            if seen == 0:
                return NULL
        return NULL

    cdef Row* _claim(self, Kind kind, uint64_t key, uint64_t now_ns) except NULL:
        """The id's row, one taken for it if it had none."""
        cdef Row* table = self._tables[<int> kind]
        cdef Row* row
        cdef uint64_t home, seen
        cdef int step
        self._check()
        if key == 0:
            raise ValueError("id 0 has no row")
        home = home_of(key)
        for step in range(PROBE_ROWS_C):
            row = table + ((home + step) % MAX_IDS_C)
            seen = omni_load(&row.key)
            if seen == 0:
                # Whoever brings the same id comes to this row too, so it cannot get two.
                if omni_swap(&row.key, &seen, key):
                    return row
            if seen == key and not is_locked(omni_load(&row.value), kind):
                return row
        return self._take_over(kind, key, now_ns)

    cdef Row* _take_over(self, Kind kind, uint64_t key, uint64_t now_ns) except NULL:
        """An idle row of a full window, under the record lock (held for some hundred nanoseconds, freed by the kernel at death).

        The lock belongs to the process; its threads are kept apart by the GIL, which is not let go in between.
        """
        cdef Row* row
        self._lock(F_WRLCK)
        row = self._find(kind, key)  # another process may have been first
        if row == NULL:
            row = self._replace_idle(kind, key, now_ns)
        self._lock(F_UNLCK)
        if row == NULL:
            raise OverflowError(f"no idle row among the {PROBE_ROWS_C} that id {key:#x} may have")
        return row

    cdef int _lock(self, int kind) except -1:
        cdef flock_t lock
        lock.l_type = kind
        lock.l_whence = 0
        lock.l_start = 0
        lock.l_len = 0
        while fcntl(self._fd, F_SETLKW, &lock) < 0:
            if errno != EINTR:
                raise OSError(errno, "record lock of the shared table")
        return 0

    cdef Row* _replace_idle(self, Kind kind, uint64_t key, uint64_t now_ns) noexcept:
        cdef Row* table = self._tables[<int> kind]
        cdef Row* row
        cdef Row* best
        cdef uint64_t home = home_of(key)
        cdef uint64_t value, rank, best_rank, best_value, locked, fresh
        cdef int step
        # Bounded: a swap fails only when the row chosen was used in between, that is when others got on.
        for _ in range(PROBE_ROWS_C):
            best = NULL
            best_rank = best_value = 0
            for step in range(PROBE_ROWS_C):
                row = table + ((home + step) % MAX_IDS_C)
                value = omni_load(&row.value)
                if is_locked(value, kind):  # its taker died: under the lock there is no other
                    rank = 0
                else:
                    rank = value if kind == RATE else value & VALUE_MASK
                    if (kind == RATE and value >= now_ns) or (kind == GAUGE and rank):
                        continue
                if best == NULL or rank < best_rank:
                    best = row
                    best_rank = rank
                    best_value = value
            if best == NULL:
                return NULL
            if kind == RATE:
                locked = LOCKED_RATE
                fresh = now_ns
            else:
                fresh = (best_value & ~VALUE_MASK) + (<uint64_t> 1 << 48)
                locked = fresh | VALUE_MASK
            if omni_swap(&best.value, &best_value, locked):
                omni_store(&best.key, key)
                omni_store(&best.value, fresh)
                return best
        return NULL

    # -- rates (GCRA) -----------------------------------------------------------------------------------------------
    def rate_take(self, uint64_t limiter, int64_t now_ns, int64_t interval_ns, int64_t burst, int64_t cost=1):
        """Take ``cost`` units: 0 if admitted, else nanoseconds until it would be, -1 if never (``cost > burst``)."""
        cdef Row* row
        cdef uint64_t value, arrival_ns
        cdef int64_t early_ns
        if interval_ns <= 0 or cost < 0:
            raise ValueError(f"rate of one per {interval_ns} ns at a cost of {cost}: out of range")
        if cost > burst:
            return -1
        if not 0 <= now_ns < RATE_SPAN_NS or burst > (RATE_SPAN_NS - 1) // interval_ns:
            raise ValueError(f"{burst} units of {interval_ns} ns at {now_ns} ns: out of range")
        while True:
            row = self._claim(RATE, limiter, now_ns)
            value = omni_load(&row.value)
            while not is_locked(value, RATE) and omni_load(&row.key) == limiter:
                arrival_ns = (value if value > <uint64_t> now_ns else <uint64_t> now_ns) + <uint64_t> (cost * interval_ns)
                early_ns = <int64_t> (arrival_ns - <uint64_t> now_ns) - burst * interval_ns
                if early_ns > 0:
                    return early_ns
                if omni_swap(&row.value, &value, arrival_ns):
                    return 0

    def rate_give(self, uint64_t limiter, int64_t interval_ns, int64_t cost=1):
        """Give back what a call took and did not use."""
        cdef Row* row
        cdef uint64_t value, back_ns
        if interval_ns <= 0 or cost < 0:
            raise ValueError(f"rate of one per {interval_ns} ns at a cost of {cost}: out of range")
        if cost > (RATE_SPAN_NS - 1) // interval_ns:
            raise ValueError(f"{cost} units of {interval_ns} ns: out of range")
        back_ns = cost * interval_ns
        while True:
            row = self._find(RATE, limiter)
            if row == NULL:
                return
            value = omni_load(&row.value)
            while not is_locked(value, RATE) and omni_load(&row.key) == limiter:
                if omni_swap(&row.value, &value, value - back_ns if value > back_ns else 0):
                    return

    # -- gauges (in flight) -----------------------------------------------------------------------------------------
    def gauge_enter(self, uint64_t gauge, int64_t limit=0):
        """Add one; False and nothing added if ``limit`` (> 0) is reached."""
        cdef Row* row
        cdef Py_ssize_t index
        cdef uint64_t value
        while True:
            row = self._claim(GAUGE, gauge, 0)
            index = row - self._tables[<int> GAUGE]
            self._note(index, 1)
            value = omni_load(&row.value)
            while not is_locked(value, GAUGE) and omni_load(&row.key) == gauge:
                if limit > 0 and (value & VALUE_MASK) >= <uint64_t> limit:
                    self._note(index, -1)
                    return False
                if omni_swap(&row.value, &value, value + 1):
                    return True
            self._note(index, -1)

    def gauge_leave(self, uint64_t gauge):
        """Take one away; never below 0."""
        cdef Row* row
        cdef uint64_t value
        while True:
            row = self._find(GAUGE, gauge)
            if row == NULL:
                return
            value = omni_load(&row.value)
            while not is_locked(value, GAUGE) and omni_load(&row.key) == gauge:
                if not value & VALUE_MASK:
                    return
                if omni_swap(&row.value, &value, value - 1):
                    self._note(row - self._tables[<int> GAUGE], -1)
                    return

    cdef inline void _note(self, Py_ssize_t index, int change) noexcept:
        """Count what our slot holds of a gauge. Only we write it, so it needs no swap; atomic, since ``slot_clear`` reads it."""
        if self._held != NULL and (change > 0 or omni_peek32(self._held + index)):
            omni_store32(self._held + index, omni_peek32(self._held + index) + change)

    def slot_clear(self, Py_ssize_t slot):
        """Give back what the dead process of a slot held in gauges; how many places that was."""
        cdef uint32_t* all_held
        cdef Row* row
        cdef Py_ssize_t index
        cdef uint64_t value, back
        cdef int64_t given = 0
        self._check()
        if not 0 <= slot < WORKER_SLOTS_C:
            raise IndexError(f"slot {slot}")
        all_held = self._all_held + slot * MAX_IDS_C
        for index in range(MAX_IDS_C):
            if not all_held[index]:
                continue
            row = self._tables[<int> GAUGE] + index
            value = omni_load(&row.value)
            while not is_locked(value, GAUGE):
                back = min(<uint64_t> all_held[index], value & VALUE_MASK)
                if omni_swap(&row.value, &value, value - back):
                    given += back
                    break
            all_held[index] = 0
        return given

    def gauge(self, uint64_t gauge):
        """How many are in; 0 for an id never used."""
        cdef Row* row = self._find(GAUGE, gauge)
        cdef uint64_t value
        if row == NULL:
            return 0
        value = omni_load(&row.value)
        # Taken over meanwhile: it was idle.
        return 0 if is_locked(value, GAUGE) or omni_load(&row.key) != gauge else value & VALUE_MASK

    # -- cursors ----------------------------------------------------------------------------------------------------
    def cursor_next(self, uint64_t cursor):
        """A number one higher each time it is asked, in any process (round robin). The first is 0."""
        cdef Row* row
        cdef uint64_t value
        while True:
            row = self._claim(CURSOR, cursor, 0)
            value = omni_load(&row.value)
            while not is_locked(value, CURSOR) and omni_load(&row.key) == cursor:
                if omni_swap(&row.value, &value, value + 1):
                    return value & VALUE_MASK

    # -- statistics -------------------------------------------------------------------------------------------------
    cdef int64_t* _stat(self, Py_ssize_t slot, Py_ssize_t cell) except NULL:
        self._check()
        if not (0 <= slot < WORKER_SLOTS_C and 0 <= cell < STATS_C):
            raise IndexError(f"statistics cell {cell} of slot {slot}")
        return self._stats + slot * STATS_C + cell

    def stat_add(self, Py_ssize_t slot, Py_ssize_t cell, int64_t amount=1):
        """Add to one cell; ``amount`` may be negative."""
        omni_add(self._stat(slot, cell), amount)

    def stat_total(self, Py_ssize_t cell):
        """Sum over all slots."""
        cdef int64_t total = 0
        cdef Py_ssize_t slot
        for slot in range(WORKER_SLOTS_C):
            total += omni_peek(self._stat(slot, cell))
        return total

    def stat_get(self, Py_ssize_t slot, Py_ssize_t cell):
        """One cell of one slot."""
        return omni_peek(self._stat(slot, cell))
