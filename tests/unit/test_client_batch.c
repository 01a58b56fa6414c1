/* Batches as the client sends them, seen by a master that answers zeros: which blocks travel, in
 * which frames, and what the message says of them. */
#include "tests/assert.h"

#include "client/engine.h"
#include "client/kofn.h"
#include "common/base/rng.h"
#include "tests/unit/fake_master.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS_MAX = 12, ROWS = 3, INNER = 4, COLS = 2 };

static kofn_error error;

/* ---- a batch --------------------------------------------------------------------------------- */

typedef struct seen { // an operand as it came
    size_t rows, cols, frames;
    bool transposed;
    char *elements;
} seen;

typedef struct rig {
    fake_master fake;
    kofn_client *client;
    void *block[2][PAIRS_MAX];
    kofn_matrix side[2][PAIRS_MAX];
    kofn_pairs pairs;
    kofn_product_options options;
    kofn_batch *batch; // as the master was asked for, the last time; NULL: it was not
    seen seen[2];
} rig;

/* cmocka's failures do not leave the fake's thread. */
static void
must(kofn_status status, const kofn_error *err)
{
    if (status == KOFN_OK)
        return;
    print_error("the batch as it came: %s\n", err->text);
    abort();
}

static void
forget_seen(rig *r)
{
    kofn_batch_destroy(&r->batch);
    for (size_t side = 0; side < 2; side++) {
        free(r->seen[side].elements);
        r->seen[side] = (seen){0};
    }
}

static seen
copy_operand(fake_master *fake, const fake_call *call, size_t side)
{
    kofn_error err;
    kofn_mat m;
    const kofn_bands *bands = &call->operands.mat[side];
    must(kofn_bands_gather(bands, fake->pool, &m, &err), &err);
    const size_t bytes = m.rows * m.cols * kofn_dtype_width(m.dtype);
    seen s = {.rows = m.rows,
              .cols = m.cols,
              .frames = bands->count,
              .transposed = side == 0 ? call->product.transpose_a : call->product.transpose_b,
              .elements = malloc(bytes + 1)};
    memcpy(s.elements, m.data, bytes);
    kofn_mat_fini(&m);
    return s;
}

/* Zeros of the shape that the batch has. */
static void
answer_zeros(fake_master *fake, fake_call *call)
{
    rig *r = fake->test;
    const kofn_msg_product *p = &call->product;
    const kofn_field *field = NULL;
    kofn_extents e = {.count = 2};
    kofn_shape shape;
    kofn_error err;
    forget_seen(r);
    must(kofn_field_choose(p->field, kofn_dtype_parse(p->a.dtype), &field, &err), &err);
    must(kofn_msg_batch_to_batch(&p->batch, field, &r->batch, &err), &err);
    for (size_t side = 0; side < 2; side++) {
        const seen s = r->seen[side] = copy_operand(fake, call, side);
        e.rows[side] = s.transposed ? s.cols : s.rows;
        e.cols[side] = s.transposed ? s.rows : s.cols;
    }
    must(kofn_batch_get_shape(r->batch, &e, &shape, &err), &err);
    kofn_msg_matrix c = {.rows = shape.rows, .cols = shape.cols};
    memcpy(c.dtype, p->a.dtype, sizeof c.dtype);
    kofn_field_destroy(&field);
    fake_send_product(fake, call, &c, c.rows);
}

static double
get_number(const void *block, kofn_dtype dtype, size_t at)
{
    return dtype == KOFN_F64   ? ((const double *)block)[at]
           : dtype == KOFN_F32 ? (double)((const float *)block)[at]
           : dtype == KOFN_U8  ? ((const unsigned char *)block)[at]
                               : ((const uint32_t *)block)[at];
}

static void
set_number(void *block, kofn_dtype dtype, size_t at, double number)
{
    if (dtype == KOFN_F64)
        ((double *)block)[at] = number;
    else if (dtype == KOFN_F32)
        ((float *)block)[at] = (float)number;
    else if (dtype == KOFN_U8)
        ((unsigned char *)block)[at] = (unsigned char)number;
    else
        ((uint32_t *)block)[at] = (uint32_t)number;
}

/* Blocks of small numbers, all of them different. */
static void
begin_with(rig *r, size_t count, kofn_dtype dtype, size_t rows, size_t inner, size_t cols)
{
    kofn_rng rng;
    *r = (rig){.pairs = {.count = count}};
    kofn_rng_init(&rng, test_seed(7), 0);
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < count; i++) {
            const size_t height = side == 0 ? rows : inner, width = side == 0 ? inner : cols;
            r->block[side][i] = calloc(height * width, sizeof(double));
            for (size_t e = 0; e < height * width; e++)
                set_number(r->block[side][i], dtype, e, 1 + (double)kofn_rng_below(&rng, 99));
            r->side[side][i] = (kofn_matrix){
                .data = r->block[side][i], .dtype = dtype, .rows = height, .cols = width};
        }
    r->pairs.x = r->side[0];
    r->pairs.y = r->side[1];
    fake_start(&r->fake, answer_zeros, r);
    const kofn_client_options options = {
        .endpoint = r->fake.endpoint, .patience_ms = 10000, .backoff_ms = 1, .backoff_max_ms = 20};
    assert_ok(kofn_client_open(&options, &r->client, &error));
}

static void
begin(rig *r, size_t count, kofn_dtype dtype)
{
    begin_with(r, count, dtype, ROWS, INNER, COLS);
}

static void
end(rig *r)
{
    kofn_client_close(&r->client);
    fake_stop(&r->fake);
    forget_seen(r);
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < PAIRS_MAX; i++)
            free(r->block[side][i]);
}

static kofn_status
send_batch(rig *r)
{
    kofn_result *result = NULL;
    const kofn_status status =
        kofn_client_batch(r->client, &r->pairs, &r->options, &result, &error);
    if (status == KOFN_OK)
        kofn_result_destroy(&result);
    return status;
}

/* Nothing was sent, and the reason says this. */
static void
assert_refused(rig *r, kofn_status status, const char *hint)
{
    const size_t calls = r->fake.call_count;
    assert_fails(send_batch(r), status);
    if (!strstr(error.text, hint))
        fail_msg("'%s' does not say '%s'", error.text, hint);
    assert_int_equal(r->fake.call_count, calls);
}

static const size_t in_order[PAIRS_MAX] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

/* Operand `side` as it came is these blocks of the caller's, stacked as they are stored. */
static void
assert_sent(const rig *r, size_t side, size_t count, const size_t *which)
{
    const seen *s = &r->seen[side];
    const kofn_matrix *first = &r->side[side][0];
    const size_t width = kofn_dtype_width(first->dtype);
    assert_int_equal(s->rows, count * first->rows);
    assert_int_equal(s->cols, first->cols);
    for (size_t row = 0; row < s->rows; row++) {
        const kofn_matrix *m = &r->side[side][which[row / first->rows]];
        const size_t stride = m->stride ? m->stride : m->cols;
        assert_memory_equal(s->elements + row * s->cols * width,
                            (const char *)m->data + row % first->rows * stride * width,
                            first->cols * width);
    }
}

/* Pair `pair` of the batch is block `left` times block `right` of what was sent. */
static void
assert_pair(const rig *r, size_t pair, size_t left, size_t right)
{
    assert_int_equal(kofn_batch_get_block(r->batch, 0, pair), left);
    assert_int_equal(kofn_batch_get_block(r->batch, 1, pair), right);
}

static void
assert_grid(const rig *r, size_t side, size_t rows, size_t cols)
{
    assert_int_equal(r->batch->grid[side].rows, rows);
    assert_int_equal(r->batch->grid[side].cols, cols);
}

/* ---- stacks ---------------------------------------------------------------------------------- */

static void
blocks_are_stacked_in_order(void **state)
{
    rig r;
    (void)state;
    begin(&r, 5, KOFN_F64);
    assert_ok(send_batch(&r));
    for (size_t side = 0; side < 2; side++) {
        assert_sent(&r, side, 5, in_order);
        assert_grid(&r, side, 5, 1);
        assert_int_equal(r.seen[side].frames, 1); // small ones are gathered
    }
    for (size_t i = 0; i < 5; i++)
        assert_pair(&r, i, i, i);
    assert_int_equal(r.batch->out.rows, 5);
    end(&r);
}

static void
large_blocks_are_frames_of_their_own(void **state)
{
    rig r;
    (void)state;
    begin_with(&r, 4, KOFN_F64, 128, 64, 3); // X of 64 KiB, Y of 1.5
    assert_ok(send_batch(&r));
    assert_sent(&r, 0, 4, in_order);
    assert_sent(&r, 1, 4, in_order);
    assert_int_equal(r.seen[0].frames, 4);
    assert_int_equal(r.seen[1].frames, 1);
    end(&r);
}

/* As stored X is INNER x ROWS then: side by side are X_0, X_1, ... themselves. */
static void
transposed_blocks_are_stacked_as_they_are_stored(void **state)
{
    rig r;
    (void)state;
    begin_with(&r, 3, KOFN_F64, INNER, ROWS, COLS);
    for (size_t i = 0; i < 3; i++) {
        r.side[0][i].transposed = true; // ROWS x INNER
        r.side[1][i].rows = INNER;
        r.side[1][i].cols = 1; // of ROWS x COLS elements there are enough
    }
    assert_ok(send_batch(&r));
    assert_sent(&r, 0, 3, in_order);
    assert_true(r.seen[0].transposed);
    assert_false(r.seen[1].transposed);
    assert_grid(&r, 0, 1, 3);
    assert_grid(&r, 1, 3, 1);
    end(&r);
}

static void
blocks_within_larger_matrices_are_sent_alone(void **state)
{
    rig r;
    (void)state;
    begin_with(&r, 2, KOFN_F64, 2 * ROWS, INNER, COLS);
    for (size_t i = 0; i < 2; i++) {
        r.side[0][i].rows = ROWS;
        r.side[0][i].stride = 2 * INNER; // every second row
    }
    assert_ok(send_batch(&r));
    assert_sent(&r, 0, 2, in_order);
    end(&r);
}

/* ---- blocks of unlike size ------------------------------------------------------------------- */

static void
scale_block(rig *r, size_t side, size_t i, double factor)
{
    const kofn_matrix *m = &r->side[side][i];
    for (size_t e = 0; e < m->rows * m->cols; e++)
        set_number(r->block[side][i], m->dtype, e,
                   factor * get_number(r->block[side][i], m->dtype, e));
}

static double
norm_sent(const rig *r, size_t side, size_t block)
{
    const kofn_matrix *m = &r->side[side][0];
    const size_t len = m->rows * m->cols;
    double squares = 0;
    for (size_t e = 0; e < len; e++)
        squares += pow(get_number(r->seen[side].elements, m->dtype, block * len + e), 2);
    return sqrt(squares);
}

/* The power of two that block `block` as it was sent is to be multiplied by, to be the caller's
 * again. */
static double
factor_of_sent(const rig *r, size_t side, size_t block)
{
    const kofn_matrix *m = &r->side[side][0];
    const size_t len = m->rows * m->cols;
    const void *sent = r->seen[side].elements;
    int exponent;
    const double factor =
        get_number(r->block[side][block], m->dtype, 0) / get_number(sent, m->dtype, block * len);
    assert_true(frexp(factor, &exponent) == 0.5);
    for (size_t e = 0; e < len; e++)
        assert_true(get_number(r->block[side][block], m->dtype, e) ==
                    factor * get_number(sent, m->dtype, block * len + e));
    return factor;
}

/* Sent blocks are of one size, and weights give each product back exactly. */
static void
check_balanced(kofn_dtype dtype, double x, double y)
{
    enum { COUNT = 6 };
    rig r;
    double least = INFINITY, most = 0;
    begin(&r, COUNT, dtype);
    for (size_t i = 0; i < COUNT; i++) {
        scale_block(&r, 0, i, pow(x, (double)i));
        scale_block(&r, 1, i, pow(y, (double)i));
    }
    assert_ok(send_batch(&r));
    for (size_t i = 0; i < COUNT; i++) {
        const double weight = factor_of_sent(&r, 0, i) * factor_of_sent(&r, 1, i);
        assert_pair(&r, i, i, i);
        assert_true(r.batch->weights.coef[i] == weight);
        assert_true(weight <= 1);
        for (size_t side = 0; side < 2; side++) {
            least = fmin(least, norm_sent(&r, side, i));
            most = fmax(most, norm_sent(&r, side, i));
        }
    }
    assert_true(most < 2 * least);
    end(&r);
}

static void
blocks_of_unlike_size_are_brought_to_one(void **state)
{
    (void)state;
    check_balanced(KOFN_F64, 1e8, 1e-8);
    check_balanced(KOFN_F64, 1e8, 1);
    check_balanced(KOFN_F64, 1, 1e-15);
    check_balanced(KOFN_F64, 1e60, 1e-60);
    check_balanced(KOFN_F64, 10, 1);
    check_balanced(KOFN_F32, 1e-6, 1e6);
    check_balanced(KOFN_F32, 1, 1e3);
}

static void
a_block_of_zeros_is_of_any_size(void **state)
{
    rig r;
    (void)state;
    begin(&r, 3, KOFN_F64);
    scale_block(&r, 0, 1, 0);
    assert_ok(send_batch(&r));
    assert_sent(&r, 0, 3, in_order);
    scale_block(&r, 1, 2, 1e-30);
    assert_ok(send_batch(&r));
    assert_true(norm_sent(&r, 0, 1) == 0);
    assert_true(r.batch->weights.coef[0] == 1 || r.batch->weights.coef[0] == 0.5);
    assert_true(r.batch->weights.coef[2] < 1e-28 && r.batch->weights.coef[1] < 1e-28);
    for (size_t i = 0; i < 3; i++)
        scale_block(&r, 0, i, 0);
    assert_ok(send_batch(&r)); // nothing but zeros
    end(&r);
}

static void
sums_and_finite_fields_travel_as_they_are(void **state)
{
    static const double weights[] = {1, 1};
    rig r;
    (void)state;
    begin(&r, 2, KOFN_F64);
    scale_block(&r, 0, 1, 1e20);
    r.pairs.weights = weights;
    assert_ok(send_batch(&r));
    assert_sent(&r, 0, 2, in_order);
    end(&r);
    begin(&r, 2, KOFN_U8);
    scale_block(&r, 0, 1, 0);
    set_number(r.block[0][1], KOFN_U8, 3, 1);
    assert_ok(send_batch(&r));
    assert_sent(&r, 0, 2, in_order);
    end(&r);
}

static void
sizes_that_no_weight_says_are_refused(void **state)
{
    static const size_t of[] = {0};
    static const double scale[] = {1};
    rig r;
    (void)state;
    begin(&r, 3, KOFN_F64);
    scale_block(&r, 0, 1, 1e-80);
    assert_refused(&r, KOFN_OUT_OF_RANGE, "of pair 1 is 2^-2");
    scale_block(&r, 0, 1, 1e70);
    assert_ok(send_batch(&r));
    const kofn_dependency same = {.pair = 2, .count = 1, .of = of, .scale = scale};
    r.side[0][2] = r.side[0][0];
    r.side[1][2] = r.side[1][0];
    r.pairs.dependency_count = 1;
    r.pairs.dependencies = &same;
    assert_refused(&r, KOFN_OUT_OF_RANGE, "with dependencies declared");
    scale_block(&r, 0, 1, 1e10);
    assert_ok(send_batch(&r));
    end(&r);
    begin(&r, 2, KOFN_F32);
    scale_block(&r, 1, 1, 1e-25);
    assert_refused(&r, KOFN_OUT_OF_RANGE, "a batch of f32");
    end(&r);
}

/* ---- blocks in common ------------------------------------------------------------------------ */

static void
equal_blocks_travel_once_wherever_they_lie(void **state)
{
    static const size_t lefts[] = {0, 1, 4};
    rig r;
    (void)state;
    begin(&r, 5, KOFN_F64);
    r.side[0][2] = r.side[0][0]; // the same memory, and other
    memcpy(r.block[0][3], r.block[0][1], sizeof(double) * ROWS * INNER);
    memcpy(r.block[1][2], r.block[1][1], sizeof(double) * INNER * COLS);
    r.side[1][3] = r.side[1][2]; // the same as one that is equal to another
    r.side[1][4] = r.side[1][0];
    assert_ok(send_batch(&r));
    assert_sent(&r, 0, 3, lefts);
    assert_sent(&r, 1, 2, in_order);
    assert_pair(&r, 0, 0, 0);
    assert_pair(&r, 1, 1, 1);
    assert_pair(&r, 2, 0, 1);
    assert_int_equal(r.batch->count, 4); // pair 3 is pair 1
    assert_pair(&r, 3, 2, 0);
    assert_int_equal(r.batch->out.rows, 5); // and comes twice
    assert_int_equal(r.batch->weights.column[3], 1);
    end(&r);
}

static void
an_element_makes_a_block_another(void **state)
{
    rig r;
    (void)state;
    for (size_t e = 0; e < ROWS * INNER; e++) {
        begin(&r, 2, KOFN_U8);
        memcpy(r.block[0][1], r.block[0][0], ROWS * INNER);
        ((unsigned char *)r.block[0][1])[e] ^= 1;
        assert_ok(send_batch(&r));
        assert_sent(&r, 0, 2, in_order);
        end(&r);
    }
}

static void
blocks_of_one_memory_and_unlike_strides_are_two(void **state)
{
    rig r;
    (void)state;
    begin_with(&r, 2, KOFN_F64, 2 * ROWS, INNER, COLS);
    r.side[0][1] = r.side[0][0];
    r.side[0][0].rows = r.side[0][1].rows = ROWS;
    r.side[0][1].stride = 2 * INNER;
    assert_ok(send_batch(&r));
    assert_sent(&r, 0, 2, in_order);
    end(&r);
}

/* One hash sees all bytes of a row, whatever its stride, and none between rows. */
static void
equal_blocks_of_unlike_strides_travel_once(void **state)
{
    rig r;
    (void)state;
    begin_with(&r, 2, KOFN_F32, 2 * ROWS, INNER, COLS);
    r.side[0][0].rows = r.side[0][1].rows = ROWS;
    r.side[0][1].stride = 2 * INNER;
    for (size_t row = 0; row < ROWS; row++)
        memcpy((float *)r.block[0][1] + row * 2 * INNER, (float *)r.block[0][0] + row * INNER,
               INNER * sizeof(float));
    assert_ok(send_batch(&r));
    assert_sent(&r, 0, 1, in_order);
    assert_int_equal(r.batch->side[0].cols, 1);
    end(&r);
}

/* ---- sums ------------------------------------------------------------------------------------ */

static void
a_sum_has_one_row_of_weights(void **state)
{
    static const double weights[] = {2, -1, 0.5};
    rig r;
    (void)state;
    begin(&r, 3, KOFN_F64);
    r.pairs.weights = weights;
    assert_ok(send_batch(&r));
    assert_int_equal(r.batch->out.rows, 1);
    assert_int_equal(r.batch->weights.first[1], 3);
    assert_memory_equal(r.batch->weights.coef, weights, sizeof weights);
    end(&r);
}

static void
pairs_without_a_weight_stay_at_home(void **state)
{
    static const double weights[] = {2, 0, 1}, none[] = {0, 0, 0}, odd[] = {1, 0.5, 300};
    static const size_t which[] = {0, 2};
    rig r;
    (void)state;
    begin(&r, 3, KOFN_F64);
    r.pairs.weights = weights;
    ((double *)r.block[0][1])[3] = NAN;
    assert_ok(send_batch(&r));
    assert_sent(&r, 0, 2, which);
    assert_sent(&r, 1, 2, which);
    r.pairs.weights = none;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "all 3 weights");
    end(&r);
    begin(&r, 3, KOFN_U8);
    r.pairs.weights = odd;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "0.5");
    end(&r);
}

/* ---- dependencies ---------------------------------------------------------------------------- */

static const size_t of[] = {1, 0};
static const double real_scales[] = {1.0 / 3, -0.7}, whole_scales[] = {2, 3};

/* Pair 2 is the sum of pairs 0 and 1, in `field`. */
static void
make_dependent(rig *r, const kofn_field *field, const double *scale)
{
    for (size_t side = 0; side < 2; side++) {
        const kofn_matrix *m = &r->side[side][0];
        for (size_t e = 0; e < m->rows * m->cols; e++) {
            double sum = 0;
            for (size_t i = 0; i < 2; i++) {
                const double number = get_number(r->block[side][of[i]], m->dtype, e);
                sum = field->add(field, sum, field->multiply(field, scale[i], number));
            }
            set_number(r->block[side][2], m->dtype, e, sum);
        }
    }
}

static void
dependent_pairs_stay_at_home(void **state)
{
    static const char *const fields[] = {"f64", "f32", "gf256", "gfp:65537"};
    static const size_t which[] = {0, 1, 3};
    rig r;
    (void)state;
    for (size_t f = 0; f < 4; f++) {
        const kofn_field *field = NULL;
        assert_ok(kofn_field_new(fields[f], &field, &error));
        const double *scale = field->order == 0 ? real_scales : whole_scales;
        const kofn_dependency depends = {.pair = 2, .count = 2, .of = of, .scale = scale};
        begin(&r, 4, field->dtype);
        r.options.field = fields[f];
        r.pairs.dependencies = &depends;
        r.pairs.dependency_count = 1;
        make_dependent(&r, field, scale);
        assert_ok(send_batch(&r));
        for (size_t side = 0; side < 2; side++) {
            const kofn_sums *sums = &r.batch->side[side];
            assert_sent(&r, side, 3, which);
            assert_int_equal(sums->first[3] - sums->first[2], 2);
            for (size_t i = 0; i < 2; i++) {
                assert_int_equal(sums->column[sums->first[2] + i], i);
                assert_true(sums->coef[sums->first[2] + i] == scale[of[i]]);
            }
        }
        assert_pair(&r, 3, 2, 2);
        end(&r);
        kofn_field_destroy(&field);
    }
}

static void
a_dependency_that_does_not_hold_names_its_pair(void **state)
{
    static const char *const fields[] = {"f64", "f32", "gf256", "gfp:65537"};
    rig r;
    (void)state;
    for (size_t f = 0; f < 4; f++)
        for (size_t side = 0; side < 2; side++) {
            const kofn_field *field = NULL;
            assert_ok(kofn_field_new(fields[f], &field, &error));
            const double *scale = field->order == 0 ? real_scales : whole_scales;
            const kofn_dependency depends = {.pair = 2, .count = 2, .of = of, .scale = scale};
            begin(&r, 4, field->dtype);
            r.options.field = fields[f];
            r.pairs.dependencies = &depends;
            r.pairs.dependency_count = 1;
            make_dependent(&r, field, scale);
            const double last = get_number(r.block[side][2], field->dtype, INNER * COLS - 1);
            double terms = 0;
            for (size_t i = 0; i < 2; i++)
                terms += fabs(get_number(r.block[side][of[i]], field->dtype, INNER * COLS - 1));
            set_number(r.block[side][2], field->dtype, INNER * COLS - 1,
                       field->order == 0 ? last + 64 * field->epsilon * terms
                                         : (double)((int)last ^ 1));
            assert_refused(&r, KOFN_INVALID_ARGUMENT, "pair 2 does not depend");
            assert_non_null(strstr(error.text, side == 0 ? "its X" : "its Y"));
            end(&r);
            kofn_field_destroy(&field);
        }
}

static void
dependencies_that_cannot_be_are_refused(void **state)
{
    static const size_t far[] = {0, 9}, self[] = {0, 2}, twice[] = {0, 0};
    static const double zero[] = {1, 0}, infinite[] = {1, INFINITY}, against[] = {1, -1};
    const struct {
        kofn_dependency depends;
        const char *hint;
    } cases[] = {
        {{.pair = 9, .count = 2, .of = of, .scale = real_scales}, "of pair 9"},
        {{.pair = 2, .count = 2, .of = far, .scale = real_scales}, "on pair 9"},
        {{.pair = 2, .count = 2, .of = self, .scale = real_scales}, "on pair 2, which depends"},
        {{.pair = 2, .count = 0, .of = of, .scale = real_scales}, "on no other"},
        {{.pair = 2, .count = 2, .of = of, .scale = zero}, "has 0 times pair 0"},
        {{.pair = 2, .count = 2, .of = of, .scale = infinite}, "has inf times pair 0"},
        {{.pair = 2, .count = 2, .of = twice, .scale = against}, "X of pair 2 is zero"},
    };
    rig r;
    (void)state;
    begin(&r, 4, KOFN_F64);
    for (size_t side = 0; side < 2; side++)
        memset(r.block[side][2], 0, sizeof(double) * INNER * COLS);
    memset(r.block[0][2], 0, sizeof(double) * ROWS * INNER);
    r.pairs.dependency_count = 1;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        r.pairs.dependencies = &cases[i].depends;
        assert_refused(&r, KOFN_INVALID_ARGUMENT, cases[i].hint);
    }
    const kofn_dependency both[] = {{.pair = 2, .count = 2, .of = of, .scale = real_scales},
                                    {.pair = 2, .count = 1, .of = of, .scale = real_scales}};
    r.pairs.dependencies = both;
    r.pairs.dependency_count = 2;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "twice");
    end(&r);
}

/* What a dependent pair is made of travels, though it has no weight itself. */
static void
blocks_that_others_depend_on_travel_without_a_weight(void **state)
{
    static const double weights[] = {0, 0, 1, 1};
    static const size_t which[] = {0, 1, 3};
    const kofn_dependency depends = {.pair = 2, .count = 2, .of = of, .scale = real_scales};
    rig r;
    (void)state;
    begin(&r, 4, KOFN_F64);
    r.pairs.weights = weights;
    r.pairs.dependencies = &depends;
    r.pairs.dependency_count = 1;
    make_dependent(&r, kofn_field_find("f64"), real_scales);
    assert_ok(send_batch(&r));
    assert_sent(&r, 0, 3, which);
    assert_int_equal(r.batch->count, 2);
    end(&r);
}

/* ---- what cannot be -------------------------------------------------------------------------- */

static void
pairs_that_are_not_alike_are_refused_by_number(void **state)
{
    rig r;
    (void)state;
    begin(&r, 4, KOFN_F64);
    const kofn_matrix x = r.side[0][3], y = r.side[1][2];
    r.side[0][3].rows--;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "X of pair 3 is 2 x 4");
    r.side[0][3] = x;
    r.side[0][3].dtype = KOFN_F32;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "X of pair 3 holds f32");
    r.side[0][3] = x;
    r.side[1][2].transposed = true;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "Y of pair 2 is transposed");
    r.side[1][2] = y;
    r.side[1][2].data = NULL;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "Y of pair 2 has no data");
    r.side[1][2] = (kofn_matrix){.operand = "0123456789abcdef"};
    assert_refused(&r, KOFN_UNIMPLEMENTED, "Y of pair 2 is a stored operand");
    r.side[1][2] = y;
    for (size_t i = 0; i < 4; i++)
        r.side[1][i].transposed = true;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "X and Y of each pair");
    for (size_t i = 0; i < 4; i++)
        r.side[1][i].transposed = false;
    r.pairs.count = 0;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "without pairs");
    r.pairs.count = 4097;
    assert_refused(&r, KOFN_OUT_OF_RANGE, "4097 pairs");
    r.pairs.count = 4;
    const kofn_pairs whole = r.pairs;
    r.pairs.x = NULL;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "4 pairs without X");
    r.pairs = whole;
    r.pairs.y = NULL;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "4 pairs without Y");
    r.pairs = whole;
    assert_ok(send_batch(&r));
    end(&r);
}

static void
lists_that_are_not_there_are_missed(void **state)
{
    rig r;
    kofn_dependency depends = {.pair = 2, .count = 2, .of = of, .scale = NULL};
    (void)state;
    begin(&r, 4, KOFN_F64);
    r.pairs.dependency_count = 1;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "1 dependencies, and there is no list of them");
    r.pairs.dependencies = &depends;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "there is no list of factors");
    depends = (kofn_dependency){.pair = 2, .count = 2, .of = NULL, .scale = real_scales};
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "there is no list of these");
    end(&r);
}

static void
what_is_no_number_is_refused_by_pair(void **state)
{
    rig r;
    (void)state;
    begin(&r, 4, KOFN_F64);
    ((double *)r.block[1][2])[5] = INFINITY;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "Y of pair 2 holds NaN or Inf");
    ((double *)r.block[0][3])[0] = ((double *)r.block[0][1])[0] = NAN;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "X of pair 1 holds NaN or Inf");
    const kofn_matrix x = r.side[0][1]; // whichever comes first in memory
    r.side[0][1] = r.side[0][3];
    r.side[0][3] = x;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "X of pair 1 holds NaN or Inf");
    end(&r);
    begin(&r, 3, KOFN_U32);
    r.options.field = "gfp:101";
    assert_ok(send_batch(&r));
    ((uint32_t *)r.block[0][1])[ROWS * INNER - 1] = 101;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "X of pair 1 holds what is no number");
    r.options.field = NULL;
    assert_refused(&r, KOFN_INVALID_ARGUMENT, "gfp");
    end(&r);
    begin(&r, 3, KOFN_F64);
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < 3; i++)
            r.side[side][i].dtype = KOFN_I64;
    assert_refused(&r, KOFN_UNIMPLEMENTED, "i64");
    end(&r);
}

static void
the_code_is_checked_with_the_pairs(void **state)
{
    rig r;
    kofn_code_choice code = {0};
    (void)state;
    begin(&r, 3, KOFN_F64);
    assert_ok(kofn_pairs_check(&r.pairs, NULL, NULL, &error));
    assert_ok(kofn_code_choice_set(&code, "family", "lagrange", &error));
    assert_ok(kofn_code_choice_set(&code, "tasks", "5", &error));
    assert_ok(kofn_pairs_check(&r.pairs, &code, "f64", &error));
    assert_ok(kofn_code_choice_set(&code, "tasks", "4", &error)); // of 3 pairs it takes 5 answers
    assert_fails(kofn_pairs_check(&r.pairs, &code, "f64", &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_pairs_check(&r.pairs, NULL, "gf256", &error), KOFN_INVALID_ARGUMENT);
    assert_int_equal(r.fake.call_count, 0);
    end(&r);
}

/* Before anything is sent, and with what to do. */
static void
pairs_beyond_what_a_job_can_have_are_refused(void **state)
{
    enum { COUNT = 1100 };
    (void)state;
    double *number = calloc(COUNT, sizeof *number);
    kofn_matrix *x = calloc(COUNT, sizeof *x);
    for (size_t i = 0; i < COUNT; i++) {
        number[i] = 1 + (double)i;
        x[i] = (kofn_matrix){.data = &number[i], .dtype = KOFN_F64, .rows = 1, .cols = 1};
    }
    kofn_pairs pairs = {.count = COUNT, .x = x, .y = x};
    assert_fails(kofn_pairs_check(&pairs, NULL, NULL, &error), KOFN_OUT_OF_RANGE);
    if (!strstr(error.text, "1100 pairs of 1100 and 1100 blocks") ||
        !strstr(error.text, "however many workers there are; send fewer pairs"))
        fail_msg("%s", error.text);
    kofn_code_choice code = {0};
    assert_ok(kofn_code_choice_set(&code, "family", "lagrange", &error));
    assert_ok(kofn_code_choice_set(&code, "tasks", "40000", &error));
    pairs.count = 900;
    assert_fails(kofn_pairs_check(&pairs, &code, NULL, &error), KOFN_OUT_OF_RANGE);
    assert_non_null(strstr(error.text, "lagrange: 900 pairs take 40000 tasks"));
    assert_ok(kofn_code_choice_set(&code, "tasks", "1800", &error));
    assert_ok(kofn_pairs_check(&pairs, &code, NULL, &error));
    free(number);
    free(x);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void
refuse_once(fake_master *fake, fake_call *call)
{
    if (fake->call_count == 1)
        fake_refuse(fake, call, KOFN_UNAVAILABLE, "in a moment", 1);
    else
        answer_zeros(fake, call);
}

/* The lists of pairs may go once a call is open; the elements are sent as often as it takes. */
static void
a_call_that_is_put_off_sends_the_blocks_again(void **state)
{
    rig r;
    kofn_call *call = NULL;
    kofn_result *result = NULL;
    (void)state;
    begin_with(&r, 4, KOFN_F64, 128, 64, 3);
    r.fake.handle = refuse_once;
    kofn_matrix sides[2][4];
    memcpy(sides[0], r.side[0], sizeof sides[0]);
    memcpy(sides[1], r.side[1], sizeof sides[1]);
    const kofn_pairs pairs = {.count = 4, .x = sides[0], .y = sides[1]};
    assert_ok(kofn_client_start_batch(r.client, &pairs, NULL, &call, &error));
    memset(sides, 0, sizeof sides);
    assert_ok(kofn_call_finish(&call, &result, &error));
    assert_int_equal(r.fake.call_count, 2);
    assert_sent(&r, 0, 4, in_order);
    assert_sent(&r, 1, 4, in_order);
    assert_int_equal(kofn_result_get_rows(result), 4 * 128);
    kofn_result_destroy(&result);
    end(&r);
}

#define T(name) cmocka_unit_test(name)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(blocks_are_stacked_in_order),
        T(large_blocks_are_frames_of_their_own),
        T(transposed_blocks_are_stacked_as_they_are_stored),
        T(blocks_within_larger_matrices_are_sent_alone),
        T(blocks_of_unlike_size_are_brought_to_one),
        T(a_block_of_zeros_is_of_any_size),
        T(sums_and_finite_fields_travel_as_they_are),
        T(sizes_that_no_weight_says_are_refused),
        T(equal_blocks_travel_once_wherever_they_lie),
        T(an_element_makes_a_block_another),
        T(blocks_of_one_memory_and_unlike_strides_are_two),
        T(equal_blocks_of_unlike_strides_travel_once),
        T(a_sum_has_one_row_of_weights),
        T(pairs_without_a_weight_stay_at_home),
        T(dependent_pairs_stay_at_home),
        T(a_dependency_that_does_not_hold_names_its_pair),
        T(dependencies_that_cannot_be_are_refused),
        T(blocks_that_others_depend_on_travel_without_a_weight),
        T(pairs_that_are_not_alike_are_refused_by_number),
        T(lists_that_are_not_there_are_missed),
        T(what_is_no_number_is_refused_by_pair),
        T(the_code_is_checked_with_the_pairs),
        T(pairs_beyond_what_a_job_can_have_are_refused),
        T(a_call_that_is_put_off_sends_the_blocks_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
