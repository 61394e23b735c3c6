# The relay over its links.

from libc.stdint cimport uint32_t

from omniroute._speedups.link_c cimport Turns, epoll_event

cdef enum:
    EVENTS = 512   # of one epoll_wait

cdef class Relay(Turns):
    cdef Py_ssize_t max_links
    cdef uint32_t tags                   # registrations so far
    cdef epoll_event events[EVENTS]
    cdef int poll(self) except -1
    cdef int go_on(self) except -1
    cdef list collect(self)
