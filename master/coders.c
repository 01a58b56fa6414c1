#include "master/coders.h"
#include "common/base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct item_queue {
    kofn_coder_item *first, **last;
} item_queue;

struct kofn_coders {
    zloop_t *loop;
    zmq_pollitem_t wake; // its fd is an eventfd, readable while items are done

    pthread_mutex_t mutex; // over what follows
    pthread_cond_t work;   // signalled when the queue has more, or at the end
    item_queue waiting, waiting_long, done;
    size_t long_running;
    bool ending;

    size_t count, wanted; // threads that were started, of so many
    pthread_t threads[];  // [wanted]
};

static void
append(item_queue *queue, kofn_coder_item *item)
{
    item->next = NULL;
    *queue->last = item;
    queue->last = &item->next;
}

static kofn_coder_item *
take_first(item_queue *queue)
{
    kofn_coder_item *item = queue->first;
    if (!item)
        return NULL;
    queue->first = item->next;
    if (!queue->first)
        queue->last = &queue->first;
    return item;
}

static void
wake_loop(const kofn_coders *coders)
{
    const uint64_t one = 1;
    if (write(coders->wake.fd, &one, sizeof one) != sizeof one)
        return; // the counter is full: the loop is awake
}

/* The next item for a free thread, or NULL. */
static kofn_coder_item *
take_item(kofn_coders *coders)
{
    const size_t most = coders->wanted > 1 ? coders->wanted - 1 : 1;
    if (!coders->waiting_long.first || coders->long_running >= most)
        return take_first(&coders->waiting);
    coders->long_running++;
    return take_first(&coders->waiting_long);
}

/* NULL at the end. Called and returns with the mutex held. */
static kofn_coder_item *
wait_for_item(kofn_coders *coders)
{
    while (!coders->ending) {
        kofn_coder_item *item = take_item(coders);
        if (item)
            return item;
        pthread_cond_wait(&coders->work, &coders->mutex);
    }
    return NULL;
}

static void *
coder_main(void *context)
{
    kofn_coders *coders = context;
    pthread_mutex_lock(&coders->mutex);
    for (kofn_coder_item *item; (item = wait_for_item(coders)) != NULL;) {
        pthread_mutex_unlock(&coders->mutex);
        item->start_ns = kofn_clock_ns();
        item->run(item);
        item->end_ns = kofn_clock_ns();
        pthread_mutex_lock(&coders->mutex);
        coders->long_running -= item->is_long;
        append(&coders->done, item);
        wake_loop(coders);
    }
    pthread_mutex_unlock(&coders->mutex);
    return NULL;
}

static void
finish_done(kofn_coders *coders)
{
    for (;;) {
        pthread_mutex_lock(&coders->mutex);
        kofn_coder_item *item = take_first(&coders->done);
        pthread_mutex_unlock(&coders->mutex);
        if (!item)
            return;
        item->done(item);
    }
}

static int
on_wake(zloop_t *loop, zmq_pollitem_t *wake, void *context)
{
    (void)loop;
    uint64_t count;
    if (read(wake->fd, &count, sizeof count) == sizeof count)
        finish_done(context);
    return 0;
}

static bool
start_threads(kofn_coders *coders, size_t threads)
{
    for (; coders->count < threads; coders->count++)
        if (pthread_create(&coders->threads[coders->count], NULL, coder_main, coders) != 0)
            return false;
    return true;
}

kofn_status
kofn_coders_new(zloop_t *loop, size_t threads, kofn_coders **ret_coders, kofn_error *err)
{
    kofn_coders *coders = calloc(1, sizeof *coders + threads * sizeof coders->threads[0]);
    if (!coders)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu compute threads",
                         threads);
    coders->loop = loop;
    coders->wanted = threads;
    coders->waiting.last = &coders->waiting.first;
    coders->waiting_long.last = &coders->waiting_long.first;
    coders->done.last = &coders->done.first;
    pthread_mutex_init(&coders->mutex, NULL); // these two cannot fail with default attributes
    pthread_cond_init(&coders->work, NULL);
    coders->wake =
        (zmq_pollitem_t){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .events = ZMQ_POLLIN};
    if (coders->wake.fd < 0 || zloop_poller(loop, &coders->wake, on_wake, coders) != 0 ||
        !start_threads(coders, threads)) {
        const size_t started = coders->count;
        kofn_coders_destroy(&coders);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "could start only %zu of %zu compute threads", started, threads);
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

    pthread_mutex_lock(&coders->mutex);
    coders->ending = true;
    pthread_cond_broadcast(&coders->work);
    pthread_mutex_unlock(&coders->mutex);
    for (size_t i = 0; i < coders->count; i++)
        pthread_join(coders->threads[i], NULL);

    finish_done(coders);
    for (kofn_coder_item *item; (item = take_first(&coders->waiting_long)) != NULL;)
        item->done(item);
    for (kofn_coder_item *item; (item = take_first(&coders->waiting)) != NULL;)
        item->done(item);
    zloop_poller_end(coders->loop, &coders->wake);
    if (coders->wake.fd >= 0)
        close(coders->wake.fd);
    pthread_cond_destroy(&coders->work);
    pthread_mutex_destroy(&coders->mutex);
    free(coders);
    *coders_p = NULL;
}

void
kofn_coders_submit(kofn_coders *coders, kofn_coder_item *item)
{
    pthread_mutex_lock(&coders->mutex);
    append(item->is_long ? &coders->waiting_long : &coders->waiting, item);
    pthread_cond_signal(&coders->work);
    pthread_mutex_unlock(&coders->mutex);
}
