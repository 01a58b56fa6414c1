#include "common/code/odds.h"
#include "common/base/size.h"
#include "common/code/binomial.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static const uint64_t ODDS_STREAM = UINT64_MAX - 1; // rows of codes take streams below 2^40

typedef struct trial {
    size_t workers; // that it took; SIZE_MAX: all did not do
    size_t answers;
    double amplification, error;
    double density;
} trial;

/* ---- counting -------------------------------------------------------------------------------- */

double
kofn_odds_count(size_t tasks, size_t needed, size_t workers, double failure)
{
    const size_t used = kofn_size_smaller(tasks, workers), least = tasks / used,
                 more = tasks % used;
    double sum = 0;
    for (size_t i = 0; i <= more; i++) { // of those with one task more
        double others = 0;
        for (size_t j = 0; j <= used - more; j++)
            if (i * (least + 1) + j * least >= needed)
                others += kofn_binomial(used - more, j, failure);
        sum += kofn_binomial(more, i, failure) * others;
    }
    return fmin(sum, 1);
}

/* Workers that have a task. */
static size_t
count_used(const kofn_odds_question *q)
{
    return kofn_size_smaller(kofn_code_first_tasks(q->coding->code), q->workers);
}

/* ---- trials ---------------------------------------------------------------------------------- */

static void
shuffle(kofn_rng *rng, size_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t i = count; i > 1; i--) {
        const size_t j = (size_t)kofn_rng_below(rng, i), moved = order[i - 1];
        order[i - 1] = order[j];
        order[j] = moved;
    }
}

static double
count_share(const kofn_decode_plan *plan)
{
    size_t count = 0;
    const size_t all = plan->targets * plan->used;
    for (size_t i = 0; i < all; i++)
        count += plan->coef[i] != 0;
    return all > 0 ? (double)count / (double)all : 0;
}

static kofn_status
judge(const kofn_odds_question *q, const kofn_decoder *d, trial *ret, kofn_error *err)
{
    const double noise = kofn_coding_get_noise(q->coding);
    kofn_decode_plan plan;
    const bool exact = kofn_decoder_get_state(d) != KOFN_DECODE_NOT_YET;
    const kofn_status status = exact && !q->estimate ? kofn_decoder_plan(d, noise, &plan, err)
                                                     : kofn_decoder_estimate(d, noise, &plan, err);
    if (status)
        return status;
    ret->amplification = plan.quality.amplification;
    ret->error = plan.truncation + plan.rounding;
    ret->density = count_share(&plan);
    kofn_decode_plan_fini(&plan);
    return KOFN_OK;
}

/* Of an approximate code fewer answers than give the product may pass for it, so near do they come:
 * nobody takes them for that. */
static bool
has_enough(const kofn_odds_question *q, const kofn_decoder *d)
{
    const kofn_code *code = q->coding->code;
    const size_t count = kofn_decoder_get_count(d);
    if (q->estimate && count >= code->enough)
        return true;
    return kofn_decoder_get_state(d) != KOFN_DECODE_NOT_YET &&
           (q->estimate || code->enough == code->threshold || count >= code->threshold);
}

/* All tasks of a worker; stops once they suffice. */
static kofn_status
add_worker(const kofn_odds_question *q, size_t worker, size_t used, kofn_decoder *d,
           kofn_error *err)
{
    kofn_status status = KOFN_OK;
    for (size_t task = worker; task < kofn_code_first_tasks(q->coding->code) && !status;
         task += used) {
        if (has_enough(q, d))
            break;
        status = kofn_decoder_add(d, task, err);
    }
    return status;
}

/* A decoder with the answers of workers in a random order, until they suffice. *ret_workers: how
 * many these are; SIZE_MAX where all do not suffice. */
static kofn_status
run_order(const kofn_odds_question *q, kofn_rng *rng, size_t *order, kofn_decoder **ret_decoder,
          size_t *ret_workers, kofn_error *err)
{
    kofn_code *code = (kofn_code *)q->coding->code; // counted, not changed
    const size_t used = count_used(q);
    kofn_decoder *d = NULL;
    kofn_status status = kofn_decoder_new(code, 0, &d, err);
    if (status)
        return status;
    shuffle(rng, order, used);
    size_t workers = 0;
    while (!status && workers < used && !has_enough(q, d))
        status = add_worker(q, order[workers++], used, d, err);
    if (status) {
        kofn_decoder_destroy(&d);
        return status;
    }
    *ret_workers = has_enough(q, d) ? workers : SIZE_MAX;
    *ret_decoder = d;
    return KOFN_OK;
}

static kofn_status
run_trial(const kofn_odds_question *q, kofn_rng *rng, size_t *order, trial *ret, kofn_error *err)
{
    kofn_decoder *d;
    *ret = (trial){.amplification = INFINITY, .error = INFINITY, .density = 1};
    kofn_status status = run_order(q, rng, order, &d, &ret->workers, err);
    if (status)
        return status;
    ret->answers = kofn_decoder_get_count(d);
    if (ret->workers != SIZE_MAX)
        status = judge(q, d, ret, err);
    kofn_decoder_destroy(&d);
    return status;
}

/* ---- all together ---------------------------------------------------------------------------- */

static int
compare_doubles(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double
median_of(double *values, size_t count, double *ret_worst)
{
    qsort(values, count, sizeof *values, compare_doubles);
    *ret_worst = values[count - 1];
    return values[count / 2];
}

/* Does the number of answers alone decide? Independent output blocks need as many answers. */
static bool
is_counted(const kofn_odds_question *q)
{
    const kofn_code *code = q->coding->code;
    return q->estimate || (!code->likely && (code->threshold <= code->targets.rows ||
                                             code->threshold == kofn_code_first_tasks(code)));
}

/* P(fewer workers are left than a trial took). */
static double
get_miss(const kofn_odds_question *q, size_t workers)
{
    const kofn_code *code = q->coding->code;
    const size_t used = count_used(q), each = kofn_code_first_tasks(code) / used;
    const size_t needed = q->estimate ? code->enough : code->threshold;
    if (!code->likely) // whatever the trial says
        workers = kofn_size_smaller(workers, (needed + each - 1) / each);
    return kofn_binomial_below(used, workers, q->failure);
}

static void
summarise(const kofn_odds_question *q, const trial *trials, double *room, kofn_odds *ret)
{
    const kofn_code *code = q->coding->code;
    const size_t needed = q->estimate ? code->enough : code->threshold;
    kofn_odds odds = {0};
    for (size_t t = 0; t < q->trials; t++) {
        odds.answers += (double)trials[t].answers / (double)q->trials;
        odds.density += trials[t].density / (double)q->trials;
        odds.decodable += (1 - get_miss(q, trials[t].workers)) / (double)q->trials;
    }
    if (is_counted(q))
        odds.decodable =
            kofn_odds_count(kofn_code_first_tasks(code), needed, q->workers, q->failure);
    for (size_t t = 0; t < q->trials; t++)
        room[t] = trials[t].amplification;
    odds.amplification = median_of(room, q->trials, &odds.worst_amplification);
    for (size_t t = 0; t < q->trials; t++)
        room[t] = trials[t].error;
    odds.error = median_of(room, q->trials, &odds.worst_error);
    *ret = odds;
}

static kofn_status
check(const kofn_odds_question *q, kofn_error *err)
{
    if (!(q->failure >= 0 && q->failure <= 1))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "failure=%g, need a probability, 0 to 1",
                         q->failure);
    if (q->workers == 0 || q->trials == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "workers=%zu, trials=%zu, need 1 each",
                         q->workers, q->trials);
    return KOFN_OK;
}

kofn_status
kofn_odds_measure(const kofn_odds_question *q, kofn_odds *ret_odds, kofn_error *err)
{
    kofn_status status = check(q, err);
    if (status)
        return status;
    const size_t used = count_used(q);
    trial *trials = calloc(q->trials, sizeof *trials);
    size_t *order = calloc(used, sizeof *order);
    double *room = calloc(q->trials, sizeof *room);
    if (!trials || !order || !room)
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "odds: no memory for %zu trials", q->trials);
    kofn_rng rng;
    kofn_rng_init(&rng, q->seed, ODDS_STREAM);
    for (size_t t = 0; t < q->trials && !status; t++)
        status = run_trial(q, &rng, order, &trials[t], err);
    if (!status)
        summarise(q, trials, room, ret_odds);
    free(trials);
    free(order);
    free(room);
    return status;
}

kofn_status
kofn_odds_miss(const kofn_odds_question *q, double *ret_miss, double *ret_spread, kofn_error *err)
{
    kofn_status status = check(q, err);
    if (status)
        return status;
    size_t *order = calloc(count_used(q), sizeof *order);
    if (!order)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "odds: no memory for %zu workers",
                         q->workers);
    kofn_rng rng;
    kofn_rng_init(&rng, q->seed, ODDS_STREAM);
    double sum = 0, squares = 0;
    for (size_t t = 0; t < q->trials && !status; t++) {
        size_t workers = 0;
        kofn_decoder *d = NULL;
        status = run_order(q, &rng, order, &d, &workers, err);
        kofn_decoder_destroy(&d);
        const double miss = status ? 0 : get_miss(q, workers);
        sum += miss;
        squares += miss * miss;
    }
    free(order);
    if (status)
        return status;
    const double trials = (double)q->trials, mean = sum / trials;
    *ret_miss = mean;
    *ret_spread = sqrt(fmax(squares / trials - mean * mean, 0) / trials);
    return KOFN_OK;
}
