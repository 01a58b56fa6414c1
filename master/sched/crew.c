#include "master/sched/crew.h"
#include "common/base/clock.h"
#include "master/sched/sched.h"
#include "master/sched/sorted.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Weight that each further answer leaves to the past: half of the memory is 3 answers old. */
static const double past_weight = 0.8;

/* Failures, or cancellations, in a row that count: more than any credit only make recovery
 * slower. */
enum { FAILING_MAX = 64, STUCK_MAX = 64 };

void
kofn_crew_init(kofn_crew *crew)
{
    *crew = (kofn_crew){0};
    kofn_link_init(&crew->spare);
    kofn_link_init(&crew->woken);
}

void
kofn_crew_fini(kofn_crew *crew)
{
    size_t cursor = 0;
    for (void *a; (a = kofn_map_next(&crew->assignments, &cursor));)
        free(a);
    cursor = 0;
    for (void *worker; (worker = kofn_map_next(&crew->workers, &cursor));)
        free(worker);
    for (kofn_link *link; (link = kofn_list_take_first(&crew->spare));)
        free(KOFN_OWNER(link, kofn_assignment, pending));
    kofn_map_fini(&crew->assignments);
    kofn_map_fini(&crew->workers);
    free(crew->rates);
    *crew = (kofn_crew){0};
}

/* Room for all that a worker of this credit may ever need, so that no later event can fail. */
static kofn_status
reserve(kofn_crew *crew, size_t credit, kofn_error *err)
{
    kofn_status status =
        kofn_map_reserve(&crew->assignments, crew->credit + credit + crew->adopted, err);
    if (status != KOFN_OK)
        return status;
    if (crew->workers.count >= crew->rates_capacity) {
        const size_t capacity = 2 * crew->rates_capacity + 8;
        double *rates = realloc(crew->rates, capacity * sizeof *rates);
        if (!rates)
            return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu workers", capacity);
        crew->rates = rates;
        crew->rates_capacity = capacity;
    }
    for (; crew->records < crew->credit + credit; crew->records++) {
        kofn_assignment *a = calloc(1, sizeof *a);
        if (!a)
            return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a credit of %zu", credit);
        kofn_link_insert_before(&crew->spare, &a->pending);
    }
    return KOFN_OK;
}

static void
count_fields(size_t *counts, uint32_t fields, bool more)
{
    for (size_t i = 0; i < KOFN_FIELD_KINDS_MAX; i++)
        if (fields >> i & 1)
            counts[i] += more ? 1 : SIZE_MAX;
}

static void
set_ready(kofn_crew *crew, const kofn_crew_worker *worker, bool ready)
{
    crew->ready += ready ? 1 : SIZE_MAX;
    count_fields(crew->able, worker->fields, ready);
}

static void
unorder(kofn_crew *crew, kofn_crew_worker *worker)
{
    if (!worker->ordered)
        return;
    worker->ordered = false;
    kofn_order_remove(&crew->free, &worker->order);
    count_fields(crew->able_free, worker->fields, false);
}

/* Put the worker where it now belongs among the free ones; who waited for that is told. */
static void
reorder(kofn_crew *crew, kofn_crew_worker *worker)
{
    unorder(crew, worker);
    worker->ordered = !worker->leaving && worker->running < (worker->alone ? 1 : worker->credit);
    if (!worker->ordered)
        return;
    count_fields(crew->able_free, worker->fields, true);
    worker->order.load = worker->running + worker->failing;
    worker->order.rate = worker->rate > 0    ? worker->rate
                         : worker->stuck > 0 ? -(double)worker->stuck
                                             : INFINITY;
    kofn_order_insert(&crew->free, &worker->order);
    for (kofn_link *link; (link = kofn_list_take_first(&worker->waiting));)
        kofn_link_insert_before(&crew->woken, link);
}

kofn_status
kofn_crew_join(kofn_crew *crew, const kofn_sched_worker *joining, kofn_error *err)
{
    const uint64_t id = joining->id;
    assert(joining->credit > 0);
    if (kofn_map_find(&crew->workers, id))
        return kofn_fail(err, KOFN_ALREADY_EXISTS, "worker %" PRIu64 " has joined already", id);
    kofn_status status = reserve(crew, joining->credit, err);
    if (status != KOFN_OK)
        return status;
    kofn_crew_worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for worker %" PRIu64, id);
    status = kofn_map_put(&crew->workers, id, worker, err);
    if (status != KOFN_OK) {
        free(worker);
        return status;
    }
    worker->id = worker->order.number = id;
    (void)snprintf(worker->name, sizeof worker->name, "%s", joining->name);
    worker->giver = joining->giver ? joining->giver : id;
    worker->life = joining->life;
    worker->credit = joining->credit;
    worker->fields = joining->fields;
    kofn_link_init(&worker->queue);
    kofn_link_init(&worker->slots);
    kofn_link_init(&worker->waiting);
    crew->credit += joining->credit;
    set_ready(crew, worker, true);
    reorder(crew, worker);
    return KOFN_OK;
}

kofn_crew_worker *
kofn_crew_find(const kofn_crew *crew, uint64_t id)
{
    return kofn_map_find(&crew->workers, id);
}

void
kofn_crew_leave(kofn_crew *crew, kofn_crew_worker *worker)
{
    if (worker->leaving)
        return;
    worker->leaving = true;
    set_ready(crew, worker, false);
    reorder(crew, worker);
    if (worker->running == 0)
        kofn_crew_remove(crew, worker);
}

void
kofn_crew_remove(kofn_crew *crew, kofn_crew_worker *worker)
{
    assert(worker->running == 0 && !kofn_link_is_listed(&worker->slots));
    unorder(crew, worker);
    if (!worker->leaving)
        set_ready(crew, worker, false);
    if (worker->rate > 0)
        kofn_sorted_remove(crew->rates, &crew->measured, worker->rate);
    crew->credit -= worker->credit;
    while (crew->records > crew->credit && kofn_link_is_listed(&crew->spare)) {
        free(KOFN_OWNER(kofn_list_take_first(&crew->spare), kofn_assignment, pending));
        crew->records--;
    }
    (void)kofn_map_remove(&crew->workers, worker->id); // the pointer is at hand already
    free(worker);
}

kofn_crew_worker *
kofn_crew_first_free(const kofn_crew *crew)
{
    return (kofn_crew_worker *)kofn_order_first(&crew->free);
}

kofn_crew_worker *
kofn_crew_next_free(const kofn_crew *crew, const kofn_crew_worker *worker)
{
    return (kofn_crew_worker *)kofn_order_after(&crew->free, &worker->order);
}

kofn_assignment *
kofn_crew_assign(kofn_crew *crew, kofn_crew_worker *worker, int64_t now_ns, double flops)
{
    assert(worker->ordered);
    kofn_link *link = kofn_list_take_first(&crew->spare);
    assert(link); // a record for each unit of credit; what is cancelled was taken before
    kofn_assignment *a = KOFN_OWNER(link, kofn_assignment, pending);
    *a = (kofn_assignment){
        .id = ++crew->last_id,
        .worker_id = worker->id,
        .giver = worker->giver,
        .worker = worker,
        .flops = flops,
        .sent_ns = now_ns,
        .head_ns = worker->running == 0 ? now_ns : KOFN_NEVER_NS,
        .ahead = worker->running,
        .alone = worker->alone,
    };
    kofn_link_init(&a->pending);
    kofn_link_init(&a->in_run);
    kofn_link_insert_before(&worker->queue, &a->in_worker);
    worker->running++;
    reorder(crew, worker);
    kofn_status status = kofn_map_put(&crew->assignments, a->id, a, NULL);
    assert(status == KOFN_OK); // reserved when the worker joined
    (void)status;
    return a;
}

/* Its record is one more, so that those of the credit are there for what is sent. */
kofn_assignment *
kofn_crew_adopt(kofn_crew *crew, kofn_crew_worker *worker, int64_t now_ns)
{
    kofn_assignment *a = malloc(sizeof *a);
    if (!a || kofn_map_reserve(&crew->assignments, crew->credit + crew->adopted + 1, NULL)) {
        free(a);
        return NULL;
    }
    *a = (kofn_assignment){
        .id = ++crew->last_id,
        .worker_id = worker->id,
        .giver = worker->giver,
        .worker = worker,
        .sent_ns = now_ns,
        .head_ns = now_ns, // it waits behind nothing
        .adopted = true,
    };
    kofn_link_init(&a->pending);
    kofn_link_init(&a->in_run);
    kofn_link_insert_before(&worker->queue, &a->in_worker);
    worker->running++;
    crew->adopted++;
    reorder(crew, worker);
    const kofn_status status = kofn_map_put(&crew->assignments, a->id, a, NULL);
    assert(status == KOFN_OK); // reserved above
    (void)status;
    return a;
}

void
kofn_crew_set_alone(kofn_crew *crew, kofn_crew_worker *worker, bool alone)
{
    worker->alone = alone;
    reorder(crew, worker);
}

kofn_assignment *
kofn_crew_find_assignment(const kofn_crew *crew, uint64_t id)
{
    return kofn_map_find(&crew->assignments, id);
}

static double
median_rate(const kofn_crew *crew)
{
    return kofn_sorted_median(crew->rates, crew->measured);
}

static void
note_overhead(kofn_crew *crew, double seconds)
{
    const size_t at = crew->overhead_next;
    crew->overhead_next = (at + 1) % KOFN_OVERHEAD_SAMPLES;
    if (crew->overheads < KOFN_OVERHEAD_SAMPLES)
        kofn_sorted_insert(crew->overhead_sorted, &crew->overheads, seconds);
    else
        kofn_sorted_replace(crew->overhead_sorted, crew->overheads, crew->overhead[at], seconds);
    crew->overhead[at] = seconds;
}

static void
note_rate(kofn_crew *crew, kofn_crew_worker *worker, double flops, double seconds)
{
    worker->flops = past_weight * worker->flops + flops;
    worker->seconds = past_weight * worker->seconds + seconds;
    const double rate = worker->flops / worker->seconds;
    if (worker->rate > 0)
        kofn_sorted_replace(crew->rates, crew->measured, worker->rate, rate);
    else
        kofn_sorted_insert(crew->rates, &crew->measured, rate);
    worker->rate = rate;
}

/* Cancelled, and by no rate can be told whether that was early: it says something all the same if
 * it had been there for twice as long as such a task takes, or nobody knows how long one takes. */
static bool
seems_stuck(const kofn_crew *crew, const kofn_assignment *a)
{
    const int64_t expected_ns = kofn_crew_expect_ns(crew, NULL, a->flops);
    return expected_ns == KOFN_NEVER_NS || a->service_ns / 2 > expected_ns;
}

/* What the time that `a` spent at the head of the queue says about its worker. */
static void
measure(kofn_crew *crew, kofn_assignment *a, int64_t now_ns, kofn_ending how)
{
    kofn_crew_worker *worker = a->worker;
    const int64_t since_ns = a->head_ns == KOFN_NEVER_NS ? a->sent_ns : a->head_ns;
    a->service_ns = now_ns > since_ns ? now_ns - since_ns : 1;
    if (a->head_ns == KOFN_NEVER_NS || !(a->flops > 0) || !isfinite(a->flops))
        return; // answered out of turn, or nothing to measure by

    if (how == KOFN_ENDED_CANCELLED && worker->stuck < STUCK_MAX)
        worker->stuck += seems_stuck(crew, a);
    const double seconds = (double)a->service_ns * 1e-9;
    if (a->flops < KOFN_MEASURABLE_FLOPS) {
        if (how == KOFN_ENDED_ANSWERED)
            note_overhead(crew, seconds);
        return;
    }
    const double known = worker->rate > 0 ? worker->rate : median_rate(crew);
    if (how == KOFN_ENDED_ANSWERED) {
        if (known > 0)
            note_overhead(crew, fmax(0, seconds - a->flops / known));
        note_rate(crew, worker, a->flops, seconds);
    } else if (how == KOFN_ENDED_CANCELLED && a->flops / seconds < known) {
        note_rate(crew, worker, a->flops, seconds);
    }
}

static void
count_ending(kofn_crew_worker *worker, kofn_ending how)
{
    worker->done += how == KOFN_ENDED_ANSWERED;
    worker->failed += how == KOFN_ENDED_FAILED;
    worker->cancelled += how == KOFN_ENDED_CANCELLED;
    if (how == KOFN_ENDED_ANSWERED)
        worker->failing = worker->stuck = 0;
    else if (how == KOFN_ENDED_FAILED && worker->failing < FAILING_MAX)
        worker->failing++;
}

void
kofn_crew_release(kofn_crew *crew, kofn_assignment *a, int64_t now_ns, kofn_ending how)
{
    kofn_crew_worker *worker = a->worker;
    assert(worker);
    measure(crew, a, now_ns, how);
    count_ending(worker, how);

    (void)kofn_map_remove(&crew->assignments, a->id);
    crew->adopted -= a->adopted;
    kofn_link_remove(&a->in_worker);
    a->worker = NULL;
    worker->running--;
    worker->alone = worker->alone && !a->alone;
    kofn_link *head = kofn_list_first(&worker->queue);
    kofn_assignment *next = head ? KOFN_OWNER(head, kofn_assignment, in_worker) : NULL;
    if (next && next->head_ns == KOFN_NEVER_NS)
        next->head_ns = now_ns;

    if (worker->leaving && worker->running == 0)
        kofn_crew_remove(crew, worker);
    else
        reorder(crew, worker);
}

void
kofn_crew_recycle(kofn_crew *crew, kofn_assignment *a)
{
    assert(!a->worker && !kofn_link_is_listed(&a->in_run));
    if (a->adopted) {
        free(a);
        return;
    }
    if (crew->records <= crew->credit) {
        kofn_link_insert_before(&crew->spare, &a->pending);
        return;
    }
    crew->records--; // of a worker that is gone
    free(a);
}

bool
kofn_crew_has_run(const kofn_crew_worker *worker, const kofn_run *run)
{
    for (kofn_link *link = worker->queue.next; link != &worker->queue; link = link->next)
        if (KOFN_OWNER(link, kofn_assignment, in_worker)->run == run)
            return true;
    return false;
}

int64_t
kofn_crew_expect_ns(const kofn_crew *crew, const kofn_crew_worker *worker, double flops)
{
    const double rate = worker && worker->rate > 0 ? worker->rate : median_rate(crew);
    const bool is_small = !(flops >= KOFN_MEASURABLE_FLOPS);
    if (is_small ? crew->overheads == 0 && !(rate > 0) : !(rate > 0))
        return KOFN_NEVER_NS;
    const double overhead = kofn_sorted_median(crew->overhead_sorted, crew->overheads);
    const double expected_ns = ((rate > 0 ? fmax(flops, 0) / rate : 0) + overhead) * 1e9;
    return expected_ns < 9e18 ? (int64_t)expected_ns : KOFN_NEVER_NS;
}

bool
kofn_crew_is_due(const kofn_crew *crew, const kofn_assignment *a, int64_t now_ns, int64_t by_ns)
{
    kofn_link *link = kofn_list_first(&a->worker->queue);
    int64_t arrival_ns = KOFN_OWNER(link, kofn_assignment, in_worker)->head_ns;
    for (;; link = link->next) {
        const kofn_assignment *ahead = KOFN_OWNER(link, kofn_assignment, in_worker);
        const int64_t expected_ns = kofn_crew_expect_ns(crew, a->worker, ahead->flops);
        arrival_ns = kofn_clock_after(arrival_ns, expected_ns);
        if (ahead == a)
            return arrival_ns <= by_ns && kofn_clock_after(arrival_ns, expected_ns) > now_ns;
    }
}

double
kofn_crew_slowdown(const kofn_crew *crew, const kofn_crew_worker *worker)
{
    return worker->rate > 0 ? median_rate(crew) / worker->rate : 0;
}
