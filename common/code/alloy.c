#include "common/code/alloy.h"
#include "common/base/size.h"
#include "common/code/binomial.h"
#include "common/linalg/field_prime.h"
#include "common/linalg/prime.h"

#include <math.h>

enum {
    RANKS_MAX = 256, // of d_1 by d_2 matrices, d_1 d_2 at most KOFN_TASKS_MAX = 256^2
    KINDS_MAX = 256, // of hyperplanes: ranks, or sets of operands
};

_Static_assert(RANKS_MAX <= KINDS_MAX && 1 << KOFN_OPERANDS_MAX <= KINDS_MAX, "all kinds fit");

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
    const bool lifts = f->order == 0 && draw != KOFN_ALLOY_NORMAL;
    if (!lifts && (p != KOFN_PRIME_MAX || params->lift != KOFN_ALLOY_SYMMETRIC))
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: p and lift are for numbers of GF(p) in the reals, and nothing is lifted "
            "in field %s%s; leave them out%s",
            family, f->name, f->order == 0 ? " where draw is normal" : "",
            f->order == 0 ? ", or say draw=nonzero" : "");
    if (lifts && !kofn_is_prime(p))
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

/* Of a zero, by equation (7): 1 - ((q - 1) / q)^(1 / order), written so that nothing cancels. The
 * library's functions differ in their last bits between machines, the square root does not: 40 bits
 * of them are as good, and the same everywhere. */
static double
zero_share(double q, size_t order)
{
    if (order == 2)
        return 1 / (q * (1 + sqrt((q - 1) / q)));
    const double share = -expm1(log1p(-1 / q) / (double)order);
    int exponent;
    const double digits = frexp(share, &exponent);
    return ldexp(nearbyint(ldexp(digits, 40)), exponent - 40);
}

static uint64_t
draw_number(kofn_alloy_draw draw, uint64_t q, size_t order, kofn_rng *rng)
{
    if (draw != KOFN_ALLOY_PRODUCT)
        return kofn_rng_below(rng, q);
    return kofn_rng_unit(rng) < zero_share((double)q, order) ? 0 : 1 + kofn_rng_below(rng, q - 1);
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
kofn_alloy_fill(const kofn_field *f, const kofn_alloy_params *params, size_t order, kofn_rng *rng,
                size_t len, double *ret)
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
            const uint64_t number = draw_number(draw, q, order, rng);
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

/* log of how many more d1 by d2 matrices there are of this rank than of the one before, of which
 * there are the product over i < rank of (q^d1 - q^i) (q^d2 - q^i) / (q^rank - q^i). */
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
        const double c = (q * zero_share(q, 2) - 1) / (q - 1);
        left = pow(1 / sqrt(q * (q - 1)), (double)rank);
        right = each + (1 - each) * c * c;
    }
    return left + (1 - left) * right;
}

/* What m answers are asked, whatever m is: of each kind of hyperplanes, log of how many there are
 * (but for factors) and log of the share of them that a row may miss. The terms of many m cost an
 * exponential each, and not a dozen. */
typedef struct miss_terms {
    size_t count; // 0: no row is ever missed
    double log_count[KINDS_MAX], log_share[KINDS_MAX];
} miss_terms;

/* Matrices d1 by d2: the kinds are their ranks. */
static void
fill_ranks(kofn_alloy_draw draw, double log_q, size_t d1, size_t d2, miss_terms *terms)
{
    double log_count = -log_difference(log_q, 1, 0); // the hyperplanes
    terms->count = kofn_size_smaller(kofn_size_smaller(d1, d2), RANKS_MAX);
    for (size_t rank = 1; rank <= terms->count; rank++) {
        log_count += log_growth(log_q, d1, d2, rank);
        terms->log_count[rank - 1] = log_count;
        terms->log_share[rank - 1] = log(hyperplane_share(draw, log_q, d1, d2, rank));
    }
}

/* log of the subspaces of dimension r in q^d. */
static double
log_subspaces(double log_q, size_t d, size_t r)
{
    double sum = 0;
    for (size_t i = 0; i < r; i++)
        sum += log_difference(log_q, (double)d, (double)i) -
               log_difference(log_q, (double)r, (double)i);
    return sum;
}

/* That a vector of d numbers is orthogonal to a generic subspace of dimension 1 or d. */
static double
orthogonal_share(kofn_alloy_draw draw, double log_q, size_t order, size_t d, bool whole)
{
    const double q = exp(log_q), zero = zero_share(q, order);
    if (draw == KOFN_ALLOY_NONZERO)
        return whole ? 0 : subspace_share(log_q, d - 1, d);
    if (draw == KOFN_ALLOY_PRODUCT && whole)
        return pow(zero, (double)d);
    return whole ? pow(q, -(double)d) : 1 / q;
}

/* Hyperplanes that see all of the modes in `whole` (a bit for each) and a line of the others. */
static void
add_hyperplanes(kofn_alloy_draw draw, double log_q, const kofn_cuts *d, unsigned whole,
                miss_terms *terms)
{
    double log_planes = 0, misses = 1, core = 1;
    for (size_t i = 0; i < d->count; i++) {
        const bool sees_all = whole >> i & 1;
        log_planes += sees_all ? 0 : log_subspaces(log_q, d->of[i], 1);
        misses *= 1 - orthogonal_share(draw, log_q, d->count, d->of[i], sees_all);
        core *= sees_all ? (double)d->of[i] : 1;
    }
    /* Of the linear forms on the core, up to multiples, those that are zero at one point of it. */
    log_planes += log_difference(log_q, core, 0) - log_difference(log_q, 1, 0);
    if (core > 1)
        misses *= -expm1(log_difference(log_q, core - 1, 0) - log_difference(log_q, core, 0));
    terms->log_count[terms->count] = log_planes;
    terms->log_share[terms->count++] = log1p(-misses);
}

/* Modes of one number are seen whole or not at all; a form on one longer mode alone sees a line. */
static bool
is_kind(const kofn_cuts *d, unsigned whole)
{
    size_t longer = 0;
    for (size_t i = 0; i < d->count; i++) {
        const bool sees_all = whole >> i & 1;
        if (d->of[i] == 1 && !sees_all)
            return false;
        longer += sees_all && d->of[i] > 1;
    }
    return longer != 1;
}

static void
fill_terms(const kofn_field *f, const kofn_alloy_params *params, const kofn_cuts *d,
           miss_terms *ret)
{
    const kofn_alloy_draw draw = kofn_alloy_settle(f, params);
    ret->count = 0;
    if (draw == KOFN_ALLOY_NORMAL)
        return;
    const double log_q = log(get_order(f, params));
    if (d->count == 2) {
        fill_ranks(draw, log_q, d->of[0], d->of[1], ret);
        return;
    }
    for (unsigned whole = 0; whole < 1U << d->count; whole++)
        if (is_kind(d, whole))
            add_hyperplanes(draw, log_q, d, whole, ret);
}

static double
sum_terms(const miss_terms *terms, size_t m)
{
    double sum = 0;
    for (size_t i = 0; i < terms->count && sum < 1; i++)
        sum += exp(terms->log_count[i] + (double)m * terms->log_share[i]);
    return sum < 1 ? sum : 1;
}

double
kofn_alloy_miss_of(const kofn_field *f, const kofn_alloy_params *params, const kofn_cuts *d,
                   size_t m)
{
    miss_terms terms;
    fill_terms(f, params, d, &terms);
    return sum_terms(&terms, m);
}

double
kofn_alloy_miss(const kofn_field *f, const kofn_alloy_params *params, size_t d1, size_t d2,
                size_t m)
{
    const kofn_cuts d = {.count = 2, .of = {d1, d2}};
    return kofn_alloy_miss_of(f, params, &d, m);
}

/* What all further terms add is at most the last one's miss. */
double
kofn_alloy_miss_of_lost(const kofn_field *f, const kofn_alloy_params *params, const kofn_cuts *d,
                        size_t n, double failure)
{
    const size_t k = kofn_cuts_count_pieces(d);
    double sum = kofn_binomial_below(n, k, failure), miss = 1;
    miss_terms terms;
    fill_terms(f, params, d, &terms);
    for (size_t m = k; m <= n && miss > 0x1p-60 * sum; m++) {
        miss = sum_terms(&terms, m);
        sum += kofn_binomial(n, m, failure) * miss;
    }
    return fmin(sum, 1);
}

double
kofn_alloy_miss_lost(const kofn_field *f, const kofn_alloy_params *params, size_t d1, size_t d2,
                     size_t n, double failure)
{
    const kofn_cuts d = {.count = 2, .of = {d1, d2}};
    return kofn_alloy_miss_of_lost(f, params, &d, n, failure);
}

size_t
kofn_alloy_answers_of(const kofn_field *f, const kofn_alloy_params *params, const kofn_cuts *d,
                      double miss)
{
    const size_t k = kofn_cuts_count_pieces(d);
    if (k > KOFN_TASKS_MAX)
        return k; // refused later, with the limit
    miss_terms terms;
    fill_terms(f, params, d, &terms);
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

size_t
kofn_alloy_answers(const kofn_field *f, const kofn_alloy_params *params, size_t d1, size_t d2,
                   double miss)
{
    const kofn_cuts d = {.count = 2, .of = {d1, d2}};
    return kofn_alloy_answers_of(f, params, &d, miss);
}
