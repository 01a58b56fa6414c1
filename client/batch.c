#include "client/batch.h"
#include "client/balance.h"

#include "common/base/size.h"
#include "common/linalg/multiply.h"
#include "proto/block.h"

#include <isa-l/crc.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Elements that are looked at twice while the cache has them. */
enum { LOOK_BYTES = 32 << 10 };

/* Exponents by which norms of blocks may differ where they cannot be brought to one size. */
enum { UNLIKE_MAX = 20 };

static const char *const side_names[] = {"X", "Y"};

/* What is known of pairs on the way to a batch. */
typedef struct plan {
    const kofn_pairs *pairs;
    const kofn_field *field;
    const kofn_matrix *side[2];      // the caller's
    const kofn_dependency **depends; // [count]: how the pair depends on others; NULL: it does not
    bool *named;                     // [count]: a dependency needs its blocks
    size_t *same[2];                 // [count]: the first pair with this very block
    size_t *number[2];               // [count]: of that pair's block, among those that travel
    size_t *travels[2];              // [travel_count]: pairs whose blocks do
    size_t travel_count[2];
    size_t active;   // pairs with a weight
    double *norm[2]; // [count]: of blocks that travel, by their numbers
    int *shift[2];   // [count]: likewise, the powers of two that they are multiplied by
    int *scale;      // [active]: the powers that make their products what they were
} plan;

static kofn_status
fail_memory(const kofn_pairs *pairs, kofn_error *err)
{
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a batch of %zu pairs",
                     pairs->count);
}

static bool
has_weight(const plan *p, size_t pair)
{
    return !p->pairs->weights || p->pairs->weights[pair] != 0;
}

/* Does it travel? What a dependent pair is made of travels with others. */
static bool
is_sent(const plan *p, size_t pair)
{
    return !p->depends[pair] && (has_weight(p, pair) || p->named[pair]);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static kofn_status
check_alike(const kofn_matrix *m, const kofn_matrix *first, const char *name, size_t pair,
            kofn_error *err)
{
    if (m->dtype != first->dtype)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s of pair %zu holds %s and that of pair 0 %s: all must be of one dtype",
                         name, pair, kofn_dtype_name(m->dtype), kofn_dtype_name(first->dtype));
    if (m->transposed != first->transposed)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s of pair %zu is %stransposed and that of pair 0 is %s: all must be "
                         "stored alike",
                         name, pair, m->transposed ? "" : "not ", m->transposed ? "not" : "");
    if (m->rows != first->rows || m->cols != first->cols)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s of pair %zu is %zu x %zu as stored and that of pair 0 %zu x %zu: all "
                         "must be of one shape",
                         name, pair, m->rows, m->cols, first->rows, first->cols);
    return KOFN_OK;
}

static kofn_status
check_matrix(const kofn_matrix *m, const kofn_matrix *first, const char *side, size_t pair,
             kofn_error *err)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%s of pair %zu", side, pair);
    if (m->operand)
        return kofn_fail(err, KOFN_UNIMPLEMENTED,
                         "%s is a stored operand: blocks of a batch are sent with it", name);
    kofn_status status = kofn_factor_check(m, name, err);
    return status == KOFN_OK ? check_alike(m, first, side, pair, err) : status;
}

/* All X are alike, and all Y, so one pair says what fits. */
static kofn_status
check_product(const kofn_pairs *pairs, kofn_error *err)
{
    const kofn_matrix *x = &pairs->x[0], *y = &pairs->y[0];
    const kofn_mat a = {.dtype = x->dtype, .rows = x->rows, .cols = x->cols, .stride = x->cols};
    const kofn_mat b = {.dtype = y->dtype, .rows = y->rows, .cols = y->cols, .stride = y->cols};
    const kofn_product product = {
        .a = &a, .b = &b, .transpose_a = x->transposed, .transpose_b = y->transposed};
    size_t rows, cols;
    if (kofn_product_shape(&product, &rows, &cols, err) == KOFN_OK)
        return KOFN_OK;
    return kofn_fail_within(err, "X and Y of each pair, as A and B");
}

static kofn_status
check_pairs(const kofn_pairs *pairs, kofn_error *err)
{
    kofn_status status = KOFN_OK;
    if (pairs->count == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "a batch without pairs");
    if (pairs->count > KOFN_PAIRS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "a batch of %zu pairs, at most %d fit",
                         pairs->count, KOFN_PAIRS_MAX);
    if (!pairs->x || !pairs->y)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "a batch of %zu pairs without %s",
                         pairs->count, pairs->x ? "Y" : "X");
    for (size_t i = 0; i < pairs->count && status == KOFN_OK; i++) {
        status = check_matrix(&pairs->x[i], &pairs->x[0], "X", i, err);
        if (status == KOFN_OK)
            status = check_matrix(&pairs->y[i], &pairs->y[0], "Y", i, err);
    }
    return status == KOFN_OK ? check_product(pairs, err) : status;
}

/* ---- dependencies ---------------------------------------------------------------------------- */

static bool
is_coefficient(const kofn_field *f, double c)
{
    return isfinite(c) && c != 0 && (f->order == 0 || (c > 0 && c < f->order && floor(c) == c));
}

static kofn_status
check_terms(const plan *p, const kofn_dependency *d, kofn_error *err)
{
    if (d->count == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "pair %zu depends on no other pair", d->pair);
    if (!d->of || !d->scale)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "pair %zu depends on %zu others, and there is no list of %s", d->pair,
                         d->count, d->of ? "factors" : "these");
    for (size_t i = 0; i < d->count; i++) {
        if (d->of[i] >= p->pairs->count)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "pair %zu is said to depend on pair %zu, and there are %zu pairs",
                             d->pair, d->of[i], p->pairs->count);
        if (p->depends[d->of[i]])
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "pair %zu is said to depend on pair %zu, which depends on others "
                             "itself: name those",
                             d->pair, d->of[i]);
        if (!is_coefficient(p->field, d->scale[i]))
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "pair %zu has %g times pair %zu, need a number of %s other than 0",
                             d->pair, d->scale[i], d->of[i], p->field->name);
        p->named[d->of[i]] = p->named[d->of[i]] || has_weight(p, d->pair);
    }
    return KOFN_OK;
}

static kofn_status
list_dependencies(plan *p, kofn_error *err)
{
    const kofn_pairs *pairs = p->pairs;
    kofn_status status = KOFN_OK;
    if (pairs->dependency_count > 0 && !pairs->dependencies)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%zu dependencies, and there is no list of them", pairs->dependency_count);
    for (size_t i = 0; i < pairs->dependency_count; i++) {
        const kofn_dependency *d = &pairs->dependencies[i];
        if (d->pair >= pairs->count)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "a dependency is said of pair %zu, and there are %zu pairs", d->pair,
                             pairs->count);
        if (p->depends[d->pair])
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "pair %zu is said to depend on others twice", d->pair);
        p->depends[d->pair] = d;
    }
    for (size_t i = 0; i < pairs->dependency_count && status == KOFN_OK; i++)
        status = check_terms(p, &pairs->dependencies[i], err);
    return status;
}

static const void *
get_row(const kofn_matrix *m, size_t row)
{
    const size_t stride = m->stride ? m->stride : m->cols;
    return (const unsigned char *)m->data + row * stride * kofn_dtype_width(m->dtype);
}

typedef struct row_room { // numbers of one row
    double *sum, *size, *term;
} row_room;

/* Of the reals each element may be as far off as `count` roundings of what it is summed from: those
 * of whoever made it, in whatever order. NaN is off. */
static kofn_status
check_row(const plan *p, size_t side, const kofn_dependency *d, size_t row, const row_room *room,
          kofn_error *err)
{
    const kofn_matrix *list = p->side[side];
    const kofn_field *f = p->field;
    const size_t len = list[0].cols;
    memset(room->sum, 0, len * sizeof *room->sum);
    memset(room->size, 0, len * sizeof *room->size);
    for (size_t i = 0; i < d->count; i++) {
        f->widen(f, len, get_row(&list[d->of[i]], row), room->term);
        f->add_multiple(f, len, d->scale[i], room->term, room->sum);
        for (size_t c = 0; c < len; c++)
            room->size[c] += fabs(d->scale[i] * room->term[c]);
    }
    f->widen(f, len, get_row(&list[d->pair], row), room->term);
    const double unit = f->order == 0 ? 2 * (double)(d->count + 1) * f->epsilon : 0;
    for (size_t c = 0; c < len; c++)
        if (!(fabs(room->term[c] - room->sum[c]) <= unit * room->size[c]))
            return kofn_fail(
                err, KOFN_INVALID_ARGUMENT,
                "pair %zu does not depend on others as declared: element (%zu, %zu) of "
                "its %s as stored is %.17g, and theirs come to %.17g",
                d->pair, row, c, side_names[side], room->term[c], room->sum[c]);
    return KOFN_OK;
}

static kofn_status
verify_dependencies(const plan *p, kofn_error *err)
{
    kofn_status status = KOFN_OK;
    for (size_t side = 0; side < 2 && status == KOFN_OK; side++) {
        const size_t rows = p->side[side][0].rows, len = p->side[side][0].cols;
        double *at = malloc((3 * len + 1) * sizeof *at);
        if (!at)
            return fail_memory(p->pairs, err);
        const row_room room = {.sum = at, .size = at + len, .term = at + 2 * len};
        for (size_t i = 0; i < p->pairs->dependency_count; i++)
            for (size_t row = 0; row < rows && status == KOFN_OK; row++)
                status = check_row(p, side, &p->pairs->dependencies[i], row, &room, err);
        free(at);
    }
    return status;
}

/* ---- equal blocks ---------------------------------------------------------------------------- */

typedef struct look {
    const kofn_matrix *block;
    size_t pair;
    unsigned sum; // CRC of the elements
    bool foreign; // some of them are no numbers of the field
    double norm;  // of the reals
} look;

static int
compare_pairs(const look *a, const look *b)
{
    return (a->pair > b->pair) - (a->pair < b->pair);
}

static int
compare_memory(const void *left, const void *right)
{
    const look *a = left, *b = right;
    const uintptr_t from_a = (uintptr_t)a->block->data, from_b = (uintptr_t)b->block->data;
    if (from_a != from_b)
        return from_a < from_b ? -1 : 1;
    if (a->block->stride != b->block->stride)
        return a->block->stride < b->block->stride ? -1 : 1;
    return compare_pairs(a, b);
}

static int
compare_sums(const void *left, const void *right)
{
    const look *a = left, *b = right;
    if (a->sum != b->sum)
        return a->sum < b->sum ? -1 : 1;
    return compare_pairs(a, b);
}

static void
look_at(const kofn_field *f, const void *elements, size_t len, look *l)
{
    const size_t width = kofn_dtype_width(f->dtype), step = LOOK_BYTES / width;
    for (size_t i = 0; i < len; i += step) {
        const size_t part = kofn_size_smaller(step, len - i);
        unsigned char *at = (unsigned char *)(uintptr_t)elements + i * width; // read only
        l->sum = crc32_iscsi(at, (int)(part * width), l->sum);
        l->foreign = l->foreign || f->has_foreign(f, at, part);
        if (f->order == 0)
            l->norm = hypot(l->norm, f->norm(f, at, part));
    }
}

static void
look_at_block(const kofn_field *f, look *l)
{
    const kofn_matrix *m = l->block;
    if (m->stride == 0 || m->stride == m->cols)
        look_at(f, m->data, m->rows * m->cols, l);
    else
        for (size_t row = 0; row < m->rows; row++)
            look_at(f, get_row(m, row), m->cols, l);
}

static bool
is_equal(const kofn_matrix *a, const kofn_matrix *b)
{
    const size_t row_bytes = a->cols * kofn_dtype_width(a->dtype);
    for (size_t row = 0; row < a->rows && row_bytes > 0; row++)
        if (memcmp(get_row(a, row), get_row(b, row), row_bytes) != 0)
            return false;
    return true;
}

/* Those in the same memory need but one look: the first of each goes to the front. */
static size_t
merge_memory(look *looks, size_t count, size_t *same)
{
    size_t kept = 0;
    qsort(looks, count, sizeof *looks, compare_memory);
    for (size_t i = 0; i < count; i++) {
        const look *last = kept > 0 ? &looks[kept - 1] : NULL;
        if (last && last->block->data == looks[i].block->data &&
            last->block->stride == looks[i].block->stride) {
            same[looks[i].pair] = last->pair;
            continue;
        }
        same[looks[i].pair] = looks[i].pair;
        looks[kept++] = looks[i];
    }
    return kept;
}

static void
merge_equal(look *looks, size_t count, size_t *same)
{
    qsort(looks, count, sizeof *looks, compare_sums);
    for (size_t i = 1, first = 0; i < count; i++) {
        if (looks[i].sum != looks[first].sum)
            first = i;
        for (size_t j = first; j < i && same[looks[i].pair] == looks[i].pair; j++)
            if (same[looks[j].pair] == looks[j].pair && is_equal(looks[j].block, looks[i].block))
                same[looks[i].pair] = looks[j].pair;
    }
}

/* Arithmetic would take what is no number without harm, and carry it into the products of all. */
static kofn_status
check_foreign(const plan *p, size_t side, const look *looks, size_t count, kofn_error *err)
{
    size_t pair = SIZE_MAX;
    for (size_t i = 0; i < count; i++)
        if (looks[i].foreign)
            pair = kofn_size_smaller(pair, looks[i].pair);
    if (pair == SIZE_MAX)
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s of pair %zu holds %s; coded tasks would carry it into all products, so "
                     "leave that pair out%s",
                     side_names[side], pair,
                     p->field->order == 0 ? "NaN or Inf" : "what is no number of the field",
                     p->field->order == 0 ? ", or multiply it by itself" : "");
}

/* Blocks that travel, in the order of the first pairs that have them. norm [pairs], of those. */
static void
number_blocks(plan *p, size_t side, const double *norm)
{
    for (size_t i = 0; i < p->pairs->count; i++) {
        if (!is_sent(p, i))
            continue;
        size_t *same = &p->same[side][i];
        *same = p->same[side][*same]; // of one memory first, then of equal ones
        if (*same == i) {
            p->number[side][i] = p->travel_count[side];
            p->norm[side][p->travel_count[side]] = norm[i];
            p->travels[side][p->travel_count[side]++] = i;
        }
    }
}

static kofn_status
find_blocks(plan *p, size_t side, kofn_error *err)
{
    size_t count = 0;
    look *looks = calloc(p->pairs->count, sizeof *looks + sizeof(double));
    if (!looks)
        return fail_memory(p->pairs, err);
    double *norm = (double *)(looks + p->pairs->count);
    for (size_t i = 0; i < p->pairs->count; i++)
        if (is_sent(p, i))
            looks[count++] = (look){.block = &p->side[side][i], .pair = i};
    count = merge_memory(looks, count, p->same[side]);
    for (size_t i = 0; i < count; i++) {
        look_at_block(p->field, &looks[i]);
        norm[looks[i].pair] = looks[i].norm;
    }
    const kofn_status status = check_foreign(p, side, looks, count, err);
    if (status == KOFN_OK) {
        merge_equal(looks, count, p->same[side]);
        number_blocks(p, side, norm);
    }
    free(looks);
    return status;
}

/* ---- the batch ------------------------------------------------------------------------------- */

/* Block `block` of the pair's sum, by so much more; sorted, and gone where nothing is left. */
static void
add_term(const kofn_field *f, kofn_sums *sums, size_t row, size_t block, double scale)
{
    size_t at = sums->first[row], *end = &sums->first[row + 1];
    while (at < *end && sums->column[at] < block)
        at++;
    const bool there = at < *end && sums->column[at] == block;
    const double sum = there ? f->add(f, sums->coef[at], scale) : scale;
    const size_t from = at + there, to = at + (sum != 0), left = *end - from;
    memmove(sums->column + to, sums->column + from, left * sizeof *sums->column);
    memmove(sums->coef + to, sums->coef + from, left * sizeof *sums->coef);
    if (sum != 0) {
        sums->column[at] = block;
        sums->coef[at] = sum;
    }
    *end = to + left;
}

static size_t
number_of(const plan *p, size_t side, size_t pair)
{
    return p->number[side][p->same[side][pair]];
}

static kofn_status
fill_side(const plan *p, size_t side, kofn_sums *sums, kofn_error *err)
{
    size_t row = 0;
    for (size_t i = 0; i < p->pairs->count; i++) {
        const kofn_dependency *d = p->depends[i];
        if (!has_weight(p, i))
            continue;
        sums->first[row + 1] = sums->first[row];
        if (!d)
            add_term(p->field, sums, row, number_of(p, side, i), 1);
        for (size_t t = 0; d && t < d->count; t++)
            add_term(p->field, sums, row, number_of(p, side, d->of[t]), d->scale[t]);
        if (sums->first[row + 1] == sums->first[row])
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "%s of pair %zu is zero by what it depends on: leave that pair out",
                             side_names[side], i);
        row++;
    }
    return KOFN_OK;
}

static void
fill_weights(const plan *p, kofn_sums *sums)
{
    const double *weights = p->pairs->weights;
    size_t count = 0;
    for (size_t i = 0; i < p->pairs->count; i++) {
        if (!has_weight(p, i))
            continue;
        sums->column[count] = count;
        sums->coef[count] = weights ? weights[i] : ldexp(1, p->scale[count]);
        count++;
        sums->first[weights ? 1 : count] = count;
    }
}

/* Stacked as they are stored: of transposes that is side by side. */
static kofn_grid
grid_of(const plan *p, size_t side)
{
    const size_t count = p->travel_count[side];
    return p->side[side][0].transposed ? (kofn_grid){.rows = 1, .cols = count}
                                       : (kofn_grid){.rows = count, .cols = 1};
}

static size_t
count_terms(const plan *p)
{
    size_t terms = 0;
    for (size_t i = 0; i < p->pairs->count; i++)
        if (has_weight(p, i))
            terms += p->depends[i] ? p->depends[i]->count : 1;
    return terms;
}

static kofn_status
make_batch(const plan *p, kofn_batch **ret_batch, kofn_error *err)
{
    const size_t outs = p->pairs->weights ? 1 : p->active;
    kofn_batch b = {.grid = {grid_of(p, 0), grid_of(p, 1)},
                    .out = {.rows = outs, .cols = 1},
                    .count = p->active};
    kofn_status status = KOFN_OK;
    for (size_t side = 0; side < 2 && status == KOFN_OK; side++)
        status = kofn_sums_alloc(p->active, p->travel_count[side], count_terms(p), &b.side[side])
                     ? fill_side(p, side, &b.side[side], err)
                     : fail_memory(p->pairs, err);
    if (status == KOFN_OK && !kofn_sums_alloc(outs, p->active, p->active, &b.weights))
        status = fail_memory(p->pairs, err);
    if (status == KOFN_OK) {
        fill_weights(p, &b.weights);
        status = kofn_batch_new(&b, p->field, ret_batch, err);
    }
    for (size_t side = 0; side < 2; side++)
        free(b.side[side].first);
    free(b.weights.first);
    return status;
}

/* ---- blocks of unlike size ------------------------------------------------------------------- */

static kofn_status
balance(plan *p, kofn_error *err)
{
    size_t *room = malloc(3 * p->active * sizeof *room), count = 0;
    if (!room)
        return fail_memory(p->pairs, err);
    size_t *const side[] = {room + p->active, room + 2 * p->active};
    for (size_t i = 0; i < p->pairs->count; i++)
        if (has_weight(p, i)) {
            room[count] = i;
            side[0][count] = number_of(p, 0, i);
            side[1][count++] = number_of(p, 1, i);
        }
    const kofn_balance_pairs of = {.count = count,
                                   .pair = room,
                                   .side = {side[0], side[1]},
                                   .blocks = {p->travel_count[0], p->travel_count[1]},
                                   .norm = {p->norm[0], p->norm[1]},
                                   .dtype = p->field->dtype};
    const kofn_status status = kofn_balance(&of, p->shift, p->scale, err);
    free(room);
    return status;
}

static kofn_status
check_alike_norms(const plan *p, size_t side, kofn_error *err)
{
    double least = INFINITY, most = 0;
    for (size_t i = 0; i < p->travel_count[side]; i++)
        if (p->norm[side][i] > 0) {
            least = fmin(least, p->norm[side][i]);
            most = fmax(most, p->norm[side][i]);
        }
    if (most == 0 || most <= ldexp(least, UNLIKE_MAX))
        return KOFN_OK;
    return kofn_fail(err, KOFN_OUT_OF_RANGE,
                     "the norms of %s are from %.3g to %.3g, and with dependencies declared the "
                     "products of the smallest would be lost in rounding: declare none, or scale "
                     "them to within a factor of 2^%d",
                     side_names[side], least, most, UNLIKE_MAX);
}

/* What a code may do to a product that is much smaller than others. */
static kofn_status
mind_sizes(plan *p, kofn_error *err)
{
    if (p->field->order != 0 || p->pairs->weights)
        return KOFN_OK;
    if (p->pairs->dependency_count == 0)
        return balance(p, err);
    const kofn_status status = check_alike_norms(p, 0, err);
    return status == KOFN_OK ? check_alike_norms(p, 1, err) : status;
}

static size_t
count_shifted(const plan *p, size_t side)
{
    size_t count = 0;
    for (size_t i = 0; i < p->travel_count[side]; i++)
        count += p->shift[side][i] != 0;
    return count;
}

/* The side's blocks as they travel: those that are to be of another size are copied. */
static kofn_status
scale_side(const plan *p, size_t side, kofn_pool *pool, kofn_matrix *blocks, kofn_mat *made,
           kofn_error *err)
{
    const kofn_matrix *first = &p->side[side][0];
    const size_t shifted = count_shifted(p, side);
    for (size_t i = 0; i < p->travel_count[side]; i++)
        blocks[i] = p->side[side][p->travels[side][i]];
    if (shifted == 0)
        return KOFN_OK;
    double *room = malloc((first->cols + 1) * sizeof *room);
    kofn_status status =
        room ? kofn_mat_new(pool, first->dtype, shifted * first->rows, first->cols, made, err)
             : fail_memory(p->pairs, err);
    for (size_t i = 0, row = 0; i < p->travel_count[side] && status == KOFN_OK; i++) {
        if (p->shift[side][i] == 0)
            continue;
        const kofn_mat from = kofn_matrix_view(&blocks[i]);
        const kofn_mat into =
            kofn_mat_wrap(kofn_mat_get_row(made, row), first->dtype, first->rows, first->cols);
        kofn_balance_scale(p->field, &from, p->shift[side][i], &into, room);
        blocks[i].data = into.data;
        blocks[i].stride = 0;
        row += first->rows;
    }
    free(room);
    return status;
}

static kofn_status
scale_blocks(const plan *p, kofn_pool *pool, kofn_gathering *g, kofn_error *err)
{
    if (count_shifted(p, 0) + count_shifted(p, 1) == 0)
        return KOFN_OK;
    g->scaled = calloc(p->travel_count[0] + p->travel_count[1], sizeof *g->scaled);
    if (!g->scaled)
        return fail_memory(p->pairs, err);
    const kofn_status status = scale_side(p, 0, pool, g->scaled, &g->made[0], err);
    return status == KOFN_OK
               ? scale_side(p, 1, pool, g->scaled + p->travel_count[0], &g->made[1], err)
               : status;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static kofn_status
plan_init(plan *p, const kofn_pairs *pairs, const kofn_field *field, kofn_error *err)
{
    *p = (plan){.pairs = pairs, .field = field, .side = {pairs->x, pairs->y}};
    const size_t count = pairs->count;
    p->depends = calloc(count, sizeof *p->depends + sizeof *p->named);
    size_t *numbers = calloc(count, 6 * sizeof *numbers);
    p->same[0] = numbers;
    p->norm[0] = calloc(count, 2 * sizeof *p->norm[0]);
    p->scale = calloc(count, 3 * sizeof *p->scale);
    if (!p->depends || !numbers || !p->norm[0] || !p->scale)
        return fail_memory(pairs, err);
    p->norm[1] = p->norm[0] + count;
    p->shift[0] = p->scale + count;
    p->shift[1] = p->shift[0] + count;
    p->named = (bool *)(p->depends + count);
    for (size_t side = 0; side < 2; side++) {
        p->same[side] = numbers + side * count;
        p->number[side] = numbers + (2 + side) * count;
        p->travels[side] = numbers + (4 + side) * count;
    }
    for (size_t i = 0; i < count; i++)
        p->active += has_weight(p, i);
    if (p->active == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "all %zu weights of the batch are 0", count);
    return KOFN_OK;
}

static void
plan_fini(plan *p)
{
    free((void *)p->depends);
    free(p->same[0]);
    free(p->norm[0]);
    free(p->scale);
}

/* As one matrix: what a peer would refuse is better known here. */
static kofn_status
check_stack(const plan *p, size_t side, kofn_error *err)
{
    const kofn_matrix *first = &p->side[side][0];
    const kofn_status status =
        kofn_block_check_size(first->dtype, p->travel_count[side] * first->rows, first->cols, err);
    if (status == KOFN_OK)
        return KOFN_OK;
    return kofn_fail_within(err, "the %zu blocks of %s stacked", p->travel_count[side],
                            side_names[side]);
}

static kofn_status
fill_gathering(plan *p, kofn_pool *pool, kofn_gathering *g, kofn_error *err)
{
    kofn_status status = list_dependencies(p, err);
    for (size_t side = 0; side < 2 && status == KOFN_OK; side++) {
        status = find_blocks(p, side, err);
        if (status == KOFN_OK)
            status = check_stack(p, side, err);
    }
    if (status == KOFN_OK)
        status = verify_dependencies(p, err); // of blocks that are numbers, all of them
    if (status == KOFN_OK)
        status = mind_sizes(p, err);
    if (status == KOFN_OK)
        status = make_batch(p, &g->batch, err);
    if (status == KOFN_OK && pool)
        status = scale_blocks(p, pool, g, err);
    if (status != KOFN_OK)
        return status;
    g->factors = (kofn_factors){.count = 2, .batch = g->batch};
    for (size_t side = 0, at = 0; side < 2; at += p->travel_count[side++]) {
        memcpy(g->blocks + at, p->travels[side], p->travel_count[side] * sizeof *g->blocks);
        g->factors.at[side] = (kofn_stack){
            .of = p->side[side], .count = p->travel_count[side], .index = g->blocks + at};
        if (g->scaled)
            g->factors.at[side] = (kofn_stack){
                .of = g->scaled + at, .count = p->travel_count[side], .owner = g->made[side].owner};
    }
    return KOFN_OK;
}

kofn_status
kofn_gathering_init(kofn_gathering *gathering, const kofn_pairs *pairs, const char *field,
                    kofn_pool *pool, kofn_error *err)
{
    kofn_gathering g = {0};
    plan p = {0};
    kofn_status status = check_pairs(pairs, err);
    if (status == KOFN_OK)
        status = kofn_field_choose(field ? field : "", pairs->x[0].dtype, &g.field, err);
    if (status != KOFN_OK)
        return status;
    g.blocks = calloc(2 * pairs->count, sizeof *g.blocks);
    status = g.blocks ? plan_init(&p, pairs, g.field, err) : fail_memory(pairs, err);
    if (status == KOFN_OK)
        status = fill_gathering(&p, pool, &g, err);
    plan_fini(&p);
    if (status == KOFN_OK)
        *gathering = g;
    else
        kofn_gathering_fini(&g);
    return status;
}

void
kofn_gathering_fini(kofn_gathering *gathering)
{
    kofn_batch_destroy(&gathering->batch);
    kofn_field_destroy(&gathering->field);
    free(gathering->blocks);
    free(gathering->scaled);
    kofn_mat_fini(&gathering->made[0]);
    kofn_mat_fini(&gathering->made[1]);
    *gathering = (kofn_gathering){0};
}
