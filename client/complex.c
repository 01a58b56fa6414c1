#include "client/complex.h"

#include "common/base/size.h"
#include "common/code/complex.h"
#include "common/code/projection.h"
#include "common/linalg/planes.h"
#include "proto/block.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A product of as many flops a master sends whole. */
#define SMALL_FLOPS 2e7

enum { PRODUCTS_MAX = KOFN_PAIRS_MAX / 4 }; // of blocks: a batch has so many by either method

static const char *const names[] = {"A", "B"};

/* ---- what is asked --------------------------------------------------------------------------- */

static bool
has_complex(const kofn_matrix *m)
{
    return kofn_dtype_get_part(m->dtype) != KOFN_DTYPE_NONE;
}

static size_t
rows_of(const kofn_matrix *m) // of op(m)
{
    return m->transposed ? m->cols : m->rows;
}

static size_t
cols_of(const kofn_matrix *m)
{
    return m->transposed ? m->rows : m->cols;
}

bool
kofn_complex_is_asked(const kofn_matrix *a, const kofn_matrix *b)
{
    return has_complex(a) || has_complex(b);
}

static kofn_status
check_operand(const kofn_matrix *m, const char *name, kofn_error *err)
{
    if (m->operand)
        return kofn_fail(err, KOFN_UNIMPLEMENTED,
                         "%s is a stored operand: complex matrices are sent with their product",
                         name);
    if (m->sparse)
        return kofn_fail(err, KOFN_UNIMPLEMENTED,
                         "%s is sparse: of complex matrices only dense ones are multiplied", name);
    return kofn_factor_check_elements(m, name, err);
}

static kofn_status
check_operands(const kofn_matrix *a, const kofn_matrix *b, kofn_error *err)
{
    kofn_status status = check_operand(a, names[0], err);
    if (status == KOFN_OK)
        status = check_operand(b, names[1], err);
    if (status != KOFN_OK)
        return status;
    if (a->dtype != b->dtype)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "A is %s and B is %s: convert one of them, a product has one dtype",
                         kofn_planes_title(a->dtype), kofn_planes_title(b->dtype));
    if (cols_of(a) != rows_of(b))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "A has %zu columns and B has %zu rows, as they are multiplied: they must "
                         "be equal",
                         cols_of(a), rows_of(b));
    return KOFN_OK;
}

/* ---- how it is cut --------------------------------------------------------------------------- */

static bool
is_uncut(const kofn_code_choice *code)
{
    return code->x == 0 && code->z == 0 && code->y == 0;
}

/* How many workers other families need is not known here. */
static bool
is_for_locality(const kofn_code_choice *code)
{
    return code->family[0] == '\0' || strcmp(code->family, "locality") == 0;
}

bool
kofn_complex_asks_workers(const kofn_matrix *a, const kofn_matrix *b,
                          const kofn_product_options *options)
{
    kofn_complex_method method = KOFN_COMPLEX_3M;
    if (!has_complex(a) || !has_complex(b))
        return false;
    if (options->key) // the same key has to come with the same order, whoever has come and gone
        return false;
    if (kofn_complex_method_parse(options->complex_method, &method, NULL) != KOFN_OK)
        return false; // kofn_complex_init says why
    const double flops = 8.0 * (double)rows_of(a) * (double)cols_of(a) * (double)cols_of(b);
    return method != KOFN_COMPLEX_PLAIN && flops > SMALL_FLOPS && is_uncut(&options->code) &&
           is_for_locality(&options->code) && options->code.tasks == 0;
}

static size_t
at_least_one(size_t size)
{
    return size > 0 ? size : 1;
}

/* Of so many tasks of `locality` any one may be lost. By 3m p products of blocks take 4 p, in p
 * groups, or 3 p + 3, in three; by 4m 4 p + 1, in one. */
static size_t
count_products(kofn_complex_method method, size_t tasks)
{
    const size_t products = method == KOFN_COMPLEX_4M ? (at_least_one(tasks) - 1) / 4
                            : tasks < 12              ? tasks / 4
                                                      : tasks / 3 - 1;
    return at_least_one(kofn_size_smaller(products, PRODUCTS_MAX));
}

/* As the caller says, or for as many tasks, or workers, as there are. */
static kofn_partition
choose_partition(const kofn_code_choice *code, kofn_complex_method method, size_t rows, size_t cols,
                 size_t workers)
{
    kofn_partition part = {
        .x = at_least_one(code->x), .z = at_least_one(code->z), .y = at_least_one(code->y)};
    if (!is_uncut(code) || !is_for_locality(code))
        return part;
    part = kofn_partition_squarest(count_products(method, code->tasks > 0 ? code->tasks : workers));
    if (rows > cols) // x <= y so far
        part = (kofn_partition){.x = part.y, .z = part.z, .y = part.x};
    part.x = kofn_size_smaller(part.x, at_least_one(rows));
    part.y = kofn_size_smaller(part.y, at_least_one(cols));
    return part;
}

/* ---- planes ---------------------------------------------------------------------------------- */

static kofn_mat
view_of(const kofn_mat *m, size_t row, size_t col, size_t rows, size_t cols)
{
    kofn_mat view = kofn_mat_wrap(m->data, m->dtype, rows, cols);
    view.stride = m->stride;
    if (rows > 0 && cols > 0)
        view.data = (unsigned char *)m->data + (row * m->stride + col) * kofn_dtype_width(m->dtype);
    return view;
}

/* Room for what is sent in place of operand `side`, high x wide as stored. */
static kofn_status
make_room(kofn_complex *z, kofn_pool *pool, size_t side, size_t high, size_t wide, kofn_error *err)
{
    const kofn_dtype dtype = z->field->dtype;
    kofn_status status = kofn_block_check_size(dtype, high, wide, err);
    if (status == KOFN_OK)
        status = kofn_mat_new(pool, dtype, high, wide, &z->planes[side], err);
    return status == KOFN_OK ? KOFN_OK : kofn_fail_within(err, "the parts of %s", names[side]);
}

/* Real parts stacked on imaginary ones, both padded to whole blocks of the grid, which is of
 * op(m). */
static kofn_status
stack_planes(kofn_complex *z, kofn_pool *pool, size_t side, const kofn_matrix *m, kofn_grid grid,
             kofn_error *err)
{
    const size_t down = m->transposed ? grid.cols : grid.rows;
    const size_t across = m->transposed ? grid.rows : grid.cols;
    const size_t high = kofn_part_size(m->rows, down) * down;
    const size_t wide = kofn_part_size(m->cols, across) * across;
    const kofn_mat from = kofn_matrix_view(m);
    kofn_status status = make_room(z, pool, side, 2 * high, wide, err);
    if (status != KOFN_OK)
        return status;
    kofn_mat re = view_of(&z->planes[side], 0, 0, high, wide);
    kofn_mat im = view_of(&z->planes[side], high, 0, high, wide);
    return kofn_planes_split(names[side], &from, &re, &im, err);
}

/* One of the stacked planes. */
static kofn_mat
plane_of(const kofn_complex *z, size_t side, size_t half)
{
    const kofn_mat *both = &z->planes[side];
    return view_of(both, half * (both->rows / 2), 0, both->rows / 2, both->cols);
}

/* So that decoding, which mixes planes, keeps the digits of small ones. */
static kofn_status
balance_planes(kofn_complex *z, kofn_complex_method method, kofn_complex_scale *ret_scale,
               kofn_error *err)
{
    double norm[2][2] = {{0}};
    for (size_t i = 0; i < 4 && method == KOFN_COMPLEX_4M; i++) {
        const kofn_mat plane = plane_of(z, i / 2, i % 2);
        kofn_bands bands;
        kofn_status status = kofn_bands_from_mat(&plane, &bands, err);
        if (status != KOFN_OK)
            return status;
        const kofn_block all = {.of = &bands, .valid_rows = bands.rows, .valid_cols = bands.cols};
        norm[i / 2][i % 2] = kofn_projection_measure(z->field, &all);
        kofn_bands_fini(&bands);
    }
    *ret_scale = kofn_complex_balance(method, z->field, norm);
    for (size_t i = 0; i < 4; i++) {
        kofn_mat plane = plane_of(z, i / 2, i % 2);
        kofn_planes_scale(&plane, ret_scale->shift[i / 2][i % 2]);
    }
    return KOFN_OK;
}

/* [[Re A, -Im A], [Im A, Re A]], or its transpose. */
static kofn_status
embed_left(kofn_complex *z, kofn_pool *pool, const kofn_matrix *a, kofn_error *err)
{
    const size_t high = a->rows, wide = a->cols;
    const kofn_mat from = kofn_matrix_view(a), *all = &z->planes[0];
    kofn_status status = make_room(z, pool, 0, 2 * high, 2 * wide, err);
    if (status != KOFN_OK)
        return status;
    kofn_mat re = view_of(all, 0, 0, high, wide), again = view_of(all, high, wide, high, wide);
    kofn_mat below = view_of(all, high, 0, high, wide), beside = view_of(all, 0, wide, high, wide);
    kofn_mat *im = a->transposed ? &beside : &below, *minus = a->transposed ? &below : &beside;
    status = kofn_planes_split(names[0], &from, &re, im, err);
    for (size_t row = 0; row < high && status == KOFN_OK; row++)
        memcpy(kofn_mat_get_row(&again, row), kofn_mat_get_row(&re, row),
               wide * kofn_dtype_width(re.dtype));
    if (status == KOFN_OK)
        kofn_planes_negate(im, minus);
    return status;
}

/* [Re B; Im B], or its transpose. */
static kofn_status
stack_right(kofn_complex *z, kofn_pool *pool, const kofn_matrix *b, kofn_error *err)
{
    const size_t high = b->rows, wide = b->cols;
    const size_t down = b->transposed ? 0 : high, across = b->transposed ? wide : 0;
    const kofn_mat from = kofn_matrix_view(b);
    kofn_status status = make_room(z, pool, 1, down + high, across + wide, err);
    if (status != KOFN_OK)
        return status;
    kofn_mat re = view_of(&z->planes[1], 0, 0, high, wide);
    kofn_mat im = view_of(&z->planes[1], down, across, high, wide);
    return kofn_planes_split(names[1], &from, &re, &im, err);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static kofn_status
make_batch(kofn_complex *z, kofn_pool *pool, kofn_complex_method method, const kofn_matrix *a,
           const kofn_matrix *b, size_t workers, kofn_error *err)
{
    kofn_code_choice *code = &z->code;
    const bool transposed[] = {a->transposed, b->transposed};
    const kofn_partition part = choose_partition(code, method, rows_of(a), cols_of(b), workers);
    kofn_complex_scale scale;
    kofn_status status = kofn_complex_check_partition(method, part, err);
    if (status == KOFN_OK)
        status = stack_planes(z, pool, 0, a, (kofn_grid){.rows = part.x, .cols = part.z}, err);
    if (status == KOFN_OK)
        status = stack_planes(z, pool, 1, b, (kofn_grid){.rows = part.z, .cols = part.y}, err);
    if (status == KOFN_OK)
        status = balance_planes(z, method, &scale, err);
    if (status == KOFN_OK)
        status = kofn_complex_batch_new(method, part, transposed, &scale, z->field, &z->batch, err);
    code->x = code->z = code->y = 0; // its pairs are cut no further
    return status;
}

static kofn_status
make_planes(kofn_complex *z, kofn_pool *pool, kofn_complex_method method, const kofn_matrix *a,
            const kofn_matrix *b, size_t workers, kofn_error *err)
{
    if (method != KOFN_COMPLEX_PLAIN)
        return make_batch(z, pool, method, a, b, workers, err);
    const kofn_status status = embed_left(z, pool, a, err);
    return status == KOFN_OK ? stack_right(z, pool, b, err) : status;
}

static void
fill_factors(kofn_complex *z, kofn_complex_method method, const kofn_matrix *a,
             const kofn_matrix *b)
{
    kofn_msg_compression *word = &z->compression;
    const bool transposed[] = {a->transposed, b->transposed};
    *word = (kofn_msg_compression){.rows = rows_of(a), .inner = cols_of(a), .cols = cols_of(b)};
    z->factors = (kofn_factors){.count = 2, .batch = z->batch, .compression = word};
    for (size_t side = 0; side < 2; side++) {
        const kofn_mat *planes = &z->planes[side];
        z->sent[side] = (kofn_matrix){.data = planes->data,
                                      .dtype = planes->dtype,
                                      .rows = planes->rows,
                                      .cols = planes->cols,
                                      .transposed = transposed[side]};
        z->factors.at[side] =
            (kofn_stack){.of = &z->sent[side], .count = 1, .owner = planes->owner};
        word->elements += planes->rows * planes->cols;
    }
    (void)snprintf(word->method, sizeof word->method, "%s", kofn_complex_method_name(method));
    (void)snprintf(word->dtype, sizeof word->dtype, "%s", kofn_dtype_name(a->dtype));
}

kofn_status
kofn_complex_init(kofn_complex *ret, kofn_pool *pool, const kofn_matrix *a, const kofn_matrix *b,
                  const kofn_product_options *options, size_t workers, kofn_error *err)
{
    kofn_complex_method method = KOFN_COMPLEX_3M;
    *ret = (kofn_complex){.code = options->code};
    kofn_status status = check_operands(a, b, err);
    if (status == KOFN_OK)
        status = kofn_complex_method_parse(options->complex_method, &method, err);
    if (status == KOFN_OK)
        status = kofn_complex_check_family(method, options->code.family, err);
    if (status == KOFN_OK)
        status = kofn_complex_choose_field(options->field, a->dtype, &ret->field, err);
    if (status == KOFN_OK)
        status = make_planes(ret, pool, method, a, b, workers, err);
    if (status == KOFN_OK)
        fill_factors(ret, method, a, b);
    return status;
}

void
kofn_complex_fini(kofn_complex *z)
{
    kofn_mat_fini(&z->planes[0]);
    kofn_mat_fini(&z->planes[1]);
    kofn_batch_destroy(&z->batch);
    kofn_field_destroy(&z->field);
}

/* ---- the product ----------------------------------------------------------------------------- */

kofn_status
kofn_complex_restore(const kofn_msg_compression *compression, kofn_pool *pool, kofn_bands *product,
                     kofn_error *err)
{
    const kofn_dtype dtype = kofn_dtype_parse(compression->dtype);
    kofn_mat whole;
    if (product->dtype != kofn_dtype_get_part(dtype) || product->rows % 2 != 0 ||
        compression->rows > product->rows / 2 || compression->cols > product->cols)
        return kofn_fail(err, KOFN_DATA_LOSS,
                         "the parts of a product of %" PRIu64 " x %" PRIu64
                         " %s came as %zu x %zu %s",
                         compression->rows, compression->cols, compression->dtype, product->rows,
                         product->cols, kofn_dtype_name(product->dtype));
    kofn_status status =
        kofn_mat_new(pool, dtype, compression->rows, compression->cols, &whole, err);
    if (status != KOFN_OK)
        return status;
    kofn_bands joined;
    kofn_planes_join(product, &whole);
    status = kofn_bands_from_mat(&whole, &joined, err);
    kofn_mat_fini(&whole); // the bands have a ref
    if (status != KOFN_OK)
        return status;
    kofn_bands_fini(product);
    *product = joined;
    return KOFN_OK;
}
