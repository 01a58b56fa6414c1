#include "tests/faults/history.h"

#include "common/base/map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- noting ---------------------------------------------------------------------------------- */

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

/* ---- the model ------------------------------------------------------------------------------- */

typedef struct keeping { // of an operand
    bool drop_wished, dropped;
    size_t seen; // the last list that has it
    history_event stored_as;
} keeping;

/* An order, and the job that it became. */
typedef struct life {
    bool known, refused, accepted;
    const keeping *names; // the operand; NULL: none
    bool named_dropped;   // which was dropped before
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
    keeping *keepings; // [operands]
    size_t operands, lists;
    kofn_map by_operand;
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
    if (l->named_dropped)
        blame(c, HISTORY_UNDEAD, e);
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
on_submit(checker *c, const history_event *e)
{
    life *l = &c->lives[e->order];
    l->known = true;
    l->digest = e->digest;
    if (e->operand == 0)
        return;
    c->verdict.named++;
    l->names = kofn_map_find(&c->by_operand, e->operand);
    l->named_dropped = l->names && l->names->dropped;
    if (!l->names)
        blame(c, HISTORY_STRAY, e);
}

static void
on_refused(checker *c, const history_event *e)
{
    life *l = &c->lives[e->order];
    l->refused = true;
    if (l->names && !l->names->drop_wished)
        blame(c, HISTORY_MISSED, e);
}

static void
on_stored(checker *c, const history_event *e)
{
    if (kofn_map_find(&c->by_operand, e->operand)) {
        blame(c, HISTORY_STRAY, e);
        return;
    }
    keeping *k = &c->keepings[c->operands++];
    k->stored_as = *e;
    if (kofn_map_put(&c->by_operand, e->operand, k, NULL) != KOFN_OK)
        abort();
}

static void
on_operand_event(checker *c, const history_event *e)
{
    keeping *k = kofn_map_find(&c->by_operand, e->operand);
    if (!k) {
        blame(c, HISTORY_STRAY, e);
        return;
    }
    if (e->kind == HISTORY_HELD && k->dropped)
        blame(c, HISTORY_UNDEAD, e);
    if (e->kind == HISTORY_HELD)
        k->seen = c->lists;
    k->drop_wished |= e->kind != HISTORY_HELD;
    k->dropped |= e->kind == HISTORY_DROPPED;
}

static void
on_event(checker *c, const history_event *e)
{
    switch (e->kind) {
    case HISTORY_SUBMIT:
        on_submit(c, e);
        break;
    case HISTORY_REFUSED:
        on_refused(c, e);
        break;
    case HISTORY_STORED:
        on_stored(c, e);
        break;
    case HISTORY_OPERANDS:
        c->lists++;
        break;
    case HISTORY_DROP:
    case HISTORY_DROPPED:
    case HISTORY_HELD:
        on_operand_event(c, e);
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

/* The last list tells of all: whoever was lost sooner does not come back. */
static void
close_keeping(checker *c, const keeping *k)
{
    c->verdict.operands++;
    c->verdict.dropped += k->dropped;
    if (!k->drop_wished && k->seen < c->lists)
        blame(c, HISTORY_MISSED, &k->stored_as);
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

static size_t
count_operands(const history_event *events, size_t count)
{
    size_t operands = 0;
    for (size_t i = 0; i < count; i++)
        operands += events[i].kind == HISTORY_STORED;
    return operands;
}

history_verdict
history_check(const history_event *events, size_t count)
{
    checker c = {.count = count_orders(events, count)};
    c.lives = calloc(c.count + 1, sizeof *c.lives);
    c.keepings = calloc(count_operands(events, count) + 1, sizeof *c.keepings);
    if (!c.lives || !c.keepings)
        abort();
    for (size_t i = 0; i < count; i++)
        on_event(&c, &events[i]);
    for (size_t i = 0; i < c.count; i++)
        close_life(&c, &c.lives[i]);
    for (size_t i = 0; i < c.operands; i++)
        close_keeping(&c, &c.keepings[i]);
    kofn_map_fini(&c.by_job);
    kofn_map_fini(&c.by_operand);
    free(c.keepings);
    free(c.lives);
    return c.verdict;
}

/* ---- saying ---------------------------------------------------------------------------------- */

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
        [HISTORY_MISSED] = "an operand that nobody dropped is not there",
        [HISTORY_UNDEAD] = "an operand that was dropped is there",
        [HISTORY_STRAY] = "an operand that nobody stored, or two that are one",
    };
    return names[fault];
}

void
history_print(const history_verdict *v)
{
    (void)printf("history: %zu orders, %zu accepted, %zu refused, %zu products, %zu done, "
                 "%zu cancelled; %zu operands, %zu dropped, named by %zu orders; %zu faults\n",
                 v->orders, v->accepted, v->refused, v->results, v->done, v->cancelled, v->operands,
                 v->dropped, v->named, v->faults);
    for (int i = 0; i < HISTORY_FAULTS; i++)
        if (v->fault[i])
            (void)printf("FAULT: %zu times: %s; first: order %zu, job %016" PRIx64
                         ", operand %016" PRIx64 " at %.6f s\n",
                         v->fault[i], history_fault_name((history_fault)i), v->first[i].order,
                         v->first[i].job, v->first[i].operand, (double)v->first[i].at_ns / 1e9);
}
