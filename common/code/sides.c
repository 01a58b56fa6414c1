#include "common/code/sides.h"
#include "common/linalg/echelon.h"

#include <math.h>
#include <stdlib.h>

static const double SAME = 0x1p-48; // of multiples, relative

enum { DRAWS = 64 }; // of sums over the reals, for one of balanced numbers

/* ---- classes --------------------------------------------------------------------------------- */

/* Is row i `*ret_factor` times row j? */
static bool
is_multiple(const kofn_field *f, const kofn_sums *of, size_t i, size_t j, double *ret_factor)
{
    const size_t a = of->first[i], b = of->first[j], len = of->first[i + 1] - a;
    if (of->column[a] != of->column[b] || len != of->first[j + 1] - b)
        return false;
    const double factor = f->multiply(f, of->coef[a], f->invert(f, of->coef[b]));
    for (size_t c = 1; c < len; c++) {
        const double is = of->coef[a + c], meant = f->multiply(f, factor, of->coef[b + c]);
        if (of->column[a + c] != of->column[b + c] ||
            (f->order != 0 ? is != meant : fabs(is - meant) > SAME * fabs(is)))
            return false;
    }
    *ret_factor = factor;
    return true;
}

static void
classify(kofn_sides *s)
{
    for (size_t i = 0; i < s->of->rows; i++) {
        size_t c = 0;
        while (c < s->classes && !is_multiple(s->field, s->of, i, s->first[c], &s->factor[i]))
            c++;
        s->class[i] = c;
        if (c == s->classes) {
            s->first[s->classes++] = i;
            s->factor[i] = 1;
        }
    }
}

kofn_status
kofn_sides_init(kofn_sides *sides, const kofn_field *field, const kofn_sums *of, kofn_error *err)
{
    const size_t rows = of->rows + 1;
    *sides = (kofn_sides){.field = field,
                          .of = of,
                          .class = malloc(rows * sizeof(size_t)),
                          .first = malloc(rows * sizeof(size_t)),
                          .factor = malloc(rows * sizeof(double)),
                          .seen = calloc(rows, sizeof(size_t)),
                          .at = calloc(of->cols + 1, sizeof(size_t)),
                          .distinct = malloc(rows * sizeof(size_t))};
    if (!sides->class || !sides->first || !sides->factor || !sides->seen || !sides->at ||
        !sides->distinct) {
        kofn_sides_fini(sides);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the sides of %zu pairs",
                         of->rows);
    }
    classify(sides);
    return KOFN_OK;
}

void
kofn_sides_fini(kofn_sides *sides)
{
    free(sides->class);
    free(sides->first);
    free(sides->factor);
    free(sides->seen);
    free(sides->at);
    free(sides->distinct);
    *sides = (kofn_sides){0};
}

/* ---- sides as columns ------------------------------------------------------------------------ */

/* Sides as the columns of a matrix over the blocks that they have, reduced. */
typedef struct equations {
    size_t rows, cols, rank;
    double *at;    // [rows, cols]
    size_t *pivot; // [rows]
} equations;

static void
system_fini(equations *m)
{
    free(m->at);
    free(m->pivot);
}

/* Blocks get numbers in the order in which they come up: at[block] - 1. How many. */
static size_t
number_blocks(kofn_sides *s, const size_t *side, size_t count)
{
    size_t blocks = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t e = s->of->first[side[i]]; e < s->of->first[side[i] + 1]; e++)
            if (s->at[s->of->column[e]] == 0)
                s->at[s->of->column[e]] = ++blocks;
    return blocks;
}

static void
forget_blocks(kofn_sides *s, const size_t *side, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t e = s->of->first[side[i]]; e < s->of->first[side[i] + 1]; e++)
            s->at[s->of->column[e]] = 0;
}

/* Over the reals sides count by direction, so that a side of large numbers hides no other. */
static double
find_scale(const kofn_sides *s, size_t side)
{
    double greatest = 0;
    for (size_t e = s->of->first[side]; e < s->of->first[side + 1]; e++)
        greatest = fmax(greatest, fabs(s->of->coef[e]));
    return s->field->order == 0 ? ldexp(1, -ilogb(greatest)) : 1;
}

static kofn_status
system_init(equations *m, kofn_sides *s, const size_t *side, size_t count, kofn_error *err)
{
    *m = (equations){.rows = number_blocks(s, side, count), .cols = count};
    m->at = calloc(m->rows * m->cols, sizeof *m->at);
    m->pivot = malloc(m->rows * sizeof *m->pivot);
    for (size_t i = 0; m->at && i < count; i++) {
        const double scale = find_scale(s, side[i]);
        for (size_t e = s->of->first[side[i]]; e < s->of->first[side[i] + 1]; e++)
            m->at[(s->at[s->of->column[e]] - 1) * count + i] = scale * s->of->coef[e];
    }
    forget_blocks(s, side, count);
    if (!m->at || !m->pivot) {
        system_fini(m);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu sides of %zu blocks",
                         count, m->rows);
    }
    m->rank = kofn_echelon_reduce(s->field, m->at, m->rows, m->cols, m->pivot);
    return KOFN_OK;
}

/* ---- sets ------------------------------------------------------------------------------------ */

static bool
is_block(const kofn_sides *s, size_t class)
{
    const size_t side = s->first[class];
    return s->of->first[side + 1] - s->of->first[side] == 1;
}

/* The classes of the set into s->distinct, and how often each comes up into s->seen. */
static size_t
count_classes(kofn_sides *s, const size_t *side, size_t count)
{
    size_t classes = 0;
    for (size_t i = 0; i < count; i++)
        if (s->seen[s->class[side[i]]]++ == 0)
            s->distinct[classes++] = s->class[side[i]];
    return classes;
}

/* Rank of the classes, and does each that comes up once depend on the others? A pivot depends on those
 * columns in whose sums it is. */
static kofn_status
look_at_sums(kofn_sides *s, kofn_sides_set *set, kofn_error *err)
{
    for (size_t c = 0; c < set->classes; c++)
        s->distinct[c] = s->first[s->distinct[c]];
    equations m;
    const kofn_status status = system_init(&m, s, s->distinct, set->classes, err);
    for (size_t c = 0; c < set->classes; c++)
        s->distinct[c] = s->class[s->distinct[c]];
    if (status)
        return status;
    set->rank = m.rank;
    set->dependent = true;
    for (size_t r = 0; r < m.rank; r++) {
        bool alone = s->seen[s->distinct[m.pivot[r]]] == 1;
        for (size_t c = m.pivot[r] + 1; c < m.cols && alone; c++)
            alone = m.at[r * m.cols + c] == 0;
        if (alone)
            set->dependent = false;
    }
    system_fini(&m);
    return KOFN_OK;
}

kofn_status
kofn_sides_look(kofn_sides *sides, const size_t *side, size_t count, kofn_sides_set *ret_set,
                kofn_error *err)
{
    kofn_sides_set set = {.classes = count_classes(sides, side, count), .least = count};
    bool blocks = true;
    for (size_t c = 0; c < set.classes; c++) {
        const size_t times = sides->seen[sides->distinct[c]];
        set.least = times < set.least ? times : set.least;
        blocks = blocks && is_block(sides, sides->distinct[c]);
    }
    kofn_status status = KOFN_OK;
    set.rank = set.classes;
    set.dependent = set.least > 1;
    if (!blocks)
        status = look_at_sums(sides, &set, err);
    for (size_t c = 0; c < set.classes; c++)
        sides->seen[sides->distinct[c]] = 0;
    if (!status)
        *ret_set = set;
    return status;
}

size_t
kofn_sides_saves(const kofn_sides_set *set)
{
    if (set->least > 1)
        return set->least - 1;
    return set->dependent;
}

/* ---- sums that are zero ---------------------------------------------------------------------- */

/* number += by times the dependency of column `free` of the equations on its pivots. */
static void
add_dependency(const kofn_field *f, const equations *m, size_t free, double by, double *number)
{
    number[free] = f->add(f, number[free], by);
    for (size_t r = 0; r < m->rank; r++) {
        const double times = f->negate(f, f->multiply(f, by, m->at[r * m->cols + free]));
        number[m->pivot[r]] = f->add(f, number[m->pivot[r]], times);
    }
}

/* The next column from `col` on that is no pivot; *pivots of them are before it. */
static size_t
skip_pivots(const equations *m, size_t col, size_t *pivots)
{
    while (*pivots < m->rank && m->pivot[*pivots] == col) {
        ++*pivots;
        col++;
    }
    return col;
}

/* Numbers that are not 0. */
static size_t
count_numbers(const double *number, size_t count)
{
    size_t some = 0;
    for (size_t i = 0; i < count; i++)
        some += number[i] != 0;
    return some;
}

/* ret := number + by times the dependency of the column, or for by = 0 that alone. How many of them are
 * not 0. */
static size_t
try_multiple(const kofn_field *f, const equations *m, size_t col, size_t by, const double *number,
             double *ret)
{
    for (size_t i = 0; i < m->cols; i++)
        ret[i] = by > 0 ? number[i] : 0;
    add_dependency(f, m, col, by > 0 ? (double)by : 1, ret);
    return count_numbers(ret, m->cols);
}

/* One dependency after another is added, so many times that no number becomes 0 and as few as possible
 * stay so. Each number is 0 for one multiple at most: some multiple is right for all of them, or the
 * dependency alone, which is tried first, has them all. */
static void
find_exactly(const kofn_field *f, const equations *m, double *try, double *number)
{
    size_t pivots = 0, some = 0;
    for (size_t col = skip_pivots(m, 0, &pivots); col < m->cols;
         col = skip_pivots(m, col + 1, &pivots)) {
        const size_t last = f->order <= (double)m->cols ? (size_t)f->order - 1 : m->cols;
        size_t best = 0;
        for (size_t by = 0; by <= last; by++) {
            const size_t now = try_multiple(f, m, col, by, number, try);
            if (now > some) {
                some = now;
                best = by;
            }
        }
        (void)try_multiple(f, m, col, best, number, try);
        for (size_t i = 0; i < m->cols; i++)
            number[i] = try[i];
    }
}

/* The least number over the greatest. */
static double
find_balance(const double *number, size_t count)
{
    double least = INFINITY, greatest = 0;
    for (size_t i = 0; i < count; i++) {
        least = fmin(least, fabs(number[i]));
        greatest = fmax(greatest, fabs(number[i]));
    }
    return greatest > 0 ? least / greatest : 0;
}

static void
find_balanced(const kofn_field *f, const equations *m, double *try, double *number)
{
    double best = -1;
    for (size_t draw = 0; draw < DRAWS; draw++) {
        kofn_rng rng;
        size_t pivots = 0;
        kofn_rng_init(&rng, 0, draw);
        for (size_t i = 0; i < m->cols; i++)
            try[i] = 0;
        for (size_t col = skip_pivots(m, 0, &pivots); col < m->cols;
             col = skip_pivots(m, col + 1, &pivots))
            add_dependency(f, m, col, draw == 0 ? 1 : kofn_rng_normal(&rng), try);
        const double balance = find_balance(try, m->cols);
        if (balance <= best)
            continue;
        best = balance;
        for (size_t i = 0; i < m->cols; i++)
            number[i] = try[i];
    }
}

kofn_status
kofn_sides_find_sum(kofn_sides *sides, const size_t *side, size_t count, double *ret_number,
                    kofn_error *err)
{
    const kofn_field *f = sides->field;
    equations m;
    kofn_status status = system_init(&m, sides, side, count, err);
    if (status)
        return status;
    double *try = malloc(count * sizeof *try);
    for (size_t i = 0; i < count; i++)
        ret_number[i] = 0;
    if (!try)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu sides", count);
    else if (f->order == 0)
        find_balanced(f, &m, try, ret_number);
    else
        find_exactly(f, &m, try, ret_number);
    if (!status && count_numbers(ret_number, count) != count)
        status = kofn_fail(err, KOFN_INVALID_ARGUMENT,
                           "batch: whether the sides of %zu pairs depend on each other is within "
                           "rounding; take lagrange, or blocks of their own",
                           count);
    for (size_t i = 0; i < count; i++) // the equations's columns are sides that were scaled
        ret_number[i] *= find_scale(sides, side[i]);
    free(try);
    system_fini(&m);
    return status;
}

kofn_status
kofn_sides_find_basis(kofn_sides *sides, const size_t *side, size_t count, size_t *ret_place,
                      size_t *ret_rank, kofn_error *err)
{
    equations m;
    const kofn_status status = system_init(&m, sides, side, count, err);
    if (status)
        return status;
    *ret_rank = m.rank;
    for (size_t r = 0; r < m.rank; r++)
        ret_place[r] = m.pivot[r];
    system_fini(&m);
    return KOFN_OK;
}
