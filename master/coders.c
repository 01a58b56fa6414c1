#include "master/coders.h"
#include "common/base/clock.h"

#include <stdlib.h>

typedef struct coder {
    zactor_t *actor;
    kofn_coder_item *item; // what it works on, NULL when free
} coder;

struct kofn_coders {
    zloop_t *loop;
    kofn_coder_item *first, **last; // queue
    size_t load, count;
    coder threads[]; // [count]
};

/* Items cross the pipe as one pointer. A frame that is no pointer is the actor's $TERM. */
static void
coder_main(zsock_t *pipe, void *args)
{
    (void)args;
    void *handle = zsock_resolve(pipe);
    zsock_signal(pipe, 0);
    for (;;) {
        kofn_coder_item *item = NULL;
        int size = zmq_recv(handle, &item, sizeof item, 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size != sizeof item || zsock_rcvmore(pipe))
            break;
        const int64_t start = kofn_clock_ns();
        item->run(item);
        item->run_ns = kofn_clock_ns() - start;
        while (zmq_send(handle, &item, sizeof item, 0) < 0 && errno == EINTR)
            continue;
    }
}

static void
hand_out(kofn_coders *coders)
{
    for (size_t i = 0; i < coders->count && coders->first; i++) {
        coder *thread = &coders->threads[i];
        if (thread->item)
            continue;
        kofn_coder_item *item = coders->first;
        coders->first = item->next;
        if (!coders->first)
            coders->last = &coders->first;
        thread->item = item;
        while (zmq_send(zsock_resolve(thread->actor), &item, sizeof item, 0) < 0 && errno == EINTR)
            continue; // a pipe is unbounded: it cannot be full
    }
}

static coder *
find_coder(kofn_coders *coders, const zsock_t *actor)
{
    for (size_t i = 0; i < coders->count; i++)
        if (zactor_sock(coders->threads[i].actor) == actor)
            return &coders->threads[i];
    return NULL;
}

static int
on_pipe(zloop_t *loop, zsock_t *reader, void *context)
{
    (void)loop;
    kofn_coders *coders = context;
    coder *thread = find_coder(coders, reader);
    kofn_coder_item *item = NULL;
    if (!thread || zmq_recv(zsock_resolve(reader), &item, sizeof item, ZMQ_DONTWAIT) != sizeof item)
        return 0;

    thread->item = NULL;
    coders->load--;
    hand_out(coders); // before done: the thread works while we talk
    item->done(item);
    return 0;
}

kofn_status
kofn_coders_new(zloop_t *loop, size_t threads, kofn_coders **ret_coders, kofn_error *err)
{
    kofn_coders *coders = calloc(1, sizeof *coders + threads * sizeof coders->threads[0]);
    if (!coders)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu compute threads",
                         threads);
    coders->loop = loop;
    coders->last = &coders->first;
    for (size_t i = 0; i < threads; i++) {
        zactor_t *actor = zactor_new(coder_main, NULL);
        if (!actor || zloop_reader(loop, zactor_sock(actor), on_pipe, coders) != 0) {
            zactor_destroy(&actor);
            kofn_coders_destroy(&coders);
            return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "cannot start compute thread %zu of %zu",
                             i + 1, threads);
        }
        zsock_set_unbounded(actor);
        coders->threads[coders->count++].actor = actor;
    }
    *ret_coders = coders;
    return KOFN_OK;
}

void
kofn_coders_destroy(kofn_coders **coders_p)
{
    kofn_coders *coders = *coders_p;
    if (!coders)
        return;

    for (size_t i = 0; i < coders->count; i++) {
        coder *thread = &coders->threads[i];
        zloop_reader_end(coders->loop, zactor_sock(thread->actor));
        zactor_destroy(&thread->actor); // returns when its thread has ended
        if (thread->item)
            thread->item->done(thread->item);
    }
    while (coders->first) {
        kofn_coder_item *item = coders->first;
        coders->first = item->next;
        item->done(item);
    }
    free(coders);
    *coders_p = NULL;
}

void
kofn_coders_submit(kofn_coders *coders, kofn_coder_item *item)
{
    item->next = NULL;
    *coders->last = item;
    coders->last = &item->next;
    coders->load++;
    hand_out(coders);
}

size_t
kofn_coders_get_load(const kofn_coders *coders)
{
    return coders->load;
}
