/* Sketches as the client sends them: what travels is put together again and held against the blocks
 * and columns that the same seed draws, by norms and products of the test's own. */
#include "client/sketches.h"

#include "common/code/sketch.h"
#include "tests/assert.h"
#include "tests/unit/fake_master.h"

#include <cblas.h>
#include <float.h>
#include <math.h>

static kofn_error error;

/* ---- matrices -------------------------------------------------------------------------------- */

typedef struct wish {
    const char *sketch;
    size_t rows, inner, cols;
    kofn_partition part; // as asked for; zeros: left out
    size_t samples;
    kofn_dtype dtype;
    bool transposed[2];
} wish;

enum { GAP = 3 }; // behind each row, as it is stored

typedef struct rig {
    const wish *w;
    double *at[2]; // op(A), op(B), row by row
    void *stored[2];
    kofn_matrix matrix[2];
    kofn_product_options options;
    kofn_pool *pool;
} rig;

static size_t
rows_of(const wish *w, size_t side)
{
    return side == 0 ? w->rows : w->inner;
}

static size_t
cols_of(const wish *w, size_t side)
{
    return side == 0 ? w->inner : w->cols;
}

static void
store(void *stored, kofn_dtype dtype, size_t at, double number)
{
    if (dtype == KOFN_F32)
        ((float *)stored)[at] = (float)number;
    else
        ((double *)stored)[at] = number;
}

static double
load(const void *stored, kofn_dtype dtype, size_t at)
{
    return dtype == KOFN_F32 ? (double)((const float *)stored)[at] : ((const double *)stored)[at];
}

/* Numbers of both dtypes; those far to the right and below are larger. */
static void
make_side(rig *r, size_t side, kofn_rng *rng)
{
    const wish *w = r->w;
    const size_t rows = rows_of(w, side), cols = cols_of(w, side);
    const bool t = w->transposed[side];
    const size_t stride = (t ? rows : cols) + GAP;
    r->at[side] = malloc(rows * cols * sizeof(double));
    r->stored[side] = calloc((t ? cols : rows) * stride, sizeof(double));
    assert_non_null(r->at[side]);
    assert_non_null(r->stored[side]);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            const double number =
                (double)(float)(kofn_rng_normal(rng) * (double)(1 + i % 5 + j % 7));
            r->at[side][i * cols + j] = number;
            store(r->stored[side], w->dtype, t ? j * stride + i : i * stride + j, number);
        }
    r->matrix[side] = (kofn_matrix){.data = r->stored[side],
                                    .dtype = w->dtype,
                                    .rows = t ? cols : rows,
                                    .cols = t ? rows : cols,
                                    .stride = stride,
                                    .transposed = t};
}

static void
rig_init(rig *r, const wish *w, uint64_t seed)
{
    kofn_rng rng;
    kofn_rng_init(&rng, seed, 0);
    *r = (rig){
        .w = w,
        .options = {
            .sketch = w->sketch,
            .samples = w->samples,
            .code = {
                .x = w->part.x, .z = w->part.z, .y = w->part.y, .has_seed = true, .seed = seed}}};
    make_side(r, 0, &rng);
    make_side(r, 1, &rng);
    assert_ok(kofn_pool_new(0, &r->pool, &error));
}

static void
rig_fini(rig *r)
{
    for (size_t side = 0; side < 2; side++) {
        free(r->at[side]);
        free(r->stored[side]);
    }
    kofn_pool_destroy(&r->pool);
}

static kofn_status
sketch(const rig *r, kofn_sketching *ret)
{
    return kofn_sketching_init(ret, r->pool, &r->matrix[0], &r->matrix[1], &r->options, &error);
}

/* ---- what it should be ----------------------------------------------------------------------- */

static size_t
part_size(size_t size, size_t parts)
{
    return (size + parts - 1) / parts;
}

static size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Norms of blocks of m [rows, cols], the last ones shorter. */
static double *
measure(const double *m, size_t rows, size_t cols, size_t down, size_t right)
{
    const size_t high = part_size(rows, down), wide = part_size(cols, right);
    double *norms = calloc(down * right, sizeof *norms);
    assert_non_null(norms);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            norms[i / high * right + j / wide] += m[i * cols + j] * m[i * cols + j];
    for (size_t b = 0; b < down * right; b++)
        norms[b] = sqrt(norms[b]);
    return norms;
}

/* c += weight A_it B_tj in its place. */
static void
add_pair(const rig *r, kofn_partition p, size_t i, size_t t, size_t j, double weight, double *c)
{
    const wish *w = r->w;
    const size_t high = part_size(w->rows, p.x), deep = part_size(w->inner, p.z),
                 wide = part_size(w->cols, p.y);
    if (i * high >= w->rows || t * deep >= w->inner || j * wide >= w->cols)
        return;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)smaller(high, w->rows - i * high),
                (int)smaller(wide, w->cols - j * wide), (int)smaller(deep, w->inner - t * deep),
                weight, r->at[0] + i * high * w->inner + t * deep, (int)w->inner,
                r->at[1] + t * deep * w->cols + j * wide, (int)w->cols, 1,
                c + i * high * w->cols + j * wide, (int)w->cols);
}

/* C' as the seed draws it; *ret_size is |A| |B|. */
static double *
estimate(const rig *r, kofn_partition p, kofn_sketched *ret_drawn)
{
    const wish *w = r->w;
    double *a = measure(r->at[0], w->rows, w->inner, p.x, p.z);
    double *b = measure(r->at[1], w->inner, w->cols, p.z, p.y);
    double *c = calloc(w->rows * w->cols, sizeof *c);
    assert_non_null(c);
    const kofn_sketch_args args = {.part = p,
                                   .a = a,
                                   .b = b,
                                   .samples = r->options.samples,
                                   .error = r->options.approx,
                                   .seed = r->options.code.seed};
    assert_ok(kofn_sketch_compress(kofn_sketch_find(w->sketch), &args, ret_drawn, &error));
    for (size_t i = 0; i < ret_drawn->kept; i++)
        add_pair(r, p, 0, ret_drawn->column[i], 0, ret_drawn->scale[i], c);
    const kofn_batch *batch = ret_drawn->batch;
    for (size_t t = 0; batch && t < batch->weights.rows; t++)
        for (size_t k = batch->weights.first[t]; k < batch->weights.first[t + 1]; k++) {
            const size_t left = kofn_batch_get_block(batch, 0, batch->weights.column[k]);
            add_pair(r, p, t / p.y, left % p.z, t % p.y, batch->weights.coef[k], c);
        }
    free(a);
    free(b);
    return c;
}

/* ---- what travels ---------------------------------------------------------------------------- */

static double
get(const kofn_matrix *m, size_t row, size_t col)
{
    const size_t stride = m->stride ? m->stride : m->cols;
    return load(m->data, m->dtype, m->transposed ? col * stride + row : row * stride + col);
}

/* c += weight op(x) op(y), its first element at (row, col) of C'. */
static void
add_product(const kofn_matrix *x, const kofn_matrix *y, double weight, size_t row, size_t col,
            const kofn_msg_matrix *shape, double *c)
{
    const size_t rows = x->transposed ? x->cols : x->rows,
                 inner = x->transposed ? x->rows : x->cols;
    const size_t cols = y->transposed ? y->rows : y->cols;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            for (size_t k = 0; k < inner; k++)
                c[(row + i) * shape->cols + col + j] += weight * get(x, i, k) * get(y, k, j);
}

/* C' as a master would make it of what it gets. */
static double *
multiply(const kofn_sketching *s, kofn_msg_matrix *ret_shape)
{
    const kofn_factors *f = &s->factors;
    assert_ok(kofn_factors_check(f, ret_shape, &error));
    double *c = calloc(ret_shape->rows * ret_shape->cols, sizeof *c);
    assert_non_null(c);
    if (!f->batch)
        add_product(f->at[0].of, f->at[1].of, 1, 0, 0, ret_shape, c);
    const kofn_batch *b = f->batch;
    for (size_t t = 0; b && t < b->weights.rows; t++)
        for (size_t k = b->weights.first[t]; k < b->weights.first[t + 1]; k++) {
            const size_t pair = b->weights.column[k];
            add_product(kofn_stack_get(&f->at[0], kofn_batch_get_block(b, 0, pair)),
                        kofn_stack_get(&f->at[1], kofn_batch_get_block(b, 1, pair)),
                        b->weights.coef[k], t / b->out.cols * (ret_shape->rows / b->out.rows),
                        t % b->out.cols * (ret_shape->cols / b->out.cols), ret_shape, c);
        }
    return c;
}

static double
get_norm(const double *at, size_t count)
{
    return cblas_dnrm2((int)count, at, 1);
}

static void
assert_sketch(const wish *w, uint64_t seed)
{
    rig r;
    kofn_sketching s;
    kofn_sketched drawn;
    kofn_msg_matrix shape;
    rig_init(&r, w, seed);
    assert_ok(sketch(&r, &s));
    const kofn_partition columns = {1, w->inner, 1};
    const bool cr = strcmp(w->sketch, "cr") == 0;
    double *expected = estimate(&r, cr ? columns : w->part, &drawn);
    double *made = multiply(&s, &shape);
    const double size =
        get_norm(r.at[0], w->rows * w->inner) * get_norm(r.at[1], w->inner * w->cols);
    const double unit = w->dtype == KOFN_F32 ? FLT_EPSILON : DBL_EPSILON;
    const double most = 4 * unit * (double)(w->inner + drawn.samples) * size;
    for (size_t i = 0; i < shape.rows; i++)
        for (size_t j = 0; j < shape.cols; j++)
            assert_at_most(fabs(made[i * shape.cols + j] -
                                (i < w->rows && j < w->cols ? expected[i * w->cols + j] : 0)),
                           most);
    const kofn_msg_compression *c = &s.compression;
    assert_ptr_equal(s.factors.compression, c);
    assert_ok(kofn_msg_compression_check(c, shape.rows, shape.cols, &error));
    assert_string_equal(c->method, w->sketch);
    assert_int_equal(c->rows, w->rows);
    assert_int_equal(c->inner, w->inner);
    assert_int_equal(c->cols, w->cols);
    assert_int_equal(c->samples, drawn.samples);
    assert_int_equal(c->most, drawn.most);
    assert_int_equal(c->seed, seed);
    assert_at_most(fabs(c->bound - drawn.bound), 1e-9 * drawn.bound);
    assert_at_most(fabs(c->size - size), 1e-9 * size);
    size_t elements = 0;
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < s.factors.at[side].count; i++)
            elements += s.factors.at[side].of[i].rows * s.factors.at[side].of[i].cols;
    assert_int_equal(c->elements, elements);
    free(expected);
    free(made);
    kofn_sketched_fini(&drawn);
    kofn_sketching_fini(&s);
    rig_fini(&r);
}

static void
what_travels_is_what_the_seed_draws(void **state)
{
    (void)state;
    static const wish wishes[] = {
        {.sketch = "cr", .rows = 7, .inner = 40, .cols = 5, .samples = 9, .dtype = KOFN_F64},
        {.sketch = "cr", .rows = 7, .inner = 40, .cols = 5, .samples = 60, .dtype = KOFN_F64},
        {.sketch = "cr", .rows = 20, .inner = 33, .cols = 1, .samples = 12, .dtype = KOFN_F32},
        {.sketch = "block_cr",
         .rows = 6,
         .inner = 40,
         .cols = 9,
         .part = {1, 10, 1},
         .samples = 4,
         .dtype = KOFN_F64},
        {.sketch = "block_cr",
         .rows = 6,
         .inner = 41,
         .cols = 9,
         .part = {1, 10, 1},
         .samples = 7,
         .dtype = KOFN_F32},
        {.sketch = "grid_cr",
         .rows = 8,
         .inner = 24,
         .cols = 9,
         .part = {2, 8, 3},
         .samples = 20,
         .dtype = KOFN_F64},
        {.sketch = "grid_cr",
         .rows = 9,
         .inner = 25,
         .cols = 10,
         .part = {2, 8, 3},
         .samples = 20,
         .dtype = KOFN_F64},
        {.sketch = "grid_cr",
         .rows = 5,
         .inner = 5,
         .cols = 5,
         .part = {4, 4, 4},
         .samples = 60,
         .dtype = KOFN_F32},
    };
    const uint64_t seed = test_seed(31);
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
        for (unsigned turned = 0; turned < 4; turned++) {
            wish w = wishes[i];
            w.transposed[0] = turned & 1;
            w.transposed[1] = turned >> 1;
            assert_sketch(&w, seed + i);
        }
}

static void
all_columns_are_the_matrices_themselves(void **state)
{
    (void)state;
    const wish w = {
        .sketch = "cr", .rows = 3, .inner = 8, .cols = 2, .samples = 8, .dtype = KOFN_F64};
    rig r;
    kofn_sketching s;
    rig_init(&r, &w, 1);
    assert_ok(sketch(&r, &s));
    assert_ptr_equal(s.factors.at[0].of, &r.matrix[0]);
    assert_true(s.compression.bound == 0);
    kofn_sketching_fini(&s);
    rig_fini(&r);
}

/* ---- what is left out ------------------------------------------------------------------------ */

static void
a_seed_is_named_or_the_keys_or_a_new_one(void **state)
{
    (void)state;
    const wish w = {
        .sketch = "cr", .rows = 3, .inner = 80, .cols = 2, .samples = 8, .dtype = KOFN_F64};
    rig r;
    kofn_sketching s;
    uint64_t seed[3];
    rig_init(&r, &w, 77);
    static const char *const keys[] = {"a", "a", "b", NULL, NULL};
    assert_ok(sketch(&r, &s));
    assert_int_equal(s.compression.seed, 77);
    kofn_sketching_fini(&s);
    r.options.code.has_seed = false;
    for (size_t i = 0; i < 5; i++) {
        r.options.key = keys[i];
        assert_ok(sketch(&r, &s));
        seed[i % 3] = s.compression.seed;
        kofn_sketching_fini(&s);
        if (i == 2) {
            assert_true(seed[0] == seed[1]);
            assert_true(seed[1] != seed[2]);
        }
    }
    assert_true(seed[0] != seed[1]); // of the last two
    rig_fini(&r);
}

static void
assert_refused(const rig *r, kofn_status status, const char *says)
{
    kofn_sketching s;
    assert_fails(sketch(r, &s), status);
    if (!strstr(error.text, says))
        fail_msg("'%s' does not say '%s'", error.text, says);
}

/* Four blocks for each sample of each block of C, and two by two of these. */
static void
a_cut_that_is_left_open_follows_the_samples(void **state)
{
    (void)state;
    const wish w = {
        .sketch = "grid_cr", .rows = 4, .inner = 960, .cols = 4, .samples = 40, .dtype = KOFN_F64};
    rig r;
    kofn_sketching s;
    kofn_sketched drawn;
    rig_init(&r, &w, 5);
    assert_ok(sketch(&r, &s));
    free(estimate(&r, (kofn_partition){2, 40, 2}, &drawn));
    assert_int_equal(s.batch->out.rows, 2);
    assert_int_equal(s.batch->out.cols, 2);
    assert_int_equal(s.batch->count, drawn.batch->count);
    assert_int_equal(s.factors.at[0].of[0].rows, 2);
    assert_int_equal(s.factors.at[0].of[0].cols, 24);
    kofn_sketched_fini(&drawn);
    kofn_sketching_fini(&s);
    r.options.samples = 0;
    r.options.approx = 0.25; // 16 samples of each
    assert_ok(sketch(&r, &s));
    assert_int_equal(s.factors.at[0].of[0].cols, 15);
    assert_at_most(s.compression.bound, 0.25);
    kofn_sketching_fini(&s);
    r.options.code.z = 960;
    assert_ok(sketch(&r, &s));
    assert_int_equal(s.factors.at[0].of[0].cols, 1);
    assert_int_equal(s.code.z, 0); // a batch is not cut
    kofn_sketching_fini(&s);
    rig_fini(&r);
}

/* A code has 2^20 columns, for each pair of a block of A with one of B. */
static void
a_cut_that_is_left_open_fits_a_code(void **state)
{
    (void)state;
    static const double errors[] = {0.08, 0.05, 0.02};
    const wish w = {
        .sketch = "grid_cr", .rows = 2, .inner = 6000, .cols = 2, .samples = 1, .dtype = KOFN_F64};
    rig r;
    kofn_sketching s;
    rig_init(&r, &w, 1);
    r.options.samples = 0;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        r.options.approx = errors[i];
        assert_ok(sketch(&r, &s));
        assert_at_most(s.compression.bound, errors[i]);
        kofn_sketching_fini(&s);
    }
    r.options.approx = 0.03;
    r.options.code.z = 6000;
    assert_refused(&r, KOFN_OUT_OF_RANGE, "take fewer parts (partition) or a larger error");
    rig_fini(&r);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void
what_cannot_be_sketched_is_refused(void **state)
{
    (void)state;
    static const kofn_sparse sparse;
    const wish w = {
        .sketch = "cr", .rows = 3, .inner = 8, .cols = 2, .samples = 4, .dtype = KOFN_F64};
    rig good;
    rig_init(&good, &w, 1);

    rig r = good;
    r.matrix[1].operand = "0123456789abcdef";
    assert_refused(&r, KOFN_UNIMPLEMENTED, "B is a stored operand");
    r = good;
    r.matrix[0].sparse = &sparse;
    assert_refused(&r, KOFN_UNIMPLEMENTED, "A is sparse");
    r = good;
    r.matrix[0].dtype = KOFN_I64;
    assert_refused(&r, KOFN_UNIMPLEMENTED, "A holds i64");
    r = good;
    r.options.field = "gf256";
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "gf256");
    r = good;
    r.matrix[0].cols = 7;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "must be equal");
    r = good;
    r.matrix[0].rows = 0;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "nothing to draw from");

    r = good;
    r.options.approx = 0.1;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "exclude each other");
    r = good;
    r.options.samples = 0;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "how many samples");
    r.options.approx = NAN;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "more than 0");
    r = good;
    r.options.sketch = "rc";
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "cr, block_cr, grid_cr");
    r = good;
    r.options.accept = (kofn_accept_options){.kind = KOFN_ACCEPT_WITHIN, .error = 1e-6};
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "accept: ");
    r = good;
    r.options.deadline_best = true;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "deadline_best");
    r = good;
    strcpy(r.options.code.family, "locality");
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "batches of pairs only");
    r.options.sketch = "block_cr";
    strcpy(r.options.code.family, "polynomial");
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "no batches");
    r = good;
    r.options.sketch = "block_cr";
    r.options.code.x = 2;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "need x = y = 1");
    r.options.code.x = 0;
    r.options.code.z = 9;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "9 parts of 8 columns of A");
    rig_fini(&good);
}

static void
numbers_that_say_nothing_are_refused(void **state)
{
    (void)state;
    static const double odd[] = {NAN, INFINITY, -INFINITY};
    const wish w = {
        .sketch = "cr", .rows = 3, .inner = 8, .cols = 2, .samples = 4, .dtype = KOFN_F64};
    rig r;
    for (size_t i = 0; i < 3; i++) {
        rig_init(&r, &w, 1);
        ((double *)r.stored[0])[8 + GAP + 5] = odd[i]; // second row, sixth column
        assert_refused(&r, KOFN_INVALID_ARGUMENT, "element (1, 5)");
        rig_fini(&r);
    }
    rig_init(&r, &w, 1);
    memset(r.stored[1], 0, 8 * (2 + GAP) * sizeof(double));
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "the product is zero");
    rig_fini(&r);
    rig_init(&r, &w, 1);
    for (size_t i = 0; i < 8 * (2 + GAP); i++)
        ((double *)r.stored[1])[i] = 1e200;
    for (size_t i = 0; i < 3 * (8 + GAP); i++)
        ((double *)r.stored[0])[i] = 1e200;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "scale one of them down");
    rig_fini(&r);
}

static void
more_pairs_than_a_batch_carries_are_refused(void **state)
{
    (void)state;
    const wish w = {.sketch = "block_cr",
                    .rows = 1,
                    .inner = 9000,
                    .cols = 1,
                    .part = {1, 9000, 1},
                    .samples = 8000,
                    .dtype = KOFN_F64};
    rig r;
    rig_init(&r, &w, 1);
    assert_refused(&r, KOFN_OUT_OF_RANGE, "take an error of 0.00");
    rig_fini(&r);
}

/* ---- masters that know nothing of it --------------------------------------------------------- */

static void
answer_as_ever(fake_master *fake, fake_call *call)
{
    const kofn_msg_outcome outcome = {.job = {.id = "0123456789abcdef", .state = "running"}};
    switch (call->method) {
    case KOFN_METHOD_MULTIPLY:
        fake_multiply(fake, call, 1 << 20);
        break;
    case KOFN_METHOD_SUBMIT:
        fake_reply(fake, call, &kofn_job_ref_message,
                   &(kofn_msg_job_ref){.job = "0123456789abcdef"});
        break;
    default:
        fake_reply(fake, call, &kofn_outcome_message, &outcome);
    }
}

static void
an_older_master_is_not_taken_at_its_word(void **state)
{
    (void)state;
    const wish w = {
        .sketch = "cr", .rows = 3, .inner = 80, .cols = 2, .samples = 8, .dtype = KOFN_F64};
    static fake_master fake;
    rig r;
    kofn_client *client = NULL;
    kofn_result *result = NULL;
    char job[KOFN_CLIENT_JOB_MAX] = "";
    rig_init(&r, &w, 1);
    fake_start(&fake, answer_as_ever, &r);
    assert_ok(kofn_client_open(&(kofn_client_options){.endpoint = fake.endpoint}, &client, &error));
    assert_fails(
        kofn_client_multiply(client, &r.matrix[0], &r.matrix[1], &r.options, &result, &error),
        KOFN_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "older than this client"));
    assert_fails(kofn_client_submit(client, &r.matrix[0], &r.matrix[1], &r.options, job, &error),
                 KOFN_FAILED_PRECONDITION);
    assert_string_equal(job, "");
    assert_fails(kofn_client_outer(client, r.matrix, 2, &r.options, &result, &error),
                 KOFN_UNIMPLEMENTED);
    kofn_client_close(&client);
    fake_stop(&fake);
    assert_int_equal(fake.calls[1].method, KOFN_METHOD_SUBMIT);
    assert_int_equal(fake.calls[2].method, KOFN_METHOD_GET_JOB);
    assert_int_equal(fake.calls[3].method, KOFN_METHOD_CANCEL);
    rig_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_travels_is_what_the_seed_draws),
        cmocka_unit_test(all_columns_are_the_matrices_themselves),
        cmocka_unit_test(a_seed_is_named_or_the_keys_or_a_new_one),
        cmocka_unit_test(a_cut_that_is_left_open_follows_the_samples),
        cmocka_unit_test(a_cut_that_is_left_open_fits_a_code),
        cmocka_unit_test(what_cannot_be_sketched_is_refused),
        cmocka_unit_test(numbers_that_say_nothing_are_refused),
        cmocka_unit_test(more_pairs_than_a_batch_carries_are_refused),
        cmocka_unit_test(an_older_master_is_not_taken_at_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
