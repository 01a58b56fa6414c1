#include "common/code/complex.h"
#include "common/code/family.h"
#include "common/linalg/planes.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RE, IM, PARTS, RECIPE_PAIRS_MAX = 4 };

/* Pairs of one product of blocks: of which parts their sides are sums, and what each counts in the
 * parts of C. */
typedef struct recipe {
    const char *name;
    size_t pairs; // 0: it is no batch
    bool side[2][RECIPE_PAIRS_MAX][PARTS];
    int weight[PARTS][RECIPE_PAIRS_MAX];
} recipe;

static const recipe recipes[] = {
    [KOFN_COMPLEX_3M] = {.name = "3m",
                         .pairs = 3,
                         .side = {{{1, 0}, {0, 1}, {1, 1}}, {{1, 0}, {0, 1}, {1, 1}}},
                         .weight = {[RE] = {1, -1, 0}, [IM] = {-1, -1, 1}}},
    [KOFN_COMPLEX_4M] = {.name = "4m",
                         .pairs = 4,
                         .side = {{{1, 0}, {0, 1}, {1, 0}, {0, 1}},
                                  {{1, 0}, {0, 1}, {0, 1}, {1, 0}}},
                         .weight = {[RE] = {1, -1, 0, 0}, [IM] = {0, 0, 1, 1}}},
    [KOFN_COMPLEX_PLAIN] = {.name = "plain"},
};

enum { METHODS = sizeof recipes / sizeof recipes[0] };

/* ---- methods --------------------------------------------------------------------------------- */

const char *
kofn_complex_method_name(kofn_complex_method method)
{
    return recipes[method].name;
}

kofn_status
kofn_complex_method_parse(const char *name, kofn_complex_method *ret_method, kofn_error *err)
{
    if (!name || !name[0])
        name = recipes[KOFN_COMPLEX_3M].name;
    for (size_t i = 0; i < METHODS; i++)
        if (strcmp(name, recipes[i].name) == 0) {
            *ret_method = (kofn_complex_method)i;
            return KOFN_OK;
        }
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "no method '%.20s' for complex matrices: 3m, 4m or plain", name);
}

kofn_status
kofn_complex_check_family(kofn_complex_method method, const char *family, kofn_error *err)
{
    const kofn_family *known = family ? kofn_family_find(family) : NULL;
    if (!known || (method == KOFN_COMPLEX_PLAIN ? !known->only_batches : known->batches))
        return KOFN_OK;
    if (method == KOFN_COMPLEX_PLAIN)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s makes batches alone, and a complex product is none by plain: take "
                         "method 3m or 4m, or another family",
                         family);
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s makes no batches, and a complex product is one by %s: take method plain, "
                     "or a family like locality",
                     family, recipes[method].name);
}

kofn_status
kofn_complex_choose_field(const char *name, kofn_dtype dtype, const kofn_field **ret_field,
                          kofn_error *err)
{
    const kofn_field *field = kofn_field_for_dtype(kofn_dtype_get_part(dtype));
    assert(field);
    if (name && name[0] && strcmp(name, field->name) != 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "field %.40s: the parts of %s are %s, and are multiplied in that field "
                         "alone: leave the field out, or convert the matrices",
                         name, kofn_planes_title(dtype), field->name);
    *ret_field = field;
    return KOFN_OK;
}

/* ---- balance --------------------------------------------------------------------------------- */

static const double WORTH = 0x1p6; // apart: less is a digit or two

/* A weight undoes two of them, and a batch has those of 2^-250, in f32 2^-60. */
static int
get_most_shift(const kofn_field *field)
{
    return field->dtype == KOFN_F32 ? 30 : 120;
}

/* Of what is `small` beside `large`: it becomes no larger than that, so no element overflows. What
 * is zero is smaller than anything, so that what decoding leaves of it is, too. */
static int
choose_shift(const kofn_field *field, double small, double large)
{
    const double limit = field->dtype == KOFN_F32 ? (double)FLT_MAX : DBL_MAX;
    const int most = get_most_shift(field);
    if (!(small < large / WORTH && large <= limit))
        return 0;
    if (small == 0)
        return most;
    const int shift = ilogb(large) - ilogb(small) - 1;
    return shift < most ? shift : most;
}

kofn_complex_scale
kofn_complex_balance(kofn_complex_method method, const kofn_field *field, const double norm[2][2])
{
    kofn_complex_scale scale = {0};
    for (size_t side = 0; side < 2 && method == KOFN_COMPLEX_4M; side++)
        for (size_t half = RE; half < PARTS; half++)
            scale.shift[side][half] =
                choose_shift(field, norm[side][half], norm[side][PARTS - 1 - half]);
    return scale;
}

/* ---- batches --------------------------------------------------------------------------------- */

typedef struct plan {
    const recipe *recipe;
    kofn_partition part;
    const bool *transposed;
    kofn_complex_scale scale;
    size_t count; // pairs
} plan;

/* Blocks of one plane of op(A) or op(B). */
static kofn_grid
plane_of(const plan *p, size_t side)
{
    return side == 0 ? (kofn_grid){.rows = p->part.x, .cols = p->part.z}
                     : (kofn_grid){.rows = p->part.z, .cols = p->part.y};
}

static kofn_grid
grid_of(const plan *p, size_t side)
{
    const kofn_grid plane = plane_of(p, side);
    return p->transposed[side] ? (kofn_grid){.rows = plane.rows, .cols = PARTS * plane.cols}
                               : (kofn_grid){.rows = PARTS * plane.rows, .cols = plane.cols};
}

/* The number of block (row, col) of plane `half`. */
static size_t
find_block(const plan *p, size_t side, size_t half, size_t row, size_t col)
{
    const kofn_grid plane = plane_of(p, side);
    return p->transposed[side] ? row * PARTS * plane.cols + half * plane.cols + col
                               : (half * plane.rows + row) * plane.cols + col;
}

/* Pairs count like digits i, j, k, the recipe's, where block (i, k) of A meets block (k, j) of
 * B. */
static void
fill_side(const plan *p, size_t side, kofn_sums *sums)
{
    size_t at = 0;
    for (size_t pair = 0; pair < p->count; pair++) {
        const bool *taken = p->recipe->side[side][pair % p->recipe->pairs];
        const size_t triple = pair / p->recipe->pairs, k = triple % p->part.z;
        const size_t j = triple / p->part.z % p->part.y, i = triple / p->part.z / p->part.y;
        for (size_t half = RE; half < PARTS; half++) {
            if (!taken[half])
                continue;
            sums->column[at] =
                side == 0 ? find_block(p, side, half, i, k) : find_block(p, side, half, k, j);
            sums->coef[at++] = 1;
        }
        sums->first[pair + 1] = at;
    }
}

/* By how much the recipe's product is too large. */
static int
get_shift(const plan *p, size_t pair)
{
    int shift = 0;
    for (size_t side = 0; side < 2; side++)
        shift += p->scale.shift[side][p->recipe->side[side][pair][IM] ? IM : RE];
    return shift;
}

static void
fill_weights(const plan *p, kofn_sums *weights)
{
    const size_t outs = p->part.x * p->part.y, each = p->part.z * p->recipe->pairs;
    size_t at = 0;
    for (size_t t = 0; t < weights->rows; t++) {
        for (size_t i = 0; i < each; i++) {
            const size_t pair = i % p->recipe->pairs;
            const int weight = p->recipe->weight[t / outs][pair];
            if (weight == 0)
                continue;
            weights->column[at] = t % outs * each + i;
            weights->coef[at++] = ldexp(weight, -get_shift(p, pair));
        }
        weights->first[t + 1] = at;
    }
}

kofn_status
kofn_complex_check_partition(kofn_complex_method method, kofn_partition part, kofn_error *err)
{
    const recipe *r = &recipes[method];
    const size_t count = kofn_size_multiply(kofn_partition_products(part), r->pairs);
    if (count > 0 && count <= KOFN_PAIRS_MAX)
        return KOFN_OK;
    return kofn_fail(err, KOFN_OUT_OF_RANGE,
                     "a complex product in %zu,%zu,%zu parts by %s: need parts of at least 1 and "
                     "at most %zu products of blocks",
                     part.x, part.z, part.y, r->name, KOFN_PAIRS_MAX / r->pairs);
}

kofn_status
kofn_complex_batch_new(kofn_complex_method method, kofn_partition part, const bool transposed[2],
                       const kofn_complex_scale *scale, const kofn_field *field,
                       kofn_batch **ret_batch, kofn_error *err)
{
    plan p = {.recipe = &recipes[method], .part = part, .transposed = transposed};
    assert(p.recipe->pairs > 0);
    if (scale)
        p.scale = *scale;
    kofn_status status = kofn_complex_check_partition(method, part, err);
    if (status)
        return status;
    p.count = kofn_partition_products(part) * p.recipe->pairs;
    kofn_batch from = {.grid = {grid_of(&p, 0), grid_of(&p, 1)},
                       .out = {.rows = PARTS * part.x, .cols = part.y},
                       .count = p.count};
    bool good = kofn_sums_alloc(PARTS * part.x * part.y, p.count, PARTS * p.count, &from.weights);
    for (size_t side = 0; side < 2 && good; side++) {
        const kofn_grid grid = from.grid[side];
        good = kofn_sums_alloc(p.count, grid.rows * grid.cols, PARTS * p.count, &from.side[side]);
    }
    if (good) {
        fill_side(&p, 0, &from.side[0]);
        fill_side(&p, 1, &from.side[1]);
        fill_weights(&p, &from.weights);
        status = kofn_batch_new(&from, field, ret_batch, err);
    } else {
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a batch of %zu pairs", p.count);
    }
    free(from.side[0].first);
    free(from.side[1].first);
    free(from.weights.first);
    return status;
}
