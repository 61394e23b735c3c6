/* The benchmark's load generator.
 *
 *   load requests <connections>   closed loop of requests answered whole
 *   load streams  <connections>   one endless paced stream per connection, each event's age told
 *   load burst    <connections>   closed loop of streams of 300 events as fast as they come
 *   load hold     <connections>   slow streams, kept open until stdin ends
 *
 *   --port N  --key K  --model M  --body BYTES  --warm-ms N  --window-ms N  --pid N (whose CPU time to read)  --period-ms N
 *   --ask FILE   a request to send as it is, head and body, instead of one of --key, --model, --body and --period-ms
 *
 * An answer is only counted if it is what it should be; anything else is an error:
 *
 *   --stamps N     so many "@" stamps in each          --last TEXT    its last bytes
 *   --before TEXT  what stands before each stamp: in a stream, the member of its dialect that holds text
 *
 * One thread, one epoll, loopback. After every connection has had its first answer (or event) and the warm-up is over, it measures
 * for the window and prints one JSON line. CPU is the process CPU clock of --pid read at both ends of the window, all threads, ns.
 */
#include "loop.h"

#include <math.h>
#include <stddef.h>

#define HEAD 16384 /* the longest response head read */
#define READ 262144
#define STAMP 19 /* digits of a time stamp */
#define TAIL 64  /* bytes of an answer that are kept: the longest --before and --last */
#define STEPS 64 /* steps per power of two in the histogram: 1.6 % */

enum { REQUESTS, STREAMS, BURST, HOLD };
enum { CONNECTING, HEADING, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, CLOSED };

typedef struct {
    int fd, state, chunked, digits, fresh, seen, reused;
    size_t got, left, sent, tail_len;
    long stamps; /* in this answer */
    uint64_t asked_at, stamp;
    char tail[TAIL]; /* the last bytes of its body so far */
    char head[HEAD];
} Conn;

static int mode, port, epoll_fd, ended;
static size_t count, opened, begun;
static Conn *conns;
static char *request;
static size_t request_len;
static uint64_t warm_ns = 1000000000, window_ns = 3000000000;
static uint64_t histogram[64 * STEPS], worst, samples;
static uint64_t answers, events, errors, reconnects;
static char first_error[400];
static const char *before = "", *last = "";
static long stamps = -1; /* any number */

static void note(uint64_t ns) {
    int power = ns < STEPS ? 0 : 63 - __builtin_clzll(ns) - 6;
    histogram[(size_t)power * STEPS + (ns >> power)]++;
    samples++;
    if (ns > worst) worst = ns;
}

static double quantile_us(double q) {
    uint64_t wanted = (uint64_t)ceil(q * (double)samples), seen = 0;
    for (size_t i = 0; i < sizeof histogram / sizeof *histogram; i++) {
        seen += histogram[i];
        if (histogram[i] && seen >= wanted) {
            if (i < 2 * STEPS) return (double)i / 1e3; /* exact */
            size_t power = i / STEPS - 1;              /* slots 64..127 of each power hold that << power */
            return (double)(((i - power * STEPS) << power) + ((1ULL << power) / 2)) / 1e3;
        }
    }
    return 0;
}

static void forget(void) {
    memset(histogram, 0, sizeof histogram);
    worst = samples = answers = events = errors = reconnects = 0;
}

static void failed(const char *why, const char *detail) {
    errors++;
    if (!*first_error) {
        size_t n = 0;
        for (const char *p = why; *p && n < 40; p++) first_error[n++] = *p;
        first_error[n++] = ':';
        first_error[n++] = ' ';
        for (const char *p = detail; *p && n + 2 < sizeof first_error; p++)
            first_error[n++] = *p == '"' || *p == '\\' || (unsigned char)*p < ' ' || (unsigned char)*p > '~' ? '.' : *p;
    }
}

static void connect_to(Conn *c) {
    struct sockaddr_in address = loopback(port);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket");
    no_delay(c->fd);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) die("connect");
    c->state = CONNECTING;
    watch(epoll_fd, EPOLL_CTL_ADD, c->fd, EPOLLIN | EPOLLOUT, c);
}

static void reconnect(Conn *c, const char *why) {
    char text[120];
    if (c->state == CLOSED && c->chunked < 0) {
        reconnects++; /* the answer was delimited by its close */
    } else {
        snprintf(text, sizeof text, "state %d, %s", c->state, errno ? strerror(errno) : "end of stream");
        failed(why, text);
    }
    close(c->fd);
    int seen = c->seen;
    memset(c, 0, offsetof(Conn, head));
    c->seen = seen;
    if (errors > count + 100) { /* a server that refuses everything must not be hammered */
        ended = 1;
        return;
    }
    connect_to(c);
}

static void send_request(Conn *c) {
    while (c->sent < request_len) {
        ssize_t n = send(c->fd, request + c->sent, request_len - c->sent, 0);
        if (n < 0 && errno == EAGAIN) {
            watch(epoll_fd, EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLOUT, c);
            return;
        }
        if (n < 0) {
            reconnect(c, "send");
            return;
        }
        c->sent += (size_t)n;
    }
    watch(epoll_fd, EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
}

static void ask(Conn *c) {
    c->state = HEADING;
    c->got = c->left = c->sent = c->tail_len = 0;
    c->digits = 0;
    c->stamps = 0;
    c->asked_at = now_ns();
    send_request(c);
}

static void count_in(Conn *c) {
    if (!c->seen) {
        c->seen = 1;
        begun++;
    }
}

static void remember(Conn *c, const char *data, size_t n) {
    size_t fresh = n < TAIL ? n : TAIL, kept = c->tail_len < TAIL - fresh ? c->tail_len : TAIL - fresh;
    memmove(c->tail, c->tail + c->tail_len - kept, kept);
    memcpy(c->tail + kept, data + n - fresh, fresh);
    c->tail_len = kept + fresh;
}

/* Whether the n bytes before "at", which lies in a piece that begins at "data", are "text". */
static int stands_before(const Conn *c, const char *data, const char *at, const char *text, size_t n) {
    size_t here = (size_t)(at - data) < n ? (size_t)(at - data) : n, earlier = n - here;
    return earlier <= c->tail_len && !memcmp(c->tail + c->tail_len - earlier, text, earlier) &&
           !memcmp(at - here, text + earlier, here);
}

static void answered(Conn *c) {
    char text[TAIL + 1];
    size_t n = strlen(last);
    if (stamps >= 0 && c->stamps != stamps) {
        snprintf(text, sizeof text, "%ld instead of %ld", c->stamps, stamps);
        failed("stamps in an answer", text);
    }
    if (c->tail_len < n || memcmp(c->tail + c->tail_len - n, last, n)) {
        snprintf(text, sizeof text, "%.*s", (int)c->tail_len, c->tail);
        failed("last bytes of an answer", text);
    }
    answers++;
    if (mode == REQUESTS || mode == BURST) note(now_ns() - c->asked_at);
    if (mode == REQUESTS) count_in(c);
    ask(c);
}

/* Finds "@" and its digits, wherever the pieces were cut. */
static void scan(Conn *c, const char *data, size_t n, uint64_t at) {
    const char *p = data, *end = data + n;
    while (p < end) {
        if (!c->digits) {
            p = memchr(p, '@', (size_t)(end - p));
            if (!p) break;
            if (*before && !stands_before(c, data, p, before, strlen(before))) {
                char found[TAIL + 1];
                int here = p - data < TAIL ? (int)(p - data) : TAIL;
                snprintf(found, sizeof found, "%.*s", here, p - here);
                failed("before a stamp", found);
            }
            c->digits = 1;
            c->stamp = 0;
            p++;
        }
        while (p < end && c->digits <= STAMP) {
            c->stamp = c->stamp * 10 + (uint64_t)(*p++ - '0');
            c->digits++;
        }
        if (c->digits > STAMP) {
            c->digits = 0;
            c->stamps++;
            events++;
            count_in(c);
            if (mode == STREAMS || mode == HOLD) note(at > c->stamp ? at - c->stamp : 0);
        }
    }
    remember(c, data, n);
}

static int parse_head(Conn *c) {
    c->head[c->got] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) return 0;
    end[2] = 0;
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    c->chunked = strcasestr(c->head, "\r\ntransfer-encoding: chunked") != NULL;
    if (strncmp(c->head, "HTTP/1.1 200", 12)) {
        end[2] = '\r';
        failed("status", c->head + 9);
    }
    if (c->chunked)
        c->state = CHUNK_SIZE;
    else if (length)
        c->state = LENGTH;
    else {
        c->state = CLOSED;
        c->chunked = -1;
    }
    c->left = length && !c->chunked ? strtoul(length + 17, NULL, 10) : 0;
    return (int)(end - c->head) + 4;
}

/* Takes the bytes of a body; returns 1 when the answer was complete. */
static int body(Conn *c, const char *p, size_t n, uint64_t at) {
    const char *end = p + n;
    if (c->state == LENGTH && c->left == 0) return 1;
    while (p < end) {
        size_t take = (size_t)(end - p) < c->left ? (size_t)(end - p) : c->left;
        switch (c->state) {
        case LENGTH:
            scan(c, p, take, at);
            c->left -= take;
            p += take;
            if (!c->left) return 1;
            break;
        case CLOSED:
            scan(c, p, (size_t)(end - p), at);
            return 0;
        case CHUNK_SIZE:
            if (*p == '\n') {
                c->state = c->left ? CHUNK_DATA : TRAILER;
                c->fresh = 1;
            } else if (*p != '\r') {
                int digit = *p <= '9' ? *p - '0' : (*p | 32) - 'a' + 10;
                if (digit < 0 || digit > 15) {
                    failed("chunk size", "not hexadecimal");
                    ended = 1;
                    return 0;
                }
                c->left = c->left * 16 + (size_t)digit;
            }
            p++;
            break;
        case CHUNK_DATA:
            scan(c, p, take, at);
            c->left -= take;
            p += take;
            if (!c->left) c->state = CHUNK_END;
            break;
        case CHUNK_END:
            if (*p++ == '\n') c->state = CHUNK_SIZE;
            break;
        case TRAILER: /* an empty line ends it; fresh: at the beginning of a line */
            if (*p == '\n') {
                if (c->fresh) return 1;
                c->fresh = 1;
            } else if (*p != '\r')
                c->fresh = 0;
            p++;
            break;
        default:
            return 0;
        }
    }
    return 0;
}

static void readable(Conn *c) {
    static char buffer[READ];
    for (;;) {
        int heading = c->state == HEADING;
        ssize_t n = heading ? recv(c->fd, c->head + c->got, HEAD - 1 - c->got, 0) : recv(c->fd, buffer, READ, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            if (n == 0) errno = 0;
            if (c->state == CLOSED) answers++;
            reconnect(c, "closed");
            return;
        }
        uint64_t at = now_ns();
        int done = 0;
        if (heading) {
            c->got += (size_t)n;
            int used = parse_head(c);
            if (!used) continue;
            done = body(c, c->head + used, c->got - (size_t)used, at);
        } else {
            done = body(c, buffer, (size_t)n, at);
        }
        if (done) {
            answered(c);
            return;
        }
        if (ended || n < (heading ? HEAD - 1 - (ssize_t)c->got : READ)) return;
    }
}

static void turn(int timeout_ms) {
    struct epoll_event ready[MAX_READY];
    int n = poll_ready(epoll_fd, ready, MAX_READY, timeout_ms);
    for (int i = 0; i < n && !ended; i++) {
        Conn *c = ready[i].data.ptr;
        if (c->state == CONNECTING) {
            if (ready[i].events & (EPOLLERR | EPOLLHUP)) {
                int error = 0;
                socklen_t size = sizeof error;
                getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
                errno = error;
                reconnect(c, "connect");
            } else {
                ask(c);
            }
        } else if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            readable(c);
        } else if (ready[i].events & EPOLLOUT) {
            send_request(c);
        }
    }
}

/* The request as it is in a file. */
static void take_request(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) die(path);
    long size = ftell(file);
    rewind(file);
    request = must_alloc(1, (size_t)size + 1);
    request_len = fread(request, 1, (size_t)size, file);
    if (fclose(file) || request_len != (size_t)size) die(path);
}

static void plan_request(size_t body_bytes, const char *key, const char *model, unsigned period_ms) {
    char fields[300] = "";
    if (mode == STREAMS || mode == HOLD)
        snprintf(fields, sizeof fields, "\"stream\":true,\"user\":\"paced-1000000000-%u\",", period_ms);
    if (mode == BURST) snprintf(fields, sizeof fields, "\"stream\":true,\"user\":\"burst-300\",");
    char *text = must_alloc(1, body_bytes + 2000);
    size_t n = (size_t)sprintf(text, "{\"model\":\"%s\",%s\"temperature\":0.7,\"messages\":[{\"role\":\"user\",\"content\":\"", model, fields);
    for (; n + 4 < body_bytes; n++) text[n] = n % 8 ? 'a' + (char)(n % 26) : ' ';
    n += (size_t)sprintf(text + n, "\"}]}");
    request = must_alloc(1, n + 1000);
    request_len = (size_t)sprintf(request,
                                  "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: bench\r\nAccept: */*\r\n"
                                  "Content-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n",
                                  port, key, n);
    memcpy(request + request_len, text, n);
    request_len += n;
    free(text);
}

static uint64_t cpu_ns(long pid) {
    clockid_t clock;
    struct timespec t;
    if (!pid) return 0;
    if (clock_getcpuclockid((pid_t)pid, &clock) || clock_gettime(clock, &t)) die("--pid: cannot read its CPU time");
    return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

static void run_for(uint64_t ns) {
    uint64_t until = now_ns() + ns;
    while (now_ns() < until && !ended) turn(10);
}

/* Connections open a few at a time: a listen queue is not what is measured. */
static void open_all(void) {
    uint64_t give_up = now_ns() + 60 * NS;
    while (begun < count && !ended) {
        for (int i = 0; i < 16 && opened < count && opened < begun + 1024; i++) connect_to(&conns[opened++]);
        turn(1);
        if (now_ns() > give_up) {
            failed("start", "not every connection had an answer within a minute");
            ended = 1;
        }
    }
}

int main(int argc, char **argv) {
    static const char *modes[] = {"requests", "streams", "burst", "hold"};
    const char *key = "x", *model = "m", *asked = NULL;
    size_t body_bytes = 1500;
    unsigned period_ms = 50;
    long pid = 0;
    if (argc < 3) die("usage: load requests|streams|burst|hold CONNECTIONS --port N ...");
    for (mode = 0; mode < 4 && strcmp(argv[1], modes[mode]); mode++)
        ;
    if (mode == 4) die("unknown mode");
    count = strtoul(argv[2], NULL, 10);
    for (int i = 3; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!strcmp(name, "--port")) port = atoi(value);
        else if (!strcmp(name, "--key")) key = value;
        else if (!strcmp(name, "--model")) model = value;
        else if (!strcmp(name, "--body")) body_bytes = strtoul(value, NULL, 10);
        else if (!strcmp(name, "--warm-ms")) warm_ns = strtoull(value, NULL, 10) * 1000000;
        else if (!strcmp(name, "--window-ms")) window_ns = strtoull(value, NULL, 10) * 1000000;
        else if (!strcmp(name, "--period-ms")) period_ms = (unsigned)atoi(value);
        else if (!strcmp(name, "--pid")) pid = atol(value);
        else if (!strcmp(name, "--ask")) asked = value;
        else if (!strcmp(name, "--stamps")) stamps = atol(value);
        else if (!strcmp(name, "--before")) before = value;
        else if (!strcmp(name, "--last")) last = value;
        else die(name);
    }
    settle_in();
    if (strlen(before) > TAIL || strlen(last) > TAIL) die("--before, --last: too long");
    if (asked)
        take_request(asked);
    else
        plan_request(body_bytes, key, model, period_ms);
    conns = must_alloc(count, sizeof *conns);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    open_all();
    run_for(warm_ns);
    uint64_t early_errors = errors;
    forget();
    uint64_t began = now_ns(), cpu = cpu_ns(pid);
    run_for(window_ns);
    cpu = cpu_ns(pid) - cpu;
    double seconds = (double)(now_ns() - began) / 1e9;
    printf("{\"seconds\":%.6f,\"answers\":%llu,\"events\":%llu,\"errors\":%llu,\"reconnects\":%llu,\"cpu_ns\":%llu,\"p50_us\":%.1f,"
           "\"p99_us\":%.1f,\"max_us\":%.1f,\"first_error\":\"%s\"}\n",
           seconds, (unsigned long long)answers, (unsigned long long)events, (unsigned long long)(errors + early_errors),
           (unsigned long long)reconnects, (unsigned long long)cpu, quantile_us(0.5), quantile_us(0.99), (double)worst / 1e3, first_error);
    fflush(stdout);
    if (mode == HOLD) { /* the streams go on until the parent has looked */
        char byte;
        fcntl(0, F_SETFL, O_NONBLOCK);
        while (!ended && !(read(0, &byte, 1) == 0)) turn(10);
    }
    return 0;
}
