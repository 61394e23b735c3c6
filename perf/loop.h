/* What the benchmark's upstream and load generator share: sockets, clocks, and failing loudly. */
#ifndef OMNIROUTE_PERF_LOOP_H
#define OMNIROUTE_PERF_LOOP_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000ULL
#define MAX_READY 512

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

static inline void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(1);
}

static inline void *must_alloc(size_t count, size_t size) {
    void *p = calloc(count, size);
    if (!p) die("memory");
    return p;
}

/* Every descriptor the limit allows; a parent that dies takes us along, so that no run leaves a process behind. */
static inline void settle_in(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static inline void no_delay(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static inline void watch(int epoll, int op, int fd, uint32_t events, void *data) {
    struct epoll_event e = {.events = events, .data.ptr = data};
    if (epoll_ctl(epoll, op, fd, &e) < 0) die("epoll_ctl");
}

/* epoll_wait that polls instead of sleeping while there is traffic: the peers share a core by yielding to each other. A peer
 * that sleeps has to be woken by whoever sends to it, and on a virtual machine waking an idle core costs the sender more
 * than the whole of its own work; what is measured would be that. After IDLE_NS without an event it sleeps as usual. */
#define IDLE_NS (2 * 1000 * 1000ULL)

static inline int poll_ready(int epoll, struct epoll_event *ready, int room, int timeout_ms) {
    static uint64_t busy_ns;
    int n = epoll_wait(epoll, ready, room, 0);
    while (n == 0) {
        uint64_t now = now_ns();
        if (now - busy_ns > IDLE_NS) {
            n = epoll_wait(epoll, ready, room, timeout_ms);
            break;
        }
        sched_yield();
        n = epoll_wait(epoll, ready, room, 0);
    }
    if (n > 0) busy_ns = now_ns();
    return n;
}

#endif
