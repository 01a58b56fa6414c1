#include "bench/papers/alloy/quadric.h"
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DIRECTIONS_MAX = QUADRIC_ENUMERATE_MAX + 1,
    POINTS_MAX = DIRECTIONS_MAX * DIRECTIONS_MAX,
    WORDS = (POINTS_MAX + 63) / 64,
};

/* ---- points ---------------------------------------------------------------------------------- */

/* Of the quadric: point i has directions i / (q + 1) and i mod (q + 1). */
typedef struct points {
    size_t count;
    double at[POINTS_MAX][4];
    double share[POINTS_MAX]; // P(a row is a multiple of it)
    double zero;              // P(a row is zero)
} points;

/* Direction 0 is (0, 1), direction 1 + c is (1, c). */
static void
fill_direction(size_t direction, double *ret)
{
    ret[0] = direction > 0;
    ret[1] = direction > 0 ? (double)(direction - 1) : 1;
}

static double
direction_share(kofn_alloy_draw kind, double q, size_t direction)
{
    const draw d = {kind, 2};
    return direction < 2 ? draw_axis(d, q) : draw_slope(d, q);
}

static void
list_points(const kofn_field *f, kofn_alloy_draw kind, points *ret)
{
    const size_t directions = (size_t)f->order + 1;
    const double all_zero = draw_all_zero((draw){kind, 2}, f->order, 2);
    ret->count = directions * directions;
    ret->zero = 1 - (1 - all_zero) * (1 - all_zero);
    for (size_t i = 0; i < ret->count; i++) {
        double a[2], b[2];
        fill_direction(i / directions, a);
        fill_direction(i % directions, b);
        for (size_t c = 0; c < 4; c++)
            ret->at[i][c] = f->multiply(f, a[c / 2], b[c % 2]);
        ret->share[i] = direction_share(kind, f->order, i / directions) *
                        direction_share(kind, f->order, i % directions);
    }
}

/* ---- enumeration ----------------------------------------------------------------------------- */

/* A vector whose first number that is not zero is 1: a plane {row: vector . row = 0}, and which
 * points are in it. */
typedef struct plane {
    double vector[4];
    size_t lead;
    uint64_t in[WORDS];
} plane;

static double
dot(const kofn_field *f, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < 4; i++)
        sum = f->add(f, sum, f->multiply(f, a[i], b[i]));
    return sum;
}

/* [(q^4 - 1) / (q - 1)], the caller's. */
static plane *
list_planes(const kofn_field *f, const points *p, size_t *ret_count)
{
    const size_t q = (size_t)f->order;
    plane *planes = bench_alloc((q * q * q + q * q + q + 1) * sizeof *planes);
    size_t count = 0;
    for (size_t code = 1; code < q * q * q * q; code++) {
        const size_t digit[] = {code / (q * q * q), code / (q * q) % q, code / q % q, code % q};
        plane at = {0};
        for (size_t i = 0; i < 4; i++)
            at.vector[i] = (double)digit[i];
        while (at.vector[at.lead] == 0)
            at.lead++;
        if (at.vector[at.lead] != 1)
            continue;
        for (size_t i = 0; i < p->count; i++)
            if (dot(f, at.vector, p->at[i]) == 0)
                at.in[i / 64] |= UINT64_C(1) << i % 64;
        planes[count++] = at;
    }
    *ret_count = count;
    return planes;
}

static double
share_of(const points *p, const uint64_t *in)
{
    double sum = p->zero;
    for (size_t word = 0; word < WORDS; word++)
        for (uint64_t left = in[word]; left; left &= left - 1)
            sum += p->share[64 * word + (size_t)__builtin_ctzll(left)];
    return sum;
}

static void
add_powers(double factor, double share, size_t count, const size_t *n, double *sums)
{
    for (size_t i = 0; i < count; i++)
        sums[i] += factor * pow(share, (double)n[i]);
}

/* Each line is where two planes meet; of the pairs of planes through it one is in reduced form. */
static void
add_lines(double factor, const plane *planes, size_t plane_count, const points *p, size_t count,
          const size_t *n, double *sums)
{
    for (size_t i = 0; i < plane_count; i++)
        for (size_t j = 0; j < plane_count; j++) {
            if (planes[i].lead >= planes[j].lead || planes[i].vector[planes[j].lead] != 0)
                continue;
            uint64_t in[WORDS];
            for (size_t word = 0; word < WORDS; word++)
                in[word] = planes[i].in[word] & planes[j].in[word];
            add_powers(factor, share_of(p, in), count, n, sums);
        }
}

void
quadric_enumerate(const kofn_field *f, kofn_alloy_draw kind, size_t count, const size_t *n,
                  double *ret_miss)
{
    const double q = f->order;
    points *p = bench_alloc(sizeof *p);
    size_t plane_count;
    list_points(f, kind, p);
    plane *planes = list_planes(f, p, &plane_count);
    memset(ret_miss, 0, count * sizeof *ret_miss);
    for (size_t i = 0; i < plane_count; i++)
        add_powers(1, share_of(p, planes[i].in), count, n, ret_miss);
    add_lines(-q, planes, plane_count, p, count, n, ret_miss);
    for (size_t i = 0; i < p->count; i++)
        add_powers(q * q * q, p->zero + p->share[i], count, n, ret_miss);
    /* as many points as planes; the others are not of the quadric */
    add_powers(q * q * q * (double)(plane_count - p->count), p->zero, count, n, ret_miss);
    add_powers(-pow(q, 6), p->zero, count, n, ret_miss);
    free(planes);
    free(p);
}

/* ---- in closed form -------------------------------------------------------------------------- */

/* Directions are of two classes: the axes (1, 0) and (0, 1), and q - 1 slopes. */
typedef struct classes {
    double q, n;        // n rows
    double count[2];    // of directions
    double share[2];    // of one
    double none;        // P(a row is zero)
    double any;         // P(a vector is not)
    double pairs[2][2]; // ordered pairs of different directions, by class
} classes;

static classes
classes_of(double q, kofn_alloy_draw kind, size_t n)
{
    const draw d = {kind, 2};
    const double any = 1 - draw_all_zero(d, q, 2);
    return (classes){
        .q = q,
        .n = (double)n,
        .count = {2, q - 1},
        .share = {draw_axis(d, q), draw_slope(d, q)},
        .none = 1 - any * any,
        .any = any,
        .pairs = {{2, 2 * (q - 1)}, {2 * (q - 1), (q - 1) * (q - 2)}},
    };
}

/* P(n rows are all zero or of points with this share together). */
static double
power(const classes *c, double share)
{
    return pow(c->none + share, c->n);
}

/* Tangent planes: both lines through a point. */
static double
sum_tangent_planes(const classes *c)
{
    double sum = 0;
    for (size_t a = 0; a < 2; a++)
        for (size_t b = 0; b < 2; b++)
            sum += c->count[a] * c->count[b] *
                   power(c, c->any * (c->share[a] + c->share[b]) - c->share[a] * c->share[b]);
    return sum;
}

/* The other planes are a^T M b = 0 with M regular: the points (a, g(a)) of a projective map g. What
 * counts is how many axes g maps to axes. */
static double
sum_secant_planes(const classes *c)
{
    const double q = c->q, axis = c->share[0], slope = c->share[1];
    const double maps[3] = {(q - 1) * (q * (q + 1) - 4 * (q - 1) - 2), 4 * (q - 1) * (q - 1),
                            2 * (q - 1)};
    double sum = 0;
    for (size_t both = 0; both < 3; both++) {
        const double one = 2 * (2 - (double)both), neither = q + 1 - (double)both - one;
        sum += maps[both] *
               power(c, (double)both * axis * axis + one * axis * slope + neither * slope * slope);
    }
    return sum;
}

/* Lines through two points that are not on a line of the quadric. */
static double
sum_secant_lines(const classes *c)
{
    double sum = 0;
    for (size_t a = 0; a < 4; a++)
        for (size_t b = 0; b < 4; b++)
            sum += c->pairs[a / 2][a % 2] * c->pairs[b / 2][b % 2] / 2 *
                   power(c, c->share[a / 2] * c->share[b / 2] + c->share[a % 2] * c->share[b % 2]);
    return sum;
}

static double
sum_points(const classes *c)
{
    double sum = 0;
    for (size_t a = 0; a < 2; a++)
        for (size_t b = 0; b < 2; b++)
            sum += c->count[a] * c->count[b] * power(c, c->share[a] * c->share[b]);
    return sum;
}

double
quadric_closed(double q, kofn_alloy_draw kind, size_t n)
{
    const classes c = classes_of(q, kind, n);
    const double empty = power(&c, 0), on_quadric = sum_points(&c);
    const double inside =
        2 * (2 * power(&c, c.share[0] * c.any) + (q - 1) * power(&c, c.share[1] * c.any));
    const double lines = inside + sum_secant_lines(&c) + (q - 1) * on_quadric +
                         q * q * (q - 1) * (q - 1) / 2 * empty;
    return sum_tangent_planes(&c) + sum_secant_planes(&c) - q * lines +
           q * q * q * (on_quadric + (q * q * q - q) * empty) - pow(q, 6) * empty;
}

/* ---- by brute force -------------------------------------------------------------------------- */

static bool
are_independent(const kofn_field *f, const points *p, const size_t *set, size_t k)
{
    double row[4][4];
    for (size_t r = 0; r < k; r++)
        memcpy(row[r], p->at[set[r]], sizeof row[r]);
    for (size_t r = 0; r < k; r++) {
        size_t pivot = 0;
        while (pivot < 4 && row[r][pivot] == 0)
            pivot++;
        if (pivot == 4)
            return false;
        const double minus = f->negate(f, f->invert(f, row[r][pivot]));
        for (size_t s = r + 1; s < k; s++)
            f->add_multiple(f, 4, f->multiply(f, minus, row[s][pivot]), row[r], row[s]);
    }
    return true;
}

/* Independent sets of k points, and the sum of their probabilities as rows in one order. */
static size_t
visit_sets(const kofn_field *f, const points *p, size_t k, double *ret_share)
{
    size_t set[4] = {0}, found = 0, depth = 0;
    *ret_share = 0;
    for (;;) {
        if (set[depth] == p->count) {
            if (depth == 0)
                return found;
            set[--depth]++;
            continue;
        }
        if (depth + 1 < k) {
            set[depth + 1] = set[depth] + 1;
            depth++;
            continue;
        }
        if (are_independent(f, p, set, k)) {
            double share = 1;
            for (size_t i = 0; i < k; i++)
                share *= p->share[set[i]];
            *ret_share += share;
            found++;
        }
        set[depth]++;
    }
}

double
quadric_brute(const kofn_field *f, kofn_alloy_draw kind)
{
    double share;
    points *p = bench_alloc(sizeof *p);
    list_points(f, kind, p);
    (void)visit_sets(f, p, 4, &share);
    free(p);
    return 1 - 24 * share; // in any order
}

size_t
quadric_count_sets(const kofn_field *f, size_t k)
{
    double share;
    points *p = bench_alloc(sizeof *p);
    list_points(f, KOFN_ALLOY_NONZERO, p);
    const size_t found = visit_sets(f, p, k, &share);
    free(p);
    return found;
}
