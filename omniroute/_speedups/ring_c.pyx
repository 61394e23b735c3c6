# cython: boundscheck=False, wraparound=False
"""A worker's journal: ``ring_py`` with ordered stores. Its docstring has the theory, the layout and the bounds."""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from omniroute._speedups.atomics_c cimport omni_load, omni_read_fence, omni_store, omni_write_fence

from omniroute._speedups import ring_py
from omniroute._speedups.ring_py import RingFullError

cdef enum:
    RING_BYTES_C = 16 * 1024 * 1024
    OPEN_SLOTS_C = 8192
    OPEN_BYTES_C = 384
    RECORD_BYTES_C = 1024
    HEAD_AT = 128
    TAIL_AT = 192
    SLOTS_AT = 4096
    BUFFER_BYTES = 8 + OPEN_BYTES_C
    SLOT_BYTES = 8 + 2 * BUFFER_BYTES
    RING_AT = SLOTS_AT + OPEN_SLOTS_C * SLOT_BYTES
    FILE_BYTES_C = RING_AT + RING_BYTES_C
    LARGEST_BYTES = 8 + RECORD_BYTES_C

RING_BYTES = RING_BYTES_C
OPEN_SLOTS = OPEN_SLOTS_C
OPEN_BYTES = OPEN_BYTES_C
RECORD_BYTES = RECORD_BYTES_C
FILE_BYTES = FILE_BYTES_C


cdef inline uint64_t padded(uint64_t length) noexcept nogil:
    return 8 + ((length + 7) & ~<uint64_t> 7)


cdef class _Ring:
    """The mapping of either end."""

    cdef object _mapping
    cdef Py_buffer _view
    cdef char* _base    # NULL once unmapped

    cdef int _attach(self, object mapping) except -1:
        if len(mapping) != FILE_BYTES_C:
            raise ValueError(f"journal ring has {len(mapping)} bytes, should have {FILE_BYTES_C}")
        PyObject_GetBuffer(mapping, &self._view, PyBUF_WRITABLE)
        self._mapping = mapping
        self._base = <char*> self._view.buf
        return 0

    def __dealloc__(self):
        if self._base != NULL:
            PyBuffer_Release(&self._view)

    def unmap(self):
        """Let go of the mapping; the file stays. Again: nothing."""
        if self._base == NULL:
            return
        self._base = NULL
        PyBuffer_Release(&self._view)
        self._mapping.close()

    cdef inline int _check(self) except -1:
        if self._base == NULL:
            raise ValueError("journal ring is unmapped")
        return 0

    cdef inline uint64_t* _word(self, uint64_t at) noexcept:
        return <uint64_t*> (self._base + at)


cdef class RingWriter(_Ring):
    """The worker's end."""

    cdef uint64_t _head         # what HEAD_AT holds: only we store it
    cdef uint64_t* _states      # last state of each slot
    cdef char* _opened          # 1 for each open slot
    cdef uint32_t* _free_slots  # a stack: last in, first out, so that few slots are ever touched
    cdef int _free_count

    def __cinit__(self, int fd):
        cdef int slot
        self._base = NULL
        self._states = <uint64_t*> calloc(OPEN_SLOTS_C, sizeof(uint64_t))
        self._opened = <char*> calloc(OPEN_SLOTS_C, 1)
        self._free_slots = <uint32_t*> calloc(OPEN_SLOTS_C, sizeof(uint32_t))
        if self._states == NULL or self._opened == NULL or self._free_slots == NULL:
            raise MemoryError
        for slot in range(OPEN_SLOTS_C):
            self._states[slot] = 1
            self._free_slots[slot] = OPEN_SLOTS_C - 1 - slot
        self._free_count = OPEN_SLOTS_C
        self._head = 0
        self._attach(ring_py.prepare_ring(fd))

    def __dealloc__(self):
        free(self._states)
        free(self._opened)
        free(self._free_slots)

    def open(self, bytes entry not None):
        """Note an attempt as open; its slot. Reserves room for its record. Raises ``RingFullError``."""
        cdef uint64_t used
        cdef int slot
        self._check()
        if not self._free_count:
            raise RingFullError(f"{OPEN_SLOTS_C} attempts are open")
        used = self._head - omni_load(self._word(TAIL_AT))
        if RING_BYTES_C - used < <uint64_t> (OPEN_SLOTS_C - self._free_count + 1) * LARGEST_BYTES:
            raise RingFullError(f"{used} bytes of records wait for the reader")
        slot = self._free_slots[self._free_count - 1]
        self._put(slot, entry)
        self._free_count -= 1
        self._opened[slot] = 1
        return slot

    def amend(self, int slot, bytes entry not None):
        """Replace an open entry with more that is known (atomic for a reader: old or new, never a mix)."""
        self._check_open(slot)
        self._put(slot, entry)

    def close(self, int slot, bytes record not None):
        """Append the record, then clear the slot. When this returns the record survives SIGKILL."""
        cdef uint64_t length = PyBytes_GET_SIZE(record)
        cdef const char* source = PyBytes_AS_STRING(record)
        cdef uint64_t at, first
        self._check_open(slot)
        if length > RECORD_BYTES_C:
            raise ValueError(f"record of {length} bytes, at most {RECORD_BYTES_C}")
        at = self._head % RING_BYTES_C
        self._word(RING_AT + at)[0] = length
        at = (at + 8) % RING_BYTES_C
        first = RING_BYTES_C - at
        if first > length:
            first = length
        memcpy(self._base + RING_AT + at, source, first)
        memcpy(self._base + RING_AT, source + first, length - first)
        self._head += padded(length)
        omni_store(self._word(HEAD_AT), self._head)
        omni_store(self._word(SLOTS_AT + <uint64_t> slot * SLOT_BYTES), 0)
        self._opened[slot] = 0
        self._free_slots[self._free_count] = slot
        self._free_count += 1

    def open_count(self):
        """Attempts open now."""
        return OPEN_SLOTS_C - self._free_count

    def used_bytes(self):
        """Bytes of records the reader has not released."""
        self._check()
        return self._head - omni_load(self._word(TAIL_AT))

    cdef int _check_open(self, int slot) except -1:
        self._check()
        if not 0 <= slot < OPEN_SLOTS_C or not self._opened[slot]:
            raise ValueError(f"slot {slot} is not open")
        return 0

    cdef int _put(self, int slot, bytes entry) except -1:
        cdef uint64_t length = PyBytes_GET_SIZE(entry)
        cdef uint64_t slot_at = SLOTS_AT + <uint64_t> slot * SLOT_BYTES
        cdef uint64_t buffer_at, state
        if length > OPEN_BYTES_C:
            raise ValueError(f"open entry of {length} bytes, at most {OPEN_BYTES_C}")
        state = self._states[slot] + 1
        self._states[slot] = state
        buffer_at = slot_at + 8 + (state & 1) * BUFFER_BYTES
        # A reader may still copy this buffer, from two changes ago: it must see the last change before these bytes.
        omni_write_fence()
        self._word(buffer_at)[0] = length
        memcpy(self._base + buffer_at + 8, PyBytes_AS_STRING(entry), length)
        omni_store(self._word(slot_at), state)
        return 0


cdef class RingReader(_Ring):
    """Control's end."""

    def __cinit__(self, int fd):
        self._base = NULL
        self._attach(ring_py.open_ring(fd))

    def read(self, Py_ssize_t max_records=1024):
        """The oldest records not yet released, in order; the tail stays. ``ValueError`` if the ring is corrupt."""
        cdef list records = []
        cdef uint64_t head, position, length, at, first
        cdef bytes record
        self._check()
        head = omni_load(self._word(HEAD_AT))
        position = omni_load(self._word(TAIL_AT))
        while position != head and len(records) < max_records:
            length = self._length(position, head)
            at = (position + 8) % RING_BYTES_C
            first = RING_BYTES_C - at
            if first > length:
                first = length
            record = PyBytes_FromStringAndSize(NULL, length)
            memcpy(PyBytes_AS_STRING(record), self._base + RING_AT + at, first)
            memcpy(PyBytes_AS_STRING(record) + first, self._base + RING_AT, length - first)
            records.append(record)
            position += padded(length)
        return records

    def release(self, Py_ssize_t records):
        """Move the tail past that many records, once they are committed. ``ValueError`` beyond the head."""
        cdef uint64_t head, position
        self._check()
        head = omni_load(self._word(HEAD_AT))
        position = omni_load(self._word(TAIL_AT))
        for _ in range(records):
            position += padded(self._length(position, head))
        omni_store(self._word(TAIL_AT), position)

    def backlog_bytes(self):
        """Bytes of records not released."""
        self._check()
        return omni_load(self._word(HEAD_AT)) - omni_load(self._word(TAIL_AT))

    def open_entries(self):
        """Entries of attempts still open. Exact only when the writer is dead; a consistent sample otherwise."""
        cdef list entries = []
        cdef uint64_t slot, slot_at, state, buffer_at, length
        cdef bytes entry
        self._check()
        for slot in range(<uint64_t>OPEN_SLOTS_C):
            slot_at = SLOTS_AT + slot * SLOT_BYTES
            state = omni_load(self._word(slot_at))
            while state:
                buffer_at = slot_at + 8 + (state & 1) * BUFFER_BYTES
                length = self._word(buffer_at)[0]
                if length > OPEN_BYTES_C:
                    length = OPEN_BYTES_C
                entry = PyBytes_FromStringAndSize(self._base + buffer_at + 8, length)
                omni_read_fence()
                if omni_load(self._word(slot_at)) == state:
                    entries.append(entry)
                    break
                state = omni_load(self._word(slot_at))
        return entries

    cdef uint64_t _length(self, uint64_t position, uint64_t head) except? 0xFFFFFFFFFFFFFFFF:
        """Length of the record at ``position``, checked: a corrupt one must not send the reader round the ring."""
        cdef uint64_t length
        if not 8 <= head - position <= RING_BYTES_C:
            raise ValueError(f"journal ring: no record at {position}, the head is {head}")
        length = self._word(RING_AT + position % RING_BYTES_C)[0]
        if length > RECORD_BYTES_C or padded(length) > head - position:
            raise ValueError(f"journal ring is corrupt: record of {length} bytes at {position}, the head is {head}")
        return length
