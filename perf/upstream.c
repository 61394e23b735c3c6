/* The benchmark's upstream: a provider that costs next to nothing, so that it is not what is measured.
 *
 *   upstream            prints "port N" and serves 127.0.0.1:N until it is killed
 *
 * One thread, one epoll. It speaks OpenAI Chat, Anthropic and Gemini, as the request's path says (vendors.h). A POST is answered
 * once its whole body (by Content-Length) was read: with about 600 bytes of JSON, or, if it asks for a stream, as a word in its
 * first 16 KB asks, wherever a dialect has room for one:
 *
 *   paced-<events>-<period ms>   events at that period, each with the nanosecond it was written: "@<CLOCK_MONOTONIC>"
 *   burst-<events>               as fast as the socket takes them
 *
 * then what ends a stream in its dialect (for OpenAI Chat with a usage chunk, if the body says include_usage). Keep-alive and
 * chunked framing, always.
 */
#include "loop.h"
#include "vendors.h"

#define KEEP 16384       /* bytes of a request that are kept and looked at: its head and the fields before a long prompt */
#define OUT 20480        /* bytes made at once */
#define BATCH 16384      /* a burst is written in pieces of about this size */
#define WHEEL 8192       /* slots of 1 ms: the longest period is just below */

enum { READING, STREAMING };

typedef struct Conn {
    int fd, state, armed;
    size_t got, head, body_left, skipped; /* bytes kept; head length; body bytes still to come; body bytes not kept */
    long events_left;                     /* of the stream; at 0 the end is written */
    long told;                            /* events so far */
    unsigned period_ms;                   /* 0: burst */
    const Vendor *vendor;                 /* whose words the answer is in */
    int usage, finished;
    size_t out_len, out_at;
    struct Conn *next; /* in its slot of the wheel */
    int in_wheel, dead;
    char in[KEEP + 1], out[OUT];
} Conn;

static int epoll_fd;
static Conn *wheel[WHEEL];
static uint64_t wheel_ms;
static unsigned seed = 12345;

static void drop(Conn *c) {
    if (c->dead) return;
    close(c->fd);
    c->dead = 1;
    if (!c->in_wheel) free(c); /* else the wheel frees it when it comes by */
}

static void arm(Conn *c, int writable) {
    if (c->armed == writable) return;
    watch(epoll_fd, EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLRDHUP | (writable ? EPOLLOUT : 0), c);
    c->armed = writable;
}

/* Writes what is in out. 1: all of it; 0: the socket is full; -1: the connection is gone. */
static int flush(Conn *c) {
    while (c->out_at < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, 0);
        if (n < 0) {
            if (errno != EAGAIN) return -1;
            arm(c, 1);
            return 0;
        }
        c->out_at += (size_t)n;
    }
    c->out_at = c->out_len = 0;
    arm(c, 0);
    return 1;
}

static void put(Conn *c, const char *data, size_t n) {
    memcpy(c->out + c->out_len, data, n);
    c->out_len += n;
}

static void put_chunk(Conn *c, const char *data, int n) {
    char size[16];
    put(c, size, (size_t)snprintf(size, sizeof size, "%x\r\n", n));
    put(c, data, (size_t)n);
    put(c, "\r\n", 2);
}

static void put_event(Conn *c) {
    char event[512];
    put_chunk(c, event, c->vendor->delta(event, sizeof event, now_ns(), ++c->told));
}

static void put_end(Conn *c) {
    if (c->usage) put_chunk(c, c->vendor->usage, (int)strlen(c->vendor->usage));
    put_chunk(c, c->vendor->ending, (int)strlen(c->vendor->ending));
    put(c, "0\r\n\r\n", 5);
    c->finished = 1;
}

static void into_wheel(Conn *c, uint64_t due_ms) {
    Conn **slot = &wheel[due_ms % WHEEL];
    c->next = *slot;
    *slot = c;
    c->in_wheel = 1;
}

static void again(Conn *c);

/* Goes on with a stream as far as the socket and its pace allow. */
static void stream(Conn *c) {
    for (;;) {
        int sent = flush(c);
        if (sent < 0) {
            drop(c);
            return;
        }
        if (!sent) return;
        if (c->finished) {
            again(c);
            return;
        }
        if (c->events_left > 0 && c->period_ms) return; /* the wheel makes the next one */
        while (c->events_left > 0 && c->out_len < BATCH) {
            put_event(c);
            c->events_left--;
        }
        if (c->events_left == 0 && c->out_len < BATCH) put_end(c);
    }
}

static void tick(Conn *c, uint64_t due_ms) {
    if (c->state != STREAMING || c->events_left == 0) return;
    if (c->out_len == 0) { /* a full socket makes the event late, not lost: it is made next time round */
        put_event(c);
        c->events_left--;
    }
    if (c->events_left > 0) into_wheel(c, due_ms + c->period_ms);
    stream(c);
}

static void turn_wheel(void) {
    uint64_t ms = now_ns() / 1000000;
    for (; wheel_ms <= ms; wheel_ms++) {
        Conn *c = wheel[wheel_ms % WHEEL];
        wheel[wheel_ms % WHEEL] = NULL;
        while (c) {
            Conn *next = c->next;
            c->in_wheel = 0;
            if (c->dead)
                free(c);
            else
                tick(c, wheel_ms);
            c = next;
        }
    }
}

static void answer_whole(Conn *c) {
    const char *body = c->vendor->answer;
    char head[120];
    put(c, head, (size_t)snprintf(head, sizeof head,
                                  "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n",
                                  strlen(body)));
    put(c, body, strlen(body));
    c->finished = 1;
    stream(c);
}

/* What the request asks of a stream: how many events, at what period. */
static void read_script(Conn *c, const char *body) {
    const char *word = strstr(body, "paced-");
    c->period_ms = 0;
    c->events_left = c->told = 0;
    if (!word || sscanf(word, "paced-%ld-%u", &c->events_left, &c->period_ms) != 2) {
        word = strstr(body, "burst-");
        if (word) sscanf(word, "burst-%ld", &c->events_left);
    }
    if (c->period_ms >= WHEEL) c->period_ms = WHEEL - 1;
}

static void respond(Conn *c) {
    const char *body = c->in + c->head;
    c->vendor = vendor_of(c->in, c->head);
    if (!asks_for_stream(c->in, c->head)) {
        answer_whole(c);
        return;
    }
    const char *head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    read_script(c, body);
    c->usage = *c->vendor->usage && strstr(body, "\"include_usage\"") != NULL;
    put(c, head, strlen(head));
    if (*c->vendor->opening) put_chunk(c, c->vendor->opening, (int)strlen(c->vendor->opening));
    if (c->period_ms && c->events_left > 0) {
        if (flush(c) < 0) {
            drop(c);
            return;
        }
        /* Streams start at a random place in their period: models do not speak in chorus. */
        into_wheel(c, now_ns() / 1000000 + 1 + (unsigned)rand_r(&seed) % c->period_ms);
        return;
    }
    stream(c);
}

/* Looks at what was read. 1: a whole request is there and was answered. */
static int parse(Conn *c) {
    if (!c->head) {
        c->in[c->got] = 0;
        char *end = strstr(c->in, "\r\n\r\n");
        if (!end) return 0;
        c->head = (size_t)(end - c->in) + 4;
        char *length = strcasestr(c->in, "\r\ncontent-length:");
        size_t declared = length && length < end ? strtoul(length + 17, NULL, 10) : 0, have = c->got - c->head;
        if (have > declared) have = declared; /* never pipelined here */
        c->body_left = declared - have;
    }
    if (c->body_left) return 0;
    c->in[c->got] = 0;
    c->state = STREAMING;
    respond(c);
    return 1;
}

static void again(Conn *c) {
    c->state = READING;
    c->got = c->head = c->body_left = 0;
    c->finished = 0;
}

static void readable(Conn *c) {
    static char waste[262144];
    while (c->state == READING) {
        int keep = c->got < KEEP;
        ssize_t n = keep ? recv(c->fd, c->in + c->got, KEEP - c->got, 0) : recv(c->fd, waste, sizeof waste, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            drop(c);
            return;
        }
        size_t body = (size_t)n;
        if (keep) c->got += (size_t)n;
        if (c->head) {
            if (body > c->body_left) body = c->body_left;
            c->body_left -= body;
        }
        if (parse(c)) return;
        if (!c->head && !keep) { /* a head beyond KEEP: not ours */
            drop(c);
            return;
        }
    }
}

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        no_delay(fd);
        Conn *c = must_alloc(1, sizeof *c);
        c->fd = fd;
        watch(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP, c);
    }
}

int main(int argc, char **argv) {
    if (argc > 1) {
        fprintf(stderr, "usage: %s (no arguments: it prints its port and serves until it is killed)\n", argv[0]);
        return 2;
    }
    settle_in();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 4096) < 0) die("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll_fd, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    wheel_ms = now_ns() / 1000000;
    struct epoll_event ready[MAX_READY];
    for (;;) {
        int n = poll_ready(epoll_fd, ready, MAX_READY, 1);
        for (int i = 0; i < n; i++) {
            Conn *c = ready[i].data.ptr;
            uint32_t e = ready[i].events;
            if (!c)
                accept_all(listener);
            else if (c->state == READING && (e & EPOLLIN))
                readable(c);
            else if (e & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                drop(c);
            else if (e & EPOLLOUT)
                stream(c);
        }
        turn_wheel();
    }
}
