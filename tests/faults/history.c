#include "tests/faults/history.h"

#include "common/base/map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- noting ------------------------------------------------------------------------------------ */

void
history_init(history *h)
{
    *h = (history){.lock = PTHREAD_MUTEX_INITIALIZER};
}

void
history_fini(history *h)
{
    free(h->at);
    (void)pthread_mutex_destroy(&h->lock);
    *h = (history){.count = 0};
}

void
history_note(history *h, history_event event)
{
    (void)pthread_mutex_lock(&h->lock);
    if (h->count == h->capacity) {
        h->capacity = h->capacity ? 2 * h->capacity : 1024;
        h->at = realloc(h->at, h->capacity * sizeof *h->at);
        if (!h->at)
            abort();
    }
    h->at[h->count++] = event;
    (void)pthread_mutex_unlock(&h->lock);
}

/* ---- the model --------------------------------------------------------------------------------- */

/* An order, and the job that it became. */
typedef struct life {
    bool known, refused, accepted;
    uint64_t job, digest;
    bool over;
    history_kind end; // DONE, FAILED, CANCELLED
    bool cancel_wished, has_result;
    history_event accepted_as; // to show it if it is lost
} life;

typedef struct checker {
    life *lives; // by order
    size_t count;
    kofn_map by_job;
    history_verdict verdict;
} checker;

static void
blame(checker *c, history_fault fault, const history_event *event)
{
    if (c->verdict.fault[fault]++ == 0)
        c->verdict.first[fault] = *event;
    c->verdict.faults++;
}

static void
on_accepted(checker *c, const history_event *e)
{
    life *l = &c->lives[e->order];
    const life *other = kofn_map_find(&c->by_job, e->job);
    if (l->refused)
        blame(c, HISTORY_RESURRECTED, e);
    if (l->accepted && l->job != e->job)
        blame(c, HISTORY_DOUBLED, e);
    if (other && other != l)
        blame(c, HISTORY_SHARED, e);
    if (l->accepted || other)
        return;
    c->verdict.accepted++;
    l->accepted = true;
    l->job = e->job;
    l->accepted_as = *e;
    if (kofn_map_put(&c->by_job, e->job, l, NULL) != KOFN_OK)
        abort();
}

static void
on_end(checker *c, life *l, const history_event *e)
{
    if (l->over && l->end != e->kind)
        blame(c, HISTORY_RETURNED, e);
    if (l->over)
        return;
    l->over = true;
    l->end = e->kind;
    if (e->kind == HISTORY_FAILED)
        blame(c, HISTORY_BROKEN, e);
    if (e->kind == HISTORY_CANCELLED && !l->cancel_wished)
        blame(c, HISTORY_UNASKED, e);
}

/* A product may come again: a wait is repeated when nobody knows whether it was read. */
static void
on_result(checker *c, life *l, const history_event *e)
{
    if (e->digest != l->digest)
        blame(c, HISTORY_WRONG, e);
    if (l->over && l->end == HISTORY_CANCELLED)
        blame(c, HISTORY_REVIVED, e);
    l->has_result = true;
    c->verdict.results++;
}

static void
on_job_event(checker *c, const history_event *e)
{
    life *l = kofn_map_find(&c->by_job, e->job);
    if (!l) {
        blame(c, e->kind == HISTORY_LISTED ? HISTORY_GHOST : HISTORY_EARLY, e);
        return;
    }
    switch (e->kind) {
    case HISTORY_RUNS:
        if (l->over)
            blame(c, HISTORY_RETURNED, e);
        break;
    case HISTORY_CANCEL:
        l->cancel_wished = true;
        break;
    case HISTORY_RESULT:
        on_result(c, l, e);
        break;
    case HISTORY_LISTED:
        break;
    default:
        on_end(c, l, e);
    }
}

static void
on_event(checker *c, const history_event *e)
{
    switch (e->kind) {
    case HISTORY_SUBMIT:
        c->lives[e->order].known = true;
        c->lives[e->order].digest = e->digest;
        break;
    case HISTORY_REFUSED:
        c->lives[e->order].refused = true;
        break;
    case HISTORY_ACCEPTED:
        on_accepted(c, e);
        break;
    default:
        on_job_event(c, e);
    }
}

static void
close_life(checker *c, const life *l)
{
    history_verdict *v = &c->verdict;
    v->orders += l->known;
    v->refused += l->refused;
    v->done += l->over && l->end == HISTORY_DONE;
    v->cancelled += l->over && l->end == HISTORY_CANCELLED;
    const bool settled = l->has_result || (l->over && l->end != HISTORY_DONE);
    if (l->accepted && !settled)
        blame(c, HISTORY_LOST, &l->accepted_as);
}

static size_t
count_orders(const history_event *events, size_t count)
{
    size_t orders = 0;
    for (size_t i = 0; i < count; i++)
        if (events[i].kind <= HISTORY_ACCEPTED && events[i].order >= orders)
            orders = events[i].order + 1;
    return orders;
}

history_verdict
history_check(const history_event *events, size_t count)
{
    checker c = {.count = count_orders(events, count)};
    c.lives = calloc(c.count + 1, sizeof *c.lives);
    if (!c.lives)
        abort();
    for (size_t i = 0; i < count; i++)
        on_event(&c, &events[i]);
    for (size_t i = 0; i < c.count; i++)
        close_life(&c, &c.lives[i]);
    kofn_map_fini(&c.by_job);
    free(c.lives);
    return c.verdict;
}

/* ---- saying ------------------------------------------------------------------------------------ */

const char *
history_fault_name(history_fault fault)
{
    static const char *const names[HISTORY_FAULTS] = {
        [HISTORY_LOST] = "accepted, and never ended with a product",
        [HISTORY_BROKEN] = "accepted, and failed",
        [HISTORY_DOUBLED] = "one order became two jobs",
        [HISTORY_SHARED] = "two orders became one job",
        [HISTORY_EARLY] = "heard of before it was accepted",
        [HISTORY_WRONG] = "wrong product",
        [HISTORY_RETURNED] = "was over, and then not, or otherwise",
        [HISTORY_REVIVED] = "a product after it was cancelled",
        [HISTORY_UNASKED] = "cancelled by nobody",
        [HISTORY_RESURRECTED] = "refused, and accepted later",
        [HISTORY_GHOST] = "listed, and nobody's",
    };
    return names[fault];
}

void
history_print(const history_verdict *v)
{
    (void)printf("history: %zu orders, %zu accepted, %zu refused, %zu products, %zu done, "
                 "%zu cancelled, %zu faults\n",
                 v->orders, v->accepted, v->refused, v->results, v->done, v->cancelled, v->faults);
    for (int i = 0; i < HISTORY_FAULTS; i++)
        if (v->fault[i])
            (void)printf("FAULT: %zu jobs: %s; first: order %zu, job %016" PRIx64 " at %.6f s\n",
                         v->fault[i], history_fault_name((history_fault)i), v->first[i].order,
                         v->first[i].job, (double)v->first[i].at_ns / 1e9);
}
