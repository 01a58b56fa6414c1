#include "worker/compute.h"

#include "common/base/clock.h"
#include "proto/block.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- one piece of work ----------------------------------------------------------------------- */

/* In one piece, for kofn_multiply. The frames are let go at once: gathering all operands first and
 * freeing later would hold them twice. */
static kofn_status
gather(kofn_work *work, kofn_pool *pool, kofn_mat *ret_mats)
{
    kofn_status status = KOFN_OK;
    for (size_t o = 0; o < work->count && status == KOFN_OK; o++) {
        status = kofn_bands_gather(&work->operand[o], pool, &ret_mats[o], &work->error);
        kofn_bands_fini(&work->operand[o]);
    }
    return status;
}

/* Both forms, so that what follows need not ask. */
typedef struct product {
    kofn_product plain;
    kofn_outer outer;
} product;

static kofn_status
find_shape(kofn_work *work, const product *p, size_t *ret_rows, size_t *ret_cols)
{
    return work->outer ? kofn_outer_shape(&p->outer, ret_rows, ret_cols, &work->error)
                       : kofn_product_shape(&p->plain, ret_rows, ret_cols, &work->error);
}

static kofn_status
fill_product(kofn_work *work, const product *p)
{
    return work->outer ? kofn_outer_multiply(work->field, &p->outer, &work->c, &work->error)
                       : kofn_multiply(work->field, &p->plain, &work->c, &work->error);
}

static kofn_status
multiply(kofn_work *work, const kofn_mat *mats, kofn_pool *pool)
{
    const product p = {
        .plain = {.a = &mats[0],
                  .b = &mats[1],
                  .transpose_a = work->transposed[0],
                  .transpose_b = work->transposed[1],
                  .cancelled = &work->cancelled},
        .outer = {.count = work->count,
                  .factor = mats,
                  .transpose = work->transposed,
                  .cancelled = &work->cancelled},
    };
    size_t rows, cols;
    kofn_status status = find_shape(work, &p, &rows, &cols);
    if (status == KOFN_OK)
        status = kofn_block_bands_new(pool, work->field->dtype, rows, cols, work->chunk_bytes,
                                      &work->c, &work->error);
    if (status != KOFN_OK)
        return status;

    const int64_t start_ns = kofn_clock_ns();
    for (int64_t i = 0; i < work->faults.repeat && status == KOFN_OK; i++)
        status = fill_product(work, &p);
    work->compute_ns = kofn_clock_ns() - start_ns;
    return status;
}

static bool
has_foreign(const kofn_field *field, const kofn_bands *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (field->has_foreign(field, c->at[i].mat.data, c->at[i].mat.rows * c->cols))
            return true;
    return false;
}

void
kofn_work_run(kofn_work *work, kofn_pool *pool)
{
    kofn_mat mats[KOFN_OPERANDS_MAX] = {0};
    work->status = gather(work, pool, mats);
    if (work->status == KOFN_OK)
        work->status = multiply(work, mats, pool);
    for (size_t o = 0; o < work->count; o++)
        kofn_mat_fini(&mats[o]);

    if (work->faults.crash)
        _exit(137); // as SIGKILL would end it: nothing is flushed, nobody is told
    if (work->status == KOFN_OK)
        kofn_faults_spoil(&work->faults, &work->c);
    else
        kofn_bands_fini(&work->c);
    work->nonfinite = has_foreign(work->field, &work->c);
}

void
kofn_work_fini(kofn_work *work)
{
    for (size_t o = 0; o < work->count; o++)
        kofn_bands_fini(&work->operand[o]);
    kofn_bands_fini(&work->c);
    kofn_field_destroy(&work->field);
}

/* ---- the actor ------------------------------------------------------------------------------- */

typedef struct work_list {
    kofn_work *first, *last;
} work_list;

struct kofn_compute {
    kofn_pool *pool;
    pthread_t thread;
    int done_fd;

    pthread_mutex_t lock;  // over all that follows
    pthread_cond_t change; // of queue, of stopping, of the running work's flag
    work_list queue, done;
    kofn_work *running;
    bool stopping;
};

static void
append(work_list *list, kofn_work *work)
{
    work->next = NULL;
    if (list->last)
        list->last->next = work;
    else
        list->first = work;
    list->last = work;
}

static kofn_work *
take_first(work_list *list)
{
    kofn_work *work = list->first;
    if (!work)
        return NULL;
    list->first = work->next;
    if (!list->first)
        list->last = NULL;
    return work;
}

static bool
remove_from(work_list *list, kofn_work *work)
{
    kofn_work *before = NULL;
    for (kofn_work *at = list->first; at; before = at, at = at->next) {
        if (at != work)
            continue;
        if (before)
            before->next = work->next;
        else
            list->first = work->next;
        if (list->last == work)
            list->last = before;
        return true;
    }
    return false;
}

/* With the lock held: as the work's faults want it. False: it was cancelled meanwhile. */
static bool
wait_until(kofn_compute *compute, const kofn_work *work, int64_t until_ns)
{
    const struct timespec until = {.tv_sec = until_ns / KOFN_NS_PER_S,
                                   .tv_nsec = until_ns % KOFN_NS_PER_S};
    while (!atomic_load(&work->cancelled) && kofn_clock_ns() < until_ns)
        (void)pthread_cond_timedwait(&compute->change, &compute->lock, &until);
    return !atomic_load(&work->cancelled);
}

/* With the lock held: the next work to do, or NULL when the actor ends. */
static kofn_work *
wait_for_work(kofn_compute *compute)
{
    while (!compute->stopping && !compute->queue.first)
        (void)pthread_cond_wait(&compute->change, &compute->lock);
    return compute->stopping ? NULL : take_first(&compute->queue);
}

/* With the lock held, behind the multiplication: until it took as long as its faults want. */
static void
linger(kofn_compute *compute, kofn_work *work, int64_t start_ns)
{
    const kofn_faults *faults = &work->faults;
    const double length_ns =
        fmax((double)faults->least_ns, (1 + faults->lag) * (double)work->compute_ns);
    const int64_t until_ns =
        length_ns < 0x1p63 ? kofn_clock_after(start_ns, (int64_t)length_ns) : KOFN_NEVER_NS;
    if (work->status != KOFN_OK || wait_until(compute, work, until_ns))
        return;
    kofn_bands_fini(&work->c);
    work->status = kofn_fail(&work->error, KOFN_CANCELLED, "cancelled while it waited");
}

/* With the lock held: hand it back. */
static void
finish(kofn_compute *compute, kofn_work *work)
{
    compute->running = NULL;
    append(&compute->done, work);
    const uint64_t one = 1;
    (void)!write(compute->done_fd, &one, sizeof one); // fails only when it is readable anyway
}

static void *
compute_main(void *argument)
{
    kofn_compute *compute = argument;
    (void)pthread_mutex_lock(&compute->lock);
    for (kofn_work *work; (work = wait_for_work(compute)) != NULL;) {
        compute->running = work;
        const int64_t begin_ns = kofn_clock_after(kofn_clock_ns(), work->faults.sleep_ns);
        const bool begins = wait_until(compute, work, begin_ns);
        (void)pthread_mutex_unlock(&compute->lock);

        if (begins)
            kofn_work_run(work, compute->pool);
        else
            work->status = kofn_fail(&work->error, KOFN_CANCELLED, "cancelled before it began");

        (void)pthread_mutex_lock(&compute->lock);
        linger(compute, work, begin_ns);
        finish(compute, work);
    }
    (void)pthread_mutex_unlock(&compute->lock);
    return NULL;
}

static void
init_monitor(kofn_compute *compute)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes); // none of these fails with glibc
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&compute->change, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&compute->lock, NULL);
}

static void
free_monitor(kofn_compute *compute)
{
    (void)pthread_cond_destroy(&compute->change);
    (void)pthread_mutex_destroy(&compute->lock);
    if (compute->done_fd >= 0)
        (void)close(compute->done_fd);
    free(compute);
}

kofn_status
kofn_compute_new(kofn_pool *pool, kofn_compute **ret_compute, kofn_error *err)
{
    kofn_compute *compute = calloc(1, sizeof *compute);
    if (!compute)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the compute thread");
    compute->pool = pool;
    init_monitor(compute);
    compute->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const int reason = compute->done_fd < 0
                           ? errno
                           : pthread_create(&compute->thread, NULL, compute_main, compute);
    if (reason != 0) {
        free_monitor(compute);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no compute thread (error %d)", reason);
    }
    *ret_compute = compute;
    return KOFN_OK;
}

void
kofn_compute_destroy(kofn_compute **compute_p)
{
    kofn_compute *compute = *compute_p;
    if (!compute)
        return;
    (void)pthread_mutex_lock(&compute->lock);
    compute->stopping = true;
    if (compute->running)
        atomic_store(&compute->running->cancelled, true);
    (void)pthread_cond_signal(&compute->change);
    (void)pthread_mutex_unlock(&compute->lock);
    (void)pthread_join(compute->thread, NULL);
    free_monitor(compute);
    *compute_p = NULL;
}

void
kofn_compute_push(kofn_compute *compute, kofn_work *work)
{
    (void)pthread_mutex_lock(&compute->lock);
    append(&compute->queue, work);
    (void)pthread_cond_signal(&compute->change);
    (void)pthread_mutex_unlock(&compute->lock);
}

bool
kofn_compute_cancel(kofn_compute *compute, kofn_work *work)
{
    (void)pthread_mutex_lock(&compute->lock);
    const bool is_back = remove_from(&compute->queue, work);
    if (!is_back)
        atomic_store(&work->cancelled, true);
    (void)pthread_cond_signal(&compute->change);
    (void)pthread_mutex_unlock(&compute->lock);
    return is_back;
}

kofn_work *
kofn_compute_take_done(kofn_compute *compute)
{
    (void)pthread_mutex_lock(&compute->lock);
    kofn_work *work = take_first(&compute->done);
    uint64_t count;
    if (!work) // under the lock, so that a write of now is not lost
        (void)!read(compute->done_fd, &count, sizeof count);
    (void)pthread_mutex_unlock(&compute->lock);
    return work;
}

int
kofn_compute_get_fd(const kofn_compute *compute)
{
    return compute->done_fd;
}
