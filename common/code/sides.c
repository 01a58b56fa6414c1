#include "common/code/sides.h"
#include "common/linalg/echelon.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double SAME = 0x1p-48; // of multiples and of sums, relative to their terms

enum {
    LOOK_NUMBERS = 1 << 20, // of sides that hang together, by their blocks
    LOOK_STEPS = 1 << 22,
    DRAWS = 64, // of sums over the reals, for one of balanced numbers
};

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
    size_t *lists = calloc(7 * rows + of->cols, sizeof *lists);
    double *factor = malloc(rows * sizeof *factor);
    if (!lists || !factor) {
        free(lists);
        free(factor);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the sides of %zu pairs",
                         of->rows);
    }
    *sides = (kofn_sides){.field = field,
                          .of = of,
                          .sums = of->first[of->rows] > of->rows,
                          .most = SIZE_MAX,
                          .class = lists,
                          .first = lists + rows,
                          .factor = factor,
                          .seen = lists + 2 * rows,
                          .distinct = lists + 3 * rows,
                          .root = lists + 4 * rows,
                          .next = lists + 5 * rows,
                          .part = lists + 6 * rows,
                          .at = lists + 7 * rows};
    classify(sides);
    return KOFN_OK;
}

void
kofn_sides_fini(kofn_sides *sides)
{
    free(sides->class);
    free(sides->factor);
    *sides = (kofn_sides){0};
}

/* ---- sides that hang together ---------------------------------------------------------------- */

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

static void
forget_classes(kofn_sides *s, size_t classes)
{
    for (size_t c = 0; c < classes; c++)
        s->seen[s->distinct[c]] = 0;
}

/* The side that stands for class c of the set. */
static size_t
get_side(const kofn_sides *s, size_t c)
{
    return s->first[s->distinct[c]];
}

static size_t
find_root(kofn_sides *s, size_t c)
{
    while (s->root[c] != c)
        c = s->root[c] = s->root[s->root[c]];
    return c;
}

/* Class c hangs together with those before it that have its blocks; the first of all is the
 * root. */
static void
join_by_blocks(kofn_sides *s, size_t c)
{
    const size_t side = get_side(s, c);
    for (size_t e = s->of->first[side]; e < s->of->first[side + 1]; e++) {
        size_t *at = &s->at[s->of->column[e]];
        if (*at == 0) {
            *at = c + 1;
            continue;
        }
        const size_t a = find_root(s, c), b = find_root(s, *at - 1);
        s->root[a > b ? a : b] = a > b ? b : a;
    }
    s->steps += s->of->first[side + 1] - s->of->first[side];
}

static void
forget_blocks(kofn_sides *s, size_t c)
{
    const size_t side = get_side(s, c);
    for (size_t e = s->of->first[side]; e < s->of->first[side + 1]; e++)
        s->at[s->of->column[e]] = 0;
}

/* Classes 0, 1, ... of the set in lists of those that hang together, which begin with their
 * roots. */
static void
link_classes(kofn_sides *s, size_t classes)
{
    for (size_t c = 0; c < classes; c++) {
        s->root[c] = c;
        s->next[c] = SIZE_MAX;
    }
    for (size_t c = 0; c < classes; c++)
        join_by_blocks(s, c);
    for (size_t c = classes; c-- > 0;) {
        const size_t root = find_root(s, c);
        forget_blocks(s, c);
        if (root == c)
            continue;
        s->next[c] = s->next[root];
        s->next[root] = c;
    }
}

/* The list that begins with this class into s->part, ascending; how many they are. */
static size_t
list_part(kofn_sides *s, size_t root)
{
    size_t count = 0;
    for (size_t c = root; c != SIZE_MAX; c = s->next[c])
        s->part[count++] = c;
    return count;
}

/* ---- sides as columns ------------------------------------------------------------------------ */

/* The classes of s->part as the columns of a matrix over the blocks that they have, reduced. */
typedef struct equations {
    size_t cols, rank;
    size_t *pivot;  // [rank]
    size_t reduced; // so many pivots are of columns that others may be sums of; the rest stand for
                    // themselves alone
    double *at;     // [reduced, cols]
} equations;

static void
equations_fini(equations *m)
{
    free(m->at);
    free(m->pivot);
}

/* How many times the column of pivot r is in column c. */
static double
get_share(const equations *m, size_t r, size_t c)
{
    return r < m->reduced ? m->at[r * m->cols + c] : m->pivot[r] == c;
}

/* Blocks get numbers in the order in which they come up: at[block] - 1. How many. */
static size_t
number_blocks(kofn_sides *s, size_t count)
{
    size_t blocks = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t side = get_side(s, s->part[i]);
        for (size_t e = s->of->first[side]; e < s->of->first[side + 1]; e++)
            if (s->at[s->of->column[e]] == 0)
                s->at[s->of->column[e]] = ++blocks;
    }
    return blocks;
}

/* Brings a number to [1, 2). */
static double
find_scale(double greatest)
{
    return greatest > 0 ? ldexp(1, -ilogb(greatest)) : 1;
}

/* Over the reals sides count by direction, so that one of large numbers hides no other. */
static double
scale_side(const kofn_sides *s, size_t side)
{
    double greatest = 0;
    for (size_t e = s->of->first[side]; e < s->of->first[side + 1]; e++)
        greatest = fmax(greatest, fabs(s->of->coef[e]));
    return s->field->order == 0 ? find_scale(greatest) : 1;
}

static void
fill_columns(const kofn_sides *s, size_t rows, size_t cols, double *at)
{
    for (size_t i = 0; i < cols; i++) {
        const size_t side = get_side(s, s->part[i]);
        const double scale = scale_side(s, side);
        for (size_t e = s->of->first[side]; e < s->of->first[side + 1]; e++)
            at[(s->at[s->of->column[e]] - 1) * cols + i] = scale * s->of->coef[e];
    }
    /* Nor does a block that all have little of count less than others. */
    for (size_t r = 0; r < rows && s->field->order == 0; r++) {
        double greatest = 0;
        for (size_t i = 0; i < cols; i++)
            greatest = fmax(greatest, fabs(at[r * cols + i]));
        const double scale = find_scale(greatest);
        for (size_t i = 0; i < cols; i++)
            at[r * cols + i] *= scale;
    }
}

/* Is the column the sum of pivots' columns that the equations say, in each of its numbers?
 * Elimination drops what is small beside the greatest number of all. from [rows, cols]: as they
 * were. */
static bool
holds(const equations *m, const double *from, size_t rows, size_t col)
{
    for (size_t i = 0; i < rows; i++) {
        const double *row = from + i * m->cols;
        double rest = row[col], size = fabs(row[col]);
        for (size_t r = 0; r < m->reduced; r++) {
            const double term = m->at[r * m->cols + col] * row[m->pivot[r]];
            rest -= term;
            size += fabs(term);
        }
        if (fabs(rest) > SAME * size)
            return false;
    }
    return true;
}

static void
set_aside(equations *m, size_t col)
{
    for (size_t r = 0; r < m->reduced; r++)
        m->at[r * m->cols + col] = 0;
    m->pivot[m->rank++] = col;
}

/* m->at becomes its echelon form, but for columns that are sums only nearly. Where that takes too
 * many steps all columns are on their own. */
static void
reduce(kofn_sides *s, equations *m, size_t rows, const double *from)
{
    const size_t rest = s->most > s->steps ? s->most - s->steps : 0;
    const size_t given = rest < LOOK_STEPS ? rest : LOOK_STEPS;
    size_t left = given;
    const bool reduced =
        kofn_echelon_reduce(s->field, m->at, rows, m->cols, &left, m->pivot, &m->reduced);
    const size_t checks = reduced ? rows * m->reduced * (m->cols - m->reduced) : 0;
    if (!reduced || checks > left)
        m->reduced = left = 0;
    else
        left -= checks;
    s->steps += given - left;
    m->rank = m->reduced;
    for (size_t col = 0, p = 0; col < m->cols; col++)
        if (p < m->reduced && m->pivot[p] == col)
            p++;
        else if (m->reduced == 0 || (s->field->order == 0 && !holds(m, from, rows, col)))
            set_aside(m, col);
}

/* Of the first `count` classes of s->part. */
static kofn_status
equations_init(equations *m, kofn_sides *s, size_t count, kofn_error *err)
{
    const size_t rows = number_blocks(s, count);
    const bool looks = rows <= LOOK_NUMBERS / count;
    const size_t numbers = looks ? rows * count : 1;
    *m = (equations){.cols = count,
                     .pivot = malloc(count * sizeof *m->pivot),
                     .at = calloc(numbers, sizeof *m->at)};
    double *from = malloc(numbers * sizeof *from);
    kofn_status status = KOFN_OK;
    if (!m->pivot || !m->at || !from)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu sides of %zu blocks",
                           count, rows);
    if (!status && looks) {
        fill_columns(s, rows, count, m->at);
        memcpy(from, m->at, numbers * sizeof *from);
        reduce(s, m, rows, from);
    }
    for (size_t i = 0; i < count; i++)
        forget_blocks(s, s->part[i]);
    for (size_t i = 0; i < count && !looks && !status; i++)
        set_aside(m, i);
    free(from);
    if (status)
        equations_fini(m);
    return status;
}

/* ---- sets ------------------------------------------------------------------------------------ */

/* Is any other column a sum with that of pivot r? */
static bool
is_used(const equations *m, size_t r)
{
    bool used = false;
    for (size_t c = 0; c < m->cols && r < m->reduced && !used; c++)
        used = c != m->pivot[r] && m->at[r * m->cols + c] != 0;
    return used;
}

/* Rank of the classes that hang together with this one, and does each that comes up once depend on
 * the others? A pivot depends on those columns in whose sums it is. */
static kofn_status
look_at_part(kofn_sides *s, size_t root, kofn_sides_set *set, kofn_error *err)
{
    const size_t count = list_part(s, root);
    if (count == 1) {
        set->rank++;
        set->dependent = set->dependent && s->seen[s->distinct[root]] > 1;
        return KOFN_OK;
    }
    equations m;
    const kofn_status status = equations_init(&m, s, count, err);
    if (status)
        return status;
    set->rank += m.rank;
    for (size_t r = 0; r < m.rank && set->dependent; r++)
        set->dependent = s->seen[s->distinct[s->part[m.pivot[r]]]] > 1 || is_used(&m, r);
    equations_fini(&m);
    return KOFN_OK;
}

static kofn_status
look_at_sums(kofn_sides *s, kofn_sides_set *set, kofn_error *err)
{
    kofn_status status = KOFN_OK;
    set->rank = 0;
    set->dependent = true;
    link_classes(s, set->classes);
    for (size_t c = 0; c < set->classes && !status; c++)
        if (s->root[c] == c)
            status = look_at_part(s, c, set, err);
    return status;
}

kofn_status
kofn_sides_look(kofn_sides *sides, const size_t *side, size_t count, kofn_sides_set *ret_set,
                kofn_error *err)
{
    kofn_sides_set set = {.classes = count_classes(sides, side, count), .least = count};
    kofn_status status = KOFN_OK;
    for (size_t c = 0; c < set.classes; c++) {
        const size_t times = sides->seen[sides->distinct[c]];
        set.least = times < set.least ? times : set.least;
    }
    sides->steps += count;
    set.rank = set.classes;
    set.dependent = set.least > 1;
    if (sides->sums && sides->steps < sides->most)
        status = look_at_sums(sides, &set, err);
    forget_classes(sides, set.classes);
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

/* Sides of a set that hang together, each as the column of its class: numbers for these. */
typedef struct members {
    const equations *m;
    size_t count;
    size_t *place;  // [count] in the set's list; owns the memory of the next three
    size_t *column; // [count]
    size_t *pivot;  // [m->rank] the member that has this pivot's column
    size_t *row;    // [m->cols] the pivot of a column; SIZE_MAX: it is a sum
    bool *free;     // [count] it is a sum of those, or the same as one
    double *number; // [count]; owns the memory of `try`
    double *try;    // [count] room
} members;

static bool
members_alloc(members *x, size_t count)
{
    *x = (members){.place = malloc(4 * count * sizeof *x->place),
                   .free = malloc(count * sizeof *x->free),
                   .number = malloc(2 * count * sizeof *x->number)};
    x->column = x->place + count;
    x->pivot = x->column + count;
    x->row = x->pivot + count;
    x->try = x->number + count;
    return x->place && x->free && x->number;
}

static void
members_fini(members *x)
{
    free(x->place);
    free(x->free);
    free(x->number);
}

/* Those whose classes are in s->part, the columns of x->m. */
static void
list_members(kofn_sides *s, const size_t *side, size_t count, members *x)
{
    const equations *m = x->m;
    x->count = 0;
    for (size_t c = 0; c < m->cols; c++) {
        x->row[c] = SIZE_MAX;
        s->seen[s->distinct[s->part[c]]] = c + 1;
    }
    for (size_t r = 0; r < m->rank; r++) {
        x->row[m->pivot[r]] = r;
        x->pivot[r] = SIZE_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        const size_t column = s->seen[s->class[side[i]]];
        if (column == 0)
            continue;
        const size_t row = x->row[column - 1];
        x->free[x->count] = row == SIZE_MAX || x->pivot[row] < SIZE_MAX;
        if (!x->free[x->count])
            x->pivot[row] = x->count;
        x->place[x->count] = i;
        x->column[x->count++] = column - 1;
    }
    for (size_t c = 0; c < m->cols; c++)
        s->seen[s->distinct[s->part[c]]] = 0;
}

/* number += by times the dependency of a free member on the pivots'. */
static void
add_dependency(const kofn_field *f, const members *x, size_t member, double by, double *number)
{
    number[member] = f->add(f, number[member], by);
    for (size_t r = 0; r < x->m->rank; r++) {
        const double share = get_share(x->m, r, x->column[member]);
        double *of = &number[x->pivot[r]];
        *of = f->add(f, *of, f->negate(f, f->multiply(f, by, share)));
    }
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

/* x->try := x->number + by times the dependency of the member, or for by = 0 that alone. How many
 * of them are not 0. */
static size_t
try_multiple(const kofn_field *f, const members *x, size_t member, size_t by)
{
    for (size_t i = 0; i < x->count; i++)
        x->try[i] = by > 0 ? x->number[i] : 0;
    add_dependency(f, x, member, by > 0 ? (double)by : 1, x->try);
    return count_numbers(x->try, x->count);
}

/* Numbers that may be other than 0: those that are, here or in x->try. */
static size_t
count_most(const members *x)
{
    size_t most = 0;
    for (size_t i = 0; i < x->count; i++)
        most += x->number[i] != 0 || x->try[i] != 0;
    return most;
}

/* One dependency after another is added, so many times that no number becomes 0 and as few as
 * possible stay so. Each number is 0 for one multiple at most: some multiple is right for all of
 * them, or the dependency alone, which is tried first, has them all. */
static void
find_exactly(const kofn_field *f, const members *x)
{
    size_t some = 0;
    for (size_t member = 0; member < x->count; member++) {
        if (!x->free[member])
            continue;
        const size_t last = f->order <= (double)x->count ? (size_t)f->order - 1 : x->count;
        size_t best = 0, most = x->count;
        for (size_t by = 0; by <= last && some < most; by++) {
            const size_t now = try_multiple(f, x, member, by);
            if (by == 0)
                most = count_most(x);
            if (now > some) {
                some = now;
                best = by;
            }
        }
        (void)try_multiple(f, x, member, best);
        memcpy(x->number, x->try, x->count * sizeof *x->number);
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

/* Of some draws the one whose numbers are nearest to each other in size, the greatest 1. */
static void
find_balanced(const kofn_field *f, const members *x)
{
    double best = -1, greatest = 0;
    for (size_t draw = 0; draw < DRAWS; draw++) {
        kofn_rng rng;
        kofn_rng_init(&rng, 0, draw);
        memset(x->try, 0, x->count * sizeof *x->try);
        for (size_t i = 0; i < x->count; i++)
            if (x->free[i])
                add_dependency(f, x, i, draw == 0 ? 1 : kofn_rng_normal(&rng), x->try);
        const double balance = find_balance(x->try, x->count);
        if (balance <= best)
            continue;
        best = balance;
        memcpy(x->number, x->try, x->count * sizeof *x->number);
    }
    for (size_t i = 0; i < x->count; i++)
        greatest = fmax(greatest, fabs(x->number[i]));
    for (size_t i = 0; i < x->count && greatest > 0; i++)
        x->number[i] /= greatest;
}

/* Numbers of the members are of their columns, which sides are multiples of. */
static void
put_numbers(const kofn_sides *s, const size_t *side, const members *x, double *ret_number)
{
    const kofn_field *f = s->field;
    for (size_t i = 0; i < x->count; i++) {
        const size_t own = side[x->place[i]];
        const double scaled = x->number[i] * scale_side(s, s->first[s->class[own]]);
        ret_number[x->place[i]] = f->multiply(f, scaled, f->invert(f, s->factor[own]));
    }
}

static kofn_status
find_part(kofn_sides *s, const size_t *side, size_t count, size_t root, members *x,
          double *ret_number, kofn_error *err)
{
    equations m;
    kofn_status status = equations_init(&m, s, list_part(s, root), err);
    if (status)
        return status;
    x->m = &m;
    list_members(s, side, count, x);
    memset(x->number, 0, x->count * sizeof *x->number);
    if (s->field->order == 0)
        find_balanced(s->field, x);
    else
        find_exactly(s->field, x);
    if (count_numbers(x->number, x->count) != x->count)
        status = kofn_fail(err, KOFN_INVALID_ARGUMENT,
                           "batch: whether the sides of %zu pairs depend on each other is within "
                           "rounding; take lagrange, or blocks of their own",
                           count);
    put_numbers(s, side, x, ret_number);
    equations_fini(&m);
    return status;
}

kofn_status
kofn_sides_find_sum(kofn_sides *sides, const size_t *side, size_t count, double *ret_number,
                    kofn_error *err)
{
    const size_t classes = count_classes(sides, side, count);
    members x;
    kofn_status status = KOFN_OK;
    if (!members_alloc(&x, count))
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu sides", count);
    link_classes(sides, classes);
    forget_classes(sides, classes); // s->seen is room for list_members
    for (size_t c = 0; c < classes && !status; c++)
        if (sides->root[c] == c)
            status = find_part(sides, side, count, c, &x, ret_number, err);
    members_fini(&x);
    return status;
}

/* s->seen of the classes that are in the basis of those that hang together with this one. */
static kofn_status
mark_basis(kofn_sides *s, size_t root, kofn_error *err)
{
    equations m;
    const kofn_status status = equations_init(&m, s, list_part(s, root), err);
    if (status)
        return status;
    for (size_t r = 0; r < m.rank; r++)
        s->seen[s->distinct[s->part[m.pivot[r]]]] = 1;
    equations_fini(&m);
    return KOFN_OK;
}

kofn_status
kofn_sides_find_basis(kofn_sides *sides, const size_t *side, size_t count, size_t *ret_place,
                      size_t *ret_rank, kofn_error *err)
{
    const size_t classes = count_classes(sides, side, count);
    kofn_status status = KOFN_OK;
    size_t rank = 0;
    link_classes(sides, classes);
    forget_classes(sides, classes);
    for (size_t c = 0; c < classes && !status; c++)
        if (sides->root[c] == c)
            status = mark_basis(sides, c, err);
    for (size_t i = 0; i < count && !status; i++) {
        size_t *seen = &sides->seen[sides->class[side[i]]];
        if (*seen)
            ret_place[rank++] = i;
        *seen = 0;
    }
    forget_classes(sides, classes);
    if (!status)
        *ret_rank = rank;
    return status;
}
