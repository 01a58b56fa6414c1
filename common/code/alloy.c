#include "common/code/alloy.h"
#include "common/base/size.h"
#include "common/code/binomial.h"
#include "common/linalg/prime.h"

#include <math.h>

enum { RANKS_MAX = 256 }; // of d_1 by d_2 matrices, d_1 d_2 at most KOFN_TASKS_MAX = 256^2

kofn_status
kofn_alloy_check(const char *family, const kofn_field *f, const kofn_alloy_params *params,
                 kofn_error *err)
{
    const kofn_alloy_draw draw = kofn_alloy_settle(f, params);
    if (f->order != 0 && draw == KOFN_ALLOY_NORMAL)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: draw=normal in field %s, which is finite; take nonzero", family,
                         f->name);
    const uint32_t p = (uint32_t)params->p;
    if (f->order == 0 && draw != KOFN_ALLOY_NORMAL && !kofn_is_prime(p))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: p=%u is not a prime; take %u", family, p,
                         kofn_previous_prime(p) ? kofn_previous_prime(p) : 2);
    return KOFN_OK;
}

kofn_alloy_draw
kofn_alloy_settle(const kofn_field *f, const kofn_alloy_params *params)
{
    if (params->draw != KOFN_ALLOY_AUTO)
        return (kofn_alloy_draw)params->draw;
    return f->order == 0 ? KOFN_ALLOY_NORMAL : KOFN_ALLOY_NONZERO;
}

bool
kofn_alloy_is_certain(const kofn_field *f, const kofn_alloy_params *params)
{
    return kofn_alloy_settle(f, params) == KOFN_ALLOY_NORMAL;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Numbers of the finite field that rows are drawn in. */
static double
get_order(const kofn_field *f, const kofn_alloy_params *params)
{
    return f->order != 0 ? f->order : (double)params->p;
}

/* Of a zero, by equation (5): 1 - sqrt((q - 1) / q), written so that nothing cancels. */
static double
zero_share(double q)
{
    return 1 / (q * (1 + sqrt((q - 1) / q)));
}

static uint64_t
draw_number(kofn_alloy_draw draw, uint64_t q, kofn_rng *rng)
{
    if (draw != KOFN_ALLOY_PRODUCT)
        return kofn_rng_below(rng, q);
    return kofn_rng_unit(rng) < zero_share((double)q) ? 0 : 1 + kofn_rng_below(rng, q - 1);
}

static double
lift(const kofn_alloy_params *params, uint64_t number)
{
    const uint64_t p = (uint64_t)params->p;
    const double whole = params->lift == KOFN_ALLOY_SYMMETRIC && number > p / 2
                             ? -(double)(p - number)
                             : (double)number;
    int exponent; // p is below its power of two, and elements keep their size
    (void)frexp((double)p, &exponent);
    return ldexp(whole, -exponent);
}

void
kofn_alloy_fill(const kofn_field *f, const kofn_alloy_params *params, kofn_rng *rng, size_t len,
                double *ret)
{
    const kofn_alloy_draw draw = kofn_alloy_settle(f, params);
    const uint64_t q = (uint64_t)get_order(f, params);
    bool zero = true;
    do {
        for (size_t i = 0; i < len; i++) {
            if (draw == KOFN_ALLOY_NORMAL) {
                ret[i] = kofn_rng_normal(rng);
                continue;
            }
            const uint64_t number = draw_number(draw, q, rng);
            ret[i] = f->order != 0 ? (double)number : lift(params, number);
            zero = zero && number == 0;
        }
    } while (draw == KOFN_ALLOY_NONZERO && zero);
}

/* ---- odds ------------------------------------------------------------------------------------ */

/* log(q^n - q^i), n > i. */
static double
log_difference(double log_q, double n, double i)
{
    return n * log_q + log1p(-exp((i - n) * log_q));
}

/* log of how many more d1 by d2 matrices there are of this rank than of the one before, of which there
 * are the product over i < rank of (q^d1 - q^i) (q^d2 - q^i) / (q^rank - q^i). */
static double
log_growth(double log_q, size_t d1, size_t d2, size_t rank)
{
    const double i = (double)rank - 1;
    return log_difference(log_q, (double)d1, i) + log_difference(log_q, (double)d2, i) -
           log_difference(log_q, (double)rank, 0) - i * log_q;
}

/* (q^n - 1) / (q^d - 1): of the vectors that are not zero, those in a subspace of dimension n. */
static double
subspace_share(double log_q, size_t n, size_t d)
{
    if (n == 0)
        return 0;
    return exp(log_difference(log_q, (double)n, 0) - log_difference(log_q, (double)d, 0));
}

/* At most the probability that a row (a, b) has a^T M b = 0, M of this rank: a^T M is zero, or b is
 * orthogonal to what it is. */
static double
hyperplane_share(kofn_alloy_draw draw, double log_q, size_t d1, size_t d2, size_t rank)
{
    const double q = exp(log_q), each = 1 / q;
    double left = pow(each, (double)rank), right = each; // uniform
    if (draw == KOFN_ALLOY_NONZERO) {
        left = subspace_share(log_q, d1 - rank, d1);
        right = subspace_share(log_q, d2 - 1, d2);
    } else if (draw == KOFN_ALLOY_PRODUCT) {
        /* Of each of `rank` numbers, given the others, one value does: none has more than this. A
         * sum of h numbers times constants is zero with probability 1/q + (1 - 1/q) c^h; h = 2 is
         * the worst. */
        const double c = (q * zero_share(q) - 1) / (q - 1);
        left = pow(1 / sqrt(q * (q - 1)), (double)rank);
        right = each + (1 - each) * c * c;
    }
    return left + (1 - left) * right;
}

/* What m answers are asked, whatever m is: of the matrices of each rank, log of how many there are (but
 * for factors) and log of the share of them that a row may miss. The terms of many m cost an
 * exponential each, and not a dozen. */
typedef struct rank_terms {
    size_t count; // 0: no row is ever missed
    double log_count[RANKS_MAX], log_share[RANKS_MAX];
} rank_terms;

static void
fill_terms(const kofn_field *f, const kofn_alloy_params *params, size_t d1, size_t d2,
           rank_terms *ret)
{
    const kofn_alloy_draw draw = kofn_alloy_settle(f, params);
    const double log_q = log(get_order(f, params));
    double log_count = -log_difference(log_q, 1, 0); // the hyperplanes
    ret->count = 0;
    if (draw == KOFN_ALLOY_NORMAL)
        return;
    ret->count = kofn_size_smaller(kofn_size_smaller(d1, d2), RANKS_MAX);
    for (size_t rank = 1; rank <= ret->count; rank++) {
        log_count += log_growth(log_q, d1, d2, rank);
        ret->log_count[rank - 1] = log_count;
        ret->log_share[rank - 1] = log(hyperplane_share(draw, log_q, d1, d2, rank));
    }
}

static double
sum_terms(const rank_terms *terms, size_t m)
{
    double sum = 0;
    for (size_t i = 0; i < terms->count && sum < 1; i++)
        sum += exp(terms->log_count[i] + (double)m * terms->log_share[i]);
    return sum < 1 ? sum : 1;
}

double
kofn_alloy_miss(const kofn_field *f, const kofn_alloy_params *params, size_t d1, size_t d2,
                size_t m)
{
    rank_terms terms;
    fill_terms(f, params, d1, d2, &terms);
    return sum_terms(&terms, m);
}

/* What all further terms add is at most the last one's miss. */
double
kofn_alloy_miss_lost(const kofn_field *f, const kofn_alloy_params *params, size_t d1, size_t d2,
                     size_t n, double failure)
{
    const size_t k = kofn_size_multiply(d1, d2);
    double sum = kofn_binomial_below(n, k, failure), miss = 1;
    rank_terms terms;
    fill_terms(f, params, d1, d2, &terms);
    for (size_t m = k; m <= n && miss > 0x1p-60 * sum; m++) {
        miss = sum_terms(&terms, m);
        sum += kofn_binomial(n, m, failure) * miss;
    }
    return fmin(sum, 1);
}

size_t
kofn_alloy_answers(const kofn_field *f, const kofn_alloy_params *params, size_t d1, size_t d2,
                   double miss)
{
    const size_t k = kofn_size_multiply(d1, d2);
    if (k > KOFN_TASKS_MAX)
        return k; // refused later, with the limit
    rank_terms terms;
    fill_terms(f, params, d1, d2, &terms);
    size_t step = 1, most = k;
    for (; most <= KOFN_TASKS_MAX && sum_terms(&terms, most) > miss; step *= 2)
        most += step;
    size_t least = most > k ? most - step / 2 + 1 : k; // the step before was too few
    while (least < most) {
        const size_t middle = least + (most - least) / 2;
        if (sum_terms(&terms, middle) > miss)
            least = middle + 1;
        else
            most = middle;
    }
    return most;
}
