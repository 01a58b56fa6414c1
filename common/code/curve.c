/* A row is sum_i a_i L_i(t) X_i with the Lagrange polynomials L_i(t) = prod_{j != i} (t - beta_j) /
 * w_i, whatever was saved: the a_i see to it that the highest powers cancel. So nothing is ever
 * written in powers of t, and what is added up is of size 1. */
#include "common/code/curve.h"
#include "common/code/sides.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const kofn_scaled one = {.number = 1};

/* ---- coordinates ----------------------------------------------------------------------------- */

/* What the sides of both coordinates are to each other; room for lists of terms. */
typedef struct coordinates {
    kofn_sides sides[2];
    kofn_sides_set set[2];
    size_t *all;          // [terms] 0, 1, 2, ...
    size_t *order;        // [terms] room
    size_t *best;         // [terms] room
    kofn_scaled *product; // [terms] room
    double *number;       // [terms] room
} coordinates;

static void
coordinates_fini(coordinates *x)
{
    for (size_t j = 0; j < 2; j++)
        kofn_sides_fini(&x->sides[j]);
    free(x->all);
    free(x->order);
    free(x->best);
    free(x->product);
    free(x->number);
}

static kofn_status
coordinates_init(coordinates *x, const kofn_curve *c, kofn_error *err)
{
    *x = (coordinates){.all = malloc(c->terms * sizeof *x->all),
                       .order = malloc(c->terms * sizeof *x->order),
                       .best = malloc(c->terms * sizeof *x->best),
                       .product = malloc(c->terms * sizeof *x->product),
                       .number = malloc(c->terms * sizeof *x->number)};
    kofn_status status = KOFN_OK;
    if (!x->all || !x->order || !x->best || !x->product || !x->number)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu terms", c->terms);
    for (size_t i = 0; i < c->terms && !status; i++)
        x->all[i] = i;
    for (size_t j = 0; j < 2 && !status; j++) {
        status = kofn_sides_init(&x->sides[j], c->field, c->side[j], err);
        if (!status)
            status = kofn_sides_look(&x->sides[j], x->all, c->terms, &x->set[j], err);
    }
    if (status)
        coordinates_fini(x);
    return status;
}

/* ---- points ---------------------------------------------------------------------------------- */

static double
find_point(const kofn_curve *c, size_t index)
{
    return c->field->point(c->field, index, c->tasks);
}

/* Of n points beta i is this one: they are evenly spread. */
static size_t
find_common(const kofn_curve *c, size_t i)
{
    return (i * c->tasks + c->tasks / 2) / c->terms;
}

/* `common`: points of tasks. Else, in a small field, some are nevertheless. */
static void
choose_betas(kofn_curve *c, bool common)
{
    const kofn_field *f = c->field;
    for (size_t i = 0; i < c->terms; i++)
        if (common)
            c->beta[i] = find_point(c, find_common(c, i));
        else
            c->beta[i] = f->order == 0 ? f->point(f, i, c->terms) : f->order - 1 - (double)i;
}

/* Tasks at betas come first where these are common, and in the reals the others in scattered
 * order. */
static void
choose_points(kofn_curve *c, bool common)
{
    const size_t plain = common ? c->terms : 0, coded = c->tasks - plain;
    size_t taken = 0, found = 0, next = coded;
    for (size_t i = 0; i < plain; i++)
        c->point[i] = c->beta[i];
    for (size_t i = 0; i < c->tasks; i++) {
        if (taken < plain && i == find_common(c, taken)) {
            taken++;
            continue;
        }
        next = c->field->order == 0 ? kofn_points_scatter(coded, next) : found++;
        c->point[plain + next] = find_point(c, i);
    }
    for (size_t task = 0; task < c->tasks; task++) {
        c->term[task] = SIZE_MAX;
        for (size_t i = 0; i < c->terms; i++)
            if (c->beta[i] == c->point[task])
                c->term[task] = i;
    }
}

/* ---- which term at which beta ---------------------------------------------------------------- */

enum {
    ORDERS = 3,    // as they come, and by the classes of each coordinate
    SHUFFLES = 32, // beside those,
    FEW = 128,     // of so many terms or fewer: each look costs their square
};

/* How unlike each other the factors of classes are: p_l at its own betas, which goes wild where
 * these are all on one side. In powers of two. */
static double
find_unevenness(const kofn_curve *c, const coordinates *x, const size_t *order)
{
    double sum = 0;
    for (size_t j = 0; j < 2; j++) {
        const size_t *class = x->sides[j].class;
        for (size_t i = 0; i < c->terms && x->set[j].least > 1; i++) {
            kofn_scaled p = one;
            for (size_t o = 0; o < c->terms; o++)
                if (class[o] != class[i])
                    kofn_scaled_multiply_difference(c->field, &p, c->beta[order[i]],
                                                    c->beta[order[o]]);
            x->product[i] = p;
        }
        for (size_t i = 0; i < c->terms && x->set[j].least > 1; i++)
            for (size_t o = 0; o < c->terms; o++)
                if (class[o] == class[i]) {
                    const kofn_scaled *p = &x->product[i], *q = &x->product[o];
                    sum += fabs(log2(fabs(p->number / q->number)) + p->exponent - q->exponent);
                }
    }
    return sum;
}

/* order[i]: the beta of term i. Members of a class by turns: those of the largest are closest to
 * each other, and all are spread over the whole. */
static void
spread_classes(const kofn_curve *c, const kofn_sides *sides, double *key, size_t *order)
{
    for (size_t i = 0; i < c->terms; i++) {
        size_t before = 0, size = 0;
        for (size_t o = 0; o < c->terms; o++) {
            size += sides->class[o] == sides->class[i];
            before += sides->class[o] == sides->class[i] && o < i;
        }
        key[i] = ((double)before + 0.5) / (double)size;
    }
    for (size_t i = 0; i < c->terms; i++) {
        order[i] = 0;
        for (size_t o = 0; o < c->terms; o++)
            order[i] += key[o] < key[i] || (key[o] <= key[i] && o < i);
    }
}

static void
shuffle(size_t *order, size_t count, kofn_rng *rng)
{
    for (size_t i = count; i > 1; i--) {
        const size_t j = kofn_rng_below(rng, i), moved = order[j];
        order[j] = order[i - 1];
        order[i - 1] = moved;
    }
}

/* Of some orders the one that is most even. Tasks at betas go with them. */
static void
arrange(kofn_curve *c, const coordinates *x)
{
    double least = INFINITY;
    kofn_rng rng;
    kofn_rng_init(&rng, 0, 0);
    memcpy(x->order, x->all, c->terms * sizeof *x->order);
    for (size_t try = 0; try < (c->terms <= FEW ? ORDERS + SHUFFLES : ORDERS); try++) {
        if (try > 0 && try < ORDERS)
            spread_classes(c, &x->sides[try - 1], x->number, x->order);
        else if (try > 0)
            shuffle(x->order, c->terms, &rng);
        const double unevenness = find_unevenness(c, x, x->order);
        if (unevenness < least) {
            least = unevenness;
            memcpy(x->best, x->order, c->terms * sizeof *x->best);
        }
    }
    for (size_t i = 0; i < c->terms; i++)
        x->number[i] = c->beta[x->best[i]];
    memcpy(c->beta, x->number, c->terms * sizeof *c->beta);
}

/* ---- factors --------------------------------------------------------------------------------- */

/* factor[i] := number 2^exponent, the largest of its set 1 in the reals. */
static void
scale(const kofn_curve *c, size_t coordinate, const kofn_scaled *p, const size_t *set)
{
    double *factor = c->factor[coordinate];
    for (size_t i = 0; i < c->terms; i++) {
        double greatest = 0;
        for (size_t o = 0; o < c->terms && c->field->order == 0; o++)
            if (!set || set[o] == set[i])
                greatest = fmax(greatest, ldexp(fabs(p[o].number), p[o].exponent - p[i].exponent));
        factor[i] = greatest > 0 ? p[i].number / greatest : p[i].number;
    }
}

/* p_l(beta_i), and the first side of each class for all of it. */
static void
factor_classes(kofn_curve *c, size_t coordinate, const coordinates *x)
{
    const kofn_sides *sides = &x->sides[coordinate];
    for (size_t i = 0; i < c->terms; i++) {
        x->product[i] = one;
        for (size_t o = 0; o < c->terms; o++)
            if (sides->class[o] != sides->class[i])
                kofn_scaled_multiply_difference(c->field, &x->product[i], c->beta[i], c->beta[o]);
        c->as[coordinate][i] = sides->first[sides->class[i]];
    }
    scale(c, coordinate, x->product, sides->class);
}

/* Numbers of a sum that is zero, times w_i. */
static kofn_status
factor_sum(kofn_curve *c, size_t coordinate, coordinates *x, kofn_error *err)
{
    const kofn_field *f = c->field;
    const kofn_status status =
        kofn_sides_find_sum(&x->sides[coordinate], x->all, c->terms, x->number, err);
    if (status)
        return status;
    for (size_t i = 0; i < c->terms; i++) {
        x->product[i] = (kofn_scaled){.number = f->invert(f, c->weight[i].number),
                                      .exponent = -c->weight[i].exponent};
        kofn_scaled_multiply(f, &x->product[i], x->number[i]);
    }
    scale(c, coordinate, x->product, NULL);
    return KOFN_OK;
}

static kofn_status
choose_factors(kofn_curve *c, size_t coordinate, coordinates *x, kofn_error *err)
{
    const kofn_sides_set *set = &x->set[coordinate];
    c->constant[coordinate] = set->classes == 1;
    for (size_t i = 0; i < c->terms; i++) {
        c->factor[coordinate][i] = 1;
        c->as[coordinate][i] = i;
    }
    if (set->least > 1)
        factor_classes(c, coordinate, x);
    else if (set->dependent)
        return factor_sum(c, coordinate, x, err);
    return KOFN_OK;
}

/* ---- curves ---------------------------------------------------------------------------------- */

static bool
alloc(kofn_curve *c)
{
    c->beta = malloc(c->terms * sizeof *c->beta);
    c->point = malloc(c->tasks * sizeof *c->point);
    c->term = malloc(c->tasks * sizeof *c->term);
    c->weight = malloc(c->terms * sizeof *c->weight);
    bool all = c->beta && c->point && c->term && c->weight;
    for (size_t j = 0; j < 2; j++) {
        c->factor[j] = malloc(c->terms * sizeof *c->factor[j]);
        c->as[j] = malloc(c->terms * sizeof *c->as[j]);
        all = all && c->factor[j] && c->as[j];
    }
    return all;
}

/* One product, whatever the point: there may be more tasks than the field has elements. */
static void
fill_copies(kofn_curve *c)
{
    c->constant[0] = c->constant[1] = true;
    for (size_t i = 0; i < c->tasks; i++) {
        c->point[i] = 0;
        c->term[i] = i < c->terms ? i : SIZE_MAX;
    }
}

static kofn_status
fill(kofn_curve *c, coordinates *x, bool common, kofn_error *err)
{
    choose_betas(c, common);
    if (c->field->order == 0 && (x->set[0].least > 1 || x->set[1].least > 1))
        arrange(c, x);
    choose_points(c, common);
    kofn_points_weigh(c->field, c->beta, c->terms, c->weight);
    kofn_status status = KOFN_OK;
    for (size_t j = 0; j < 2 && !status; j++)
        status = choose_factors(c, j, x, err);
    return status;
}

kofn_status
kofn_curve_init(kofn_curve *curve, const kofn_field *field, const kofn_sums side[2], size_t tasks,
                bool systematic, kofn_error *err)
{
    kofn_curve c = {
        .field = field, .side = {&side[0], &side[1]}, .terms = side[0].rows, .tasks = tasks};
    coordinates x;
    kofn_status status =
        alloc(&c) ? coordinates_init(&x, &c, err)
                  : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu terms", c.terms);
    if (status) {
        kofn_curve_fini(&c);
        return status;
    }
    if (x.set[0].classes == 1 && x.set[1].classes == 1)
        fill_copies(&c);
    else
        status = fill(&c, &x, systematic && c.tasks >= c.terms, err);
    coordinates_fini(&x);
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
    const double t = c->point[task]; // no beta
    kofn_scaled all = one;
    for (size_t j = 0; j < c->terms; j++)
        kofn_scaled_multiply_difference(f, &all, t, c->beta[j]);
    for (size_t i = 0; i < c->terms; i++) {
        const double own = f->invert(f, f->add(f, t, f->negate(f, c->beta[i])));
        double by = f->multiply(f, f->multiply(f, all.number, own),
                                f->multiply(f, c->weight[i].number, c->factor[coordinate][i]));
        if (f->order == 0)
            by = ldexp(by, all.exponent + c->weight[i].exponent);
        add_side(f, c->side[coordinate], c->as[coordinate][i], by, ret_row);
    }
}
