/* Each connection is a pair of sockets and two ways between them. A way is a queue of chunks that
 * were read, each with the time at which it may go on. Nobody waits for writability: what a socket
 * does not take now is offered again a round later, and rounds are short.
 */
#include "tests/faults/proxy.h"

#include "tests/assert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, QUEUE_BYTES = 4 * 1024 * 1024, ROUND_MS = 2, EVENTS_MAX = 64 };

typedef struct chunk {
    STAILQ_ENTRY(chunk) next;
    int64_t due_ns;
    size_t length, sent;
    unsigned char at[];
} chunk;

typedef struct way {
    int from, to;
    bool listens; // its `from` is watched for bytes
    bool ended;   // no more will come from `from`
    bool shut;    // and `to` was told
    STAILQ_HEAD(, chunk) queue;
    size_t queued;
    int64_t passed;   // bytes that were read
    int64_t spent_ns; // the time up to which the rate is used up
} way;

typedef struct pair {
    TAILQ_ENTRY(pair) next;
    way way[2];
    bool over;
} pair;

struct fault_proxy {
    fault_settings settings[2];
    _Atomic int64_t cuts, flips, bytes;
    _Atomic bool cut, end;
    int upstream, listener, epoll;
    TAILQ_HEAD(, pair) pairs;
    pthread_t thread;
};

static int64_t
now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); // cannot fail for this clock
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct sockaddr_in
local_address(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

/* ---- connections ----------------------------------------------------------------------------- */

/* Watch for bytes only while they are wanted: a socket that has ended would wake us for ever. */
static void
listen_to(fault_proxy *p, way *w, bool wanted)
{
    if (w->listens == wanted)
        return;
    w->listens = wanted;
    struct epoll_event event = {.events = wanted ? EPOLLIN : 0, .data.ptr = w};
    (void)epoll_ctl(p->epoll, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, w->from, &event);
}

static void
init_way(way *w, int from, int to)
{
    *w = (way){.from = from, .to = to};
    STAILQ_INIT(&w->queue);
}

static void
accept_one(fault_proxy *p)
{
    const struct sockaddr_in address = local_address(p->upstream);
    const int one = 1, down = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (down < 0)
        return;
    const int up = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pair *c = calloc(1, sizeof *c);
    if (!c || up < 0 || connect(up, (const struct sockaddr *)&address, sizeof address) != 0) {
        free(c); // nobody is there: the same for who came to us
        (void)close(down);
        if (up >= 0)
            (void)close(up);
        return;
    }
    (void)setsockopt(up, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(down, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    init_way(&c->way[FAULT_UP], down, up);
    init_way(&c->way[FAULT_DOWN], up, down);
    TAILQ_INSERT_TAIL(&p->pairs, c, next);
}

static void
clear_queue(way *w)
{
    for (chunk *first; (first = STAILQ_FIRST(&w->queue));) {
        STAILQ_REMOVE_HEAD(&w->queue, next);
        free(first);
    }
}

static void
end_pair(fault_proxy *p, pair *c)
{
    const struct linger reset = {.l_onoff = 1};
    for (int i = 0; i < 2; i++) {
        listen_to(p, &c->way[i], false);
        clear_queue(&c->way[i]);
        (void)setsockopt(c->way[i].from, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        (void)close(c->way[i].from);
    }
    TAILQ_REMOVE(&p->pairs, c, next);
    free(c);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* Bits at the multiples of `every` in the connection's bytes, another one each time. */
static void
flip(fault_proxy *p, const way *w, chunk *read, int64_t every)
{
    const int64_t end = w->passed + (int64_t)read->length;
    for (int64_t at = (w->passed / every + 1) * every; at < end; at += every) {
        read->at[at - w->passed] ^= (unsigned char)(1 << at / every % 8);
        p->flips++;
    }
}

/* What is left of `length` bytes until the connection is to be cut; the cut comes in mid-frame,
 * with what goes before it still on its way. */
static size_t
until_cut(const way *w, int64_t cut_after, size_t length)
{
    if (cut_after == 0 || w->passed + (int64_t)length < cut_after)
        return length;
    return cut_after > w->passed ? (size_t)(cut_after - w->passed) : 0;
}

static void
take(fault_proxy *p, pair *c, way *w, const fault_settings *s)
{
    chunk *read = malloc(sizeof *read + READ_BYTES);
    if (!read)
        return;
    const ssize_t got = recv(w->from, read->at, READ_BYTES, MSG_DONTWAIT);
    if (got <= 0) {
        w->ended = got == 0;
        c->over = c->over || (got < 0 && errno != EAGAIN && errno != EINTR);
        free(read);
        return;
    }
    *read = (chunk){.due_ns = now_ns() + s->delay_ms * 1000000, .length = (size_t)got};
    const int64_t every = s->flip_every;
    if (every > 0)
        flip(p, w, read, every);
    read->length = until_cut(w, s->cut_after, read->length);
    w->passed += got;
    p->bytes += got;
    if (s->lose || read->length == 0) {
        free(read);
        return;
    }
    w->queued += read->length;
    STAILQ_INSERT_TAIL(&w->queue, read, next);
}

/* How many bytes may go now. */
static size_t
allow(way *w, int64_t rate, int64_t now, size_t length)
{
    if (rate <= 0)
        return length;
    const int64_t burst_ns = 20 * 1000000;
    if (w->spent_ns < now - burst_ns)
        w->spent_ns = now - burst_ns;
    const int64_t bytes = (now - w->spent_ns) * rate / 1000000000;
    return bytes < (int64_t)length ? (size_t)bytes : length;
}

static void
pass_on(pair *c, way *w, const fault_settings *s)
{
    const int64_t now = now_ns(), rate = s->rate;
    for (chunk *first; (first = STAILQ_FIRST(&w->queue)) && first->due_ns <= now;) {
        const size_t length = allow(w, rate, now, first->length - first->sent);
        const ssize_t sent =
            length ? send(w->to, first->at + first->sent, length, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            c->over = true;
        if (sent <= 0)
            return;
        first->sent += (size_t)sent;
        w->queued -= (size_t)sent;
        if (rate > 0)
            w->spent_ns += sent * 1000000000 / rate;
        if (first->sent < first->length)
            return;
        STAILQ_REMOVE_HEAD(&w->queue, next);
        free(first);
    }
    if (w->ended && !w->shut && STAILQ_EMPTY(&w->queue)) {
        w->shut = true;
        (void)shutdown(w->to, SHUT_WR);
    }
}

static bool
is_due_for_cut(const way *w, int64_t cut_after)
{
    return cut_after > 0 && w->passed >= cut_after && STAILQ_EMPTY(&w->queue);
}

static void
serve(fault_proxy *p, pair *c)
{
    bool cut = p->cut;
    for (int i = 0; i < 2; i++) {
        way *w = &c->way[i];
        const fault_settings *s = &p->settings[i];
        pass_on(c, w, s);
        listen_to(p, w, !w->ended && !s->stop && w->queued < QUEUE_BYTES);
        cut = cut || is_due_for_cut(w, s->cut_after);
    }
    p->cuts += cut;
    if (cut || c->over || (c->way[0].shut && c->way[1].shut))
        end_pair(p, c);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static pair *
pair_of(fault_proxy *p, const way *w)
{
    pair *c;
    TAILQ_FOREACH(c, &p->pairs, next)
    {
        if (w == &c->way[0] || w == &c->way[1])
            return c;
    }
    return NULL;
}

static void *
run(void *context)
{
    fault_proxy *p = context;
    while (!p->end) {
        struct epoll_event events[EVENTS_MAX];
        const int count = epoll_wait(p->epoll, events, EVENTS_MAX, ROUND_MS);
        for (int i = 0; i < count; i++) {
            way *w = events[i].data.ptr;
            pair *c = w ? pair_of(p, w) : NULL;
            if (c)
                take(p, c, w, &p->settings[w == &c->way[1]]);
            else
                accept_one(p);
        }
        pair *next;
        for (pair *c = TAILQ_FIRST(&p->pairs); c; c = next) {
            next = TAILQ_NEXT(c, next);
            serve(p, c);
        }
        p->cut = false;
    }
    return NULL;
}

fault_proxy *
fault_proxy_new(int upstream, int *ret_port)
{
    fault_proxy *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->upstream = upstream;
    TAILQ_INIT(&p->pairs);
    struct sockaddr_in address = local_address(0);
    socklen_t size = sizeof address;
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(p->listener >= 0);
    assert_int_equal(bind(p->listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(p->listener, 128), 0);
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&address, &size), 0);
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    assert_true(p->epoll >= 0);
    struct epoll_event event = {.events = EPOLLIN};
    assert_int_equal(epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->listener, &event), 0);
    assert_int_equal(pthread_create(&p->thread, NULL, run, p), 0);
    *ret_port = ntohs(address.sin_port);
    return p;
}

void
fault_proxy_destroy(fault_proxy **proxy_p)
{
    fault_proxy *p = *proxy_p;
    if (!p)
        return;
    p->end = true;
    (void)pthread_join(p->thread, NULL);
    while (!TAILQ_EMPTY(&p->pairs))
        end_pair(p, TAILQ_FIRST(&p->pairs));
    (void)close(p->listener);
    (void)close(p->epoll);
    free(p);
    *proxy_p = NULL;
}

fault_settings *
fault_proxy_get(fault_proxy *proxy, fault_way which)
{
    return &proxy->settings[which];
}

void
fault_proxy_heal(fault_proxy *proxy)
{
    for (int i = 0; i < 2; i++) {
        fault_settings *s = &proxy->settings[i];
        s->delay_ms = s->rate = s->lose = s->stop = s->cut_after = s->flip_every = 0;
    }
}

void
fault_proxy_cut(fault_proxy *proxy)
{
    proxy->cut = true;
}

int64_t
fault_proxy_count_cuts(fault_proxy *proxy)
{
    return proxy->cuts;
}

int64_t
fault_proxy_count_flips(fault_proxy *proxy)
{
    return proxy->flips;
}

int64_t
fault_proxy_count_bytes(fault_proxy *proxy)
{
    return proxy->bytes;
}
