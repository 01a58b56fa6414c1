/* A row is sum_i a_i L_i(t) X_i with the Lagrange polynomials L_i(t) = prod_{j != i} (t - beta_j) / w_i,
 * whatever was saved: the a_i see to it that the highest powers cancel. So nothing is ever written in
 * powers of t, and what is added up is of size 1. Over the reals products of differences are kept as
 * a number and a power of two, each difference doubled: on (-1, 1) they then stay near 1, but not on
 * the way. */
#include "common/code/curve.h"
#include "common/code/sides.h"

#include <math.h>
#include <stdlib.h>

/* ---- products of differences ----------------------------------------------------------------- */

typedef struct product { // number 2^exponent; in finite fields the exponent is 0
    double number;
    int exponent;
} product;

static const product one = {.number = 1};

static void
multiply(const kofn_field *f, product *p, double by)
{
    int exponent = 0;
    p->number = f->multiply(f, p->number, by);
    if (f->order != 0)
        return;
    p->number = frexp(p->number, &exponent);
    p->exponent += exponent;
}

/* p *= a - b, doubled in the reals. */
static void
multiply_difference(const kofn_field *f, product *p, double a, double b)
{
    const double difference = f->add(f, a, f->negate(f, b));
    multiply(f, p, f->order == 0 ? 2 * difference : difference);
}

/* ---- points ---------------------------------------------------------------------------------- */

static double
find_point(const kofn_curve *c, size_t index)
{
    return c->field->point(c->field, index, c->tasks);
}

/* Betas are points of tasks, evenly spread over all, and those tasks come first. */
static void
choose_common_points(kofn_curve *c)
{
    size_t term = 0, mixed = c->terms;
    for (size_t i = 0; i < c->tasks; i++) {
        const bool own = term < c->terms && i == (term * c->tasks + c->tasks / 2) / c->terms;
        const size_t task = own ? term : mixed++;
        c->point[task] = find_point(c, i);
        c->term[task] = own ? term : SIZE_MAX;
        if (own)
            c->beta[term++] = c->point[task];
    }
}

/* In a small field some betas are points of tasks nevertheless. */
static void
choose_points(kofn_curve *c)
{
    const kofn_field *f = c->field;
    for (size_t i = 0; i < c->terms; i++)
        c->beta[i] = f->order == 0 ? f->point(f, i, c->terms) : f->order - 1 - (double)i;
    for (size_t i = 0; i < c->tasks; i++) {
        c->point[i] = find_point(c, i);
        c->term[i] = SIZE_MAX;
        for (size_t t = 0; t < c->terms; t++)
            if (c->beta[t] == c->point[i])
                c->term[i] = t;
    }
}

static void
weigh_points(kofn_curve *c)
{
    const kofn_field *f = c->field;
    for (size_t i = 0; i < c->terms; i++) {
        product w = one;
        for (size_t j = 0; j < c->terms; j++)
            if (j != i)
                multiply_difference(f, &w, c->beta[i], c->beta[j]);
        c->weight[i] = f->invert(f, w.number);
        c->exponent[i] = -w.exponent;
    }
}

/* ---- factors --------------------------------------------------------------------------------- */

/* factor[i] := number 2^exponent, the largest of its set 1 in the reals. */
static void
scale(const kofn_curve *c, size_t coordinate, const product *p, const size_t *set)
{
    double *factor = c->factor[coordinate];
    if (c->field->order != 0) {
        for (size_t i = 0; i < c->terms; i++)
            factor[i] = p[i].number;
        return;
    }
    for (size_t i = 0; i < c->terms; i++) {
        double greatest = 0;
        for (size_t j = 0; j < c->terms; j++)
            if (set[j] == set[i])
                greatest = fmax(greatest, ldexp(fabs(p[j].number), p[j].exponent - p[i].exponent));
        factor[i] = copysign(fabs(p[i].number) / greatest, p[i].number);
    }
}

/* p_l(beta_i), and the first side of each class for all of it. */
static void
factor_classes(kofn_curve *c, size_t coordinate, const kofn_sides *sides, product *p)
{
    for (size_t i = 0; i < c->terms; i++) {
        p[i] = one;
        for (size_t j = 0; j < c->terms; j++)
            if (sides->class[j] != sides->class[i])
                multiply_difference(c->field, &p[i], c->beta[i], c->beta[j]);
        c->as[coordinate][i] = sides->first[sides->class[i]];
    }
    scale(c, coordinate, p, sides->class);
}

/* Numbers of a sum that is zero, times w_i. */
static void
factor_sum(kofn_curve *c, size_t coordinate, const double *number, const size_t *all, product *p)
{
    const kofn_field *f = c->field;
    for (size_t i = 0; i < c->terms; i++) {
        p[i] = (product){.number = f->invert(f, c->weight[i]), .exponent = -c->exponent[i]};
        multiply(f, &p[i], number[i]);
    }
    scale(c, coordinate, p, all);
}

static kofn_status
choose_factors(kofn_curve *c, size_t coordinate, kofn_error *err)
{
    kofn_sides sides;
    kofn_sides_set set;
    kofn_status status = kofn_sides_init(&sides, c->field, c->side[coordinate], err);
    if (status)
        return status;
    product *p = malloc(c->terms * sizeof *p);
    double *number = malloc(c->terms * sizeof *number);
    size_t *list = calloc(2 * c->terms, sizeof *list), *all = list + c->terms; // one set of all
    for (size_t i = 0; i < c->terms; i++) {
        c->factor[coordinate][i] = 1;
        c->as[coordinate][i] = i;
        if (list)
            list[i] = i;
    }
    if (!p || !number || !list)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu terms", c->terms);
    if (!status)
        status = kofn_sides_look(&sides, list, c->terms, &set, err);
    c->constant[coordinate] = sides.classes == 1;
    if (!status && set.least > 1) {
        factor_classes(c, coordinate, &sides, p);
    } else if (!status && set.dependent) {
        status = kofn_sides_find_sum(&sides, list, c->terms, number, err);
        if (!status)
            factor_sum(c, coordinate, number, all, p);
    }
    free(p);
    free(number);
    free(list);
    kofn_sides_fini(&sides);
    return status;
}

/* ---- curves ---------------------------------------------------------------------------------- */

static bool
alloc(kofn_curve *c)
{
    c->beta = malloc(c->terms * sizeof *c->beta);
    c->point = malloc(c->tasks * sizeof *c->point);
    c->term = malloc(c->tasks * sizeof *c->term);
    c->weight = malloc(c->terms * sizeof *c->weight);
    c->exponent = malloc(c->terms * sizeof *c->exponent);
    bool all = c->beta && c->point && c->term && c->weight && c->exponent;
    for (size_t j = 0; j < 2; j++) {
        c->factor[j] = malloc(c->terms * sizeof *c->factor[j]);
        c->as[j] = malloc(c->terms * sizeof *c->as[j]);
        all = all && c->factor[j] && c->as[j];
    }
    return all;
}

kofn_status
kofn_curve_init(kofn_curve *curve, const kofn_field *field, const kofn_sums side[2], size_t tasks,
                bool systematic, kofn_error *err)
{
    kofn_curve c = {
        .field = field, .side = {&side[0], &side[1]}, .terms = side[0].rows, .tasks = tasks};
    kofn_status status = KOFN_OK;
    if (!alloc(&c))
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu terms", c.terms);
    if (!status && systematic && c.tasks >= c.terms)
        choose_common_points(&c);
    else if (!status)
        choose_points(&c);
    if (!status)
        weigh_points(&c);
    for (size_t j = 0; j < 2 && !status; j++)
        status = choose_factors(&c, j, err);
    if (status)
        kofn_curve_fini(&c);
    else
        *curve = c;
    return status;
}

void
kofn_curve_fini(kofn_curve *curve)
{
    free(curve->beta);
    free(curve->point);
    free(curve->term);
    free(curve->weight);
    free(curve->exponent);
    for (size_t j = 0; j < 2; j++) {
        free(curve->factor[j]);
        free(curve->as[j]);
    }
    *curve = (kofn_curve){0};
}

static void
add_side(const kofn_field *f, const kofn_sums *side, size_t row, double by, double *ret_row)
{
    for (size_t e = side->first[row]; e < side->first[row + 1]; e++)
        ret_row[side->column[e]] =
            f->add(f, ret_row[side->column[e]], f->multiply(f, by, side->coef[e]));
}

void
kofn_curve_fill_row(const kofn_curve *curve, size_t task, size_t coordinate, double *ret_row)
{
    const kofn_curve *c = curve;
    const kofn_field *f = c->field;
    if (c->term[task] < SIZE_MAX || c->constant[coordinate]) {
        const size_t term = c->constant[coordinate] ? 0 : c->term[task];
        add_side(f, c->side[coordinate], term, 1, ret_row);
        return;
    }
    product all = one; // of t - beta_j
    for (size_t j = 0; j < c->terms; j++)
        multiply_difference(f, &all, c->point[task], c->beta[j]);
    for (size_t i = 0; i < c->terms; i++) {
        product own = one;
        multiply_difference(f, &own, c->point[task], c->beta[i]);
        double by = f->multiply(f, f->multiply(f, all.number, f->invert(f, own.number)),
                                f->multiply(f, c->weight[i], c->factor[coordinate][i]));
        if (f->order == 0)
            by = ldexp(by, all.exponent - own.exponent + c->exponent[i]);
        add_side(f, c->side[coordinate], c->as[coordinate][i], by, ret_row);
    }
}
