#include "common/code/odds.h"

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

static double
log_factorial(size_t n)
{
    int sign; // lgamma's own is shared by all threads
    return lgamma_r((double)n + 1, &sign);
}

/* P(m of n live). */
static double
binomial(size_t n, size_t m, double failure)
{
    if (failure == 0 || failure == 1)
        return m == (failure == 0 ? n : 0);
    const double ways = log_factorial(n) - log_factorial(m) - log_factorial(n - m);
    return exp(ways + (double)m * log1p(-failure) + (double)(n - m) * log(failure));
}

static size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

double
kofn_odds_count(size_t tasks, size_t needed, size_t workers, double failure)
{
    const size_t used = smaller(tasks, workers), least = tasks / used, more = tasks % used;
    double sum = 0;
    for (size_t i = 0; i <= more; i++) { // of those with one task more
        double others = 0;
        for (size_t j = 0; j <= used - more; j++)
            if (i * (least + 1) + j * least >= needed)
                others += binomial(used - more, j, failure);
        sum += binomial(more, i, failure) * others;
    }
    return fmin(sum, 1);
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

static bool
has_enough(const kofn_odds_question *q, const kofn_decoder *d)
{
    if (kofn_decoder_get_state(d) != KOFN_DECODE_NOT_YET)
        return true;
    return q->estimate && kofn_decoder_get_count(d) >= q->coding->code->enough;
}

/* All tasks of a worker; stops once they suffice. */
static kofn_status
add_worker(const kofn_odds_question *q, size_t worker, size_t used, kofn_decoder *d,
           kofn_error *err)
{
    kofn_status status = KOFN_OK;
    for (size_t task = worker; task < q->coding->code->tasks && !status; task += used) {
        if (has_enough(q, d))
            break;
        status = kofn_decoder_add(d, task, err);
    }
    return status;
}

static kofn_status
run_trial(const kofn_odds_question *q, kofn_rng *rng, size_t *order, trial *ret, kofn_error *err)
{
    kofn_code *code = (kofn_code *)q->coding->code; // counted, not changed
    const size_t used = smaller(code->tasks, q->workers);
    kofn_decoder *d = NULL;
    kofn_status status = kofn_decoder_new(code, 0, &d, err);
    if (status)
        return status;
    *ret = (trial){.workers = SIZE_MAX, .amplification = INFINITY, .error = INFINITY, .density = 1};
    shuffle(rng, order, used);
    size_t workers = 0;
    while (!status && workers < used && !has_enough(q, d))
        status = add_worker(q, order[workers++], used, d, err);
    ret->answers = kofn_decoder_get_count(d);
    if (!status && has_enough(q, d)) {
        ret->workers = workers;
        status = judge(q, d, ret, err);
    }
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
                                             code->threshold == code->tasks));
}

/* P(decodable), from how many workers the trials took. */
static double
weigh(const kofn_odds_question *q, const trial *trials)
{
    const kofn_code *code = q->coding->code;
    const size_t used = smaller(code->tasks, q->workers);
    double sum = 0;
    for (size_t m = 0; m <= used; m++) {
        size_t good = 0;
        for (size_t t = 0; t < q->trials; t++)
            good += trials[t].workers <= m;
        const bool sure = !code->likely && m * (code->tasks / used) >= code->threshold;
        sum += binomial(used, m, q->failure) * (sure ? 1 : (double)good / (double)q->trials);
    }
    return fmin(sum, 1);
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
    }
    odds.decodable = is_counted(q) ? kofn_odds_count(code->tasks, needed, q->workers, q->failure)
                                   : weigh(q, trials);
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
    const size_t used = smaller(q->coding->code->tasks, q->workers);
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
