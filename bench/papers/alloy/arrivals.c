#include "bench/papers/alloy/arrivals.h"
#include "bench/bench.h"
#include "bench/papers/alloy/paper.h"
#include "bench/papers/alloy/quadric.h"
#include "common/code/decoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- by formula ------------------------------------------------------------------------------ */

/* P(this many answers of a group do not suffice). */
static double
miss_of_group(const arrivals *a, size_t answers)
{
    if (answers < a->need)
        return 1;
    return a->order == 0 ? 0 : quadric_closed(a->order, KOFN_ALLOY_NONZERO, answers);
}

static double
log_choose(size_t n, size_t k)
{
    return lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1);
}

/* P(a group of `size` tasks does not have what it needs). */
static double
miss_of_size(const arrivals *a, size_t size, double p)
{
    double sum = 0;
    for (size_t m = 0; m <= size; m++) {
        const double miss = miss_of_group(a, m);
        if (miss > 0)
            sum += miss *
                   exp(log_choose(size, m) + (double)m * log1p(-p) + (double)(size - m) * log(p));
    }
    return sum < 1 ? sum : 1;
}

double
arrivals_miss(const arrivals *a, double p)
{
    const size_t size = a->tasks / a->groups, longer = a->tasks % a->groups;
    const double none = (double)(a->groups - longer) * log1p(-miss_of_size(a, size, p)) +
                        (longer ? (double)longer * log1p(-miss_of_size(a, size + 1, p)) : 0);
    return -expm1(none);
}

/* product [degree + 1] := product times sum_m C(size, m) P(m suffice) x^m, up to x^tasks. */
static void
multiply_by_group(const arrivals *a, size_t size, double *product)
{
    for (size_t m = a->tasks + 1; m-- > 0;) {
        double sum = 0;
        for (size_t own = 0; own <= size && own <= m; own++)
            sum += product[m - own] * (1 - miss_of_group(a, own)) * exp(log_choose(size, own));
        product[m] = sum;
    }
}

void
arrivals_shares(const arrivals *a, double *ret_share)
{
    const size_t size = a->tasks / a->groups, longer = a->tasks % a->groups;
    memset(ret_share, 0, (a->tasks + 1) * sizeof *ret_share);
    ret_share[0] = 1;
    for (size_t g = 0; g < a->groups; g++)
        multiply_by_group(a, size + (g < longer), ret_share);
    for (size_t m = 0; m <= a->tasks; m++)
        ret_share[m] /= exp(log_choose(a->tasks, m));
}

size_t
arrivals_recover(const arrivals *a, double p, double epsilon)
{
    arrivals at = *a;
    size_t few = a->groups * a->need - 1, many = few; // `few` are not enough
    do {
        few = many;
        many = 2 * many + 1;
        at.tasks = many;
    } while (many <= ARRIVALS_RECOVER_MAX && arrivals_miss(&at, p) >= epsilon);
    if (many > ARRIVALS_RECOVER_MAX)
        return 0;
    while (many - few > 1) {
        at.tasks = few + (many - few) / 2;
        if (arrivals_miss(&at, p) < epsilon)
            many = at.tasks;
        else
            few = at.tasks;
    }
    return many;
}

/* ---- by the decoder -------------------------------------------------------------------------- */

#define ARRIVALS_STREAM ((uint64_t)1 << 62) // codes draw from streams below

static void
shuffle(size_t *task, size_t count, uint64_t seed)
{
    kofn_rng rng;
    kofn_rng_init(&rng, seed, ARRIVALS_STREAM);
    for (size_t i = 0; i < count; i++)
        task[i] = i;
    for (size_t i = count; i > 1; i--) {
        const size_t other = kofn_rng_below(&rng, i), moved = task[i - 1];
        task[i - 1] = task[other];
        task[other] = moved;
    }
}

arrivals_count
arrivals_try(kofn_code *code, uint64_t seed)
{
    size_t *task = bench_alloc(code->tasks * sizeof *task);
    kofn_decoder *d = NULL;
    arrivals_count count = {0};
    shuffle(task, code->tasks, seed);
    paper_must(kofn_decoder_new(code, 0, &d, &paper_error));
    while (count.answers < code->tasks && kofn_decoder_get_state(d) != KOFN_DECODE_EXACT) {
        count.wanted += kofn_decoder_would_help(d, task[count.answers]);
        paper_must(kofn_decoder_add(d, task[count.answers], &paper_error));
        count.answers++;
    }
    if (kofn_decoder_get_state(d) != KOFN_DECODE_EXACT)
        count.answers++;
    kofn_decoder_destroy(&d);
    free(task);
    return count;
}
