/* Batches on matrices: shapes, and encode and decode beside OpenBLAS pair by pair. */
#include "common/code/batch.h"
#include "tests/unit/code_brute.h"

#include <cblas.h>

enum { TASKS_MAX = 40 };

/* ---- shapes ---------------------------------------------------------------------------------- */

/* Pairs of single blocks over grids, each in one block of C. */
typedef struct drawn_batch {
    kofn_grid grid[2], out;
    size_t count, left[8], right[8], target[8];
} drawn_batch;

static kofn_batch *
make_weighted(const drawn_batch *d, const double *weights)
{
    kofn_error error;
    kofn_batch from = {.grid = {d->grid[0], d->grid[1]}, .out = d->out, .count = d->count}, *batch;
    const size_t targets = d->out.rows * d->out.cols;
    for (size_t side = 0; side < 2; side++) {
        kofn_sums *sums = &from.side[side];
        assert_true(
            kofn_sums_alloc(d->count, d->grid[side].rows * d->grid[side].cols, d->count, sums));
        for (size_t i = 0; i < d->count; i++) {
            sums->first[i + 1] = i + 1;
            sums->column[i] = side ? d->right[i] : d->left[i];
            sums->coef[i] = 1;
        }
    }
    assert_true(kofn_sums_alloc(targets, d->count, d->count, &from.weights));
    for (size_t t = 0, at = 0; t < targets; t++) {
        for (size_t i = 0; i < d->count; i++)
            if (d->target[i] == t) {
                from.weights.column[at] = i;
                from.weights.coef[at++] = weights ? weights[i] : 1;
            }
        from.weights.first[t + 1] = at;
    }
    assert_ok(kofn_batch_new(&from, kofn_field_find("f64"), &batch, &error));
    free(from.side[0].first);
    free(from.side[1].first);
    free(from.weights.first);
    return batch;
}

static kofn_batch *
make_batch(const drawn_batch *d)
{
    return make_weighted(d, NULL);
}

static const drawn_batch stacked = {{{3, 1}, {3, 1}}, {3, 1}, 3, {0, 1, 2}, {0, 1, 2}, {0, 1, 2}};
static const drawn_batch summed = {{{3, 1}, {3, 1}}, {1, 1}, 3, {0, 1, 2}, {0, 1, 2}, {0, 0, 0}};
/* A sketch of a product in 2 x 3 and 3 x 2 blocks: of each block of C one or two products. */
static const drawn_batch sketch = {
    {{2, 3}, {3, 2}}, {2, 2}, 6, {0, 2, 1, 3, 4, 5}, {0, 4, 3, 0, 3, 5}, {0, 0, 1, 2, 3, 3}};
/* The same blocks, but block 0 of C takes one from the second row of A. */
static const drawn_batch crossed = {{{2, 3}, {3, 2}}, {2, 2}, 2, {0, 3}, {0, 0}, {0, 0}};

static void
check_shape(const drawn_batch *d, size_t rows_a, size_t cols_a, size_t rows_b, size_t cols_b,
            size_t rows, size_t inner, size_t cols)
{
    kofn_error error;
    kofn_batch *batch = make_batch(d);
    const kofn_extents operands = {.count = 2, .rows = {rows_a, rows_b}, .cols = {cols_a, cols_b}};
    kofn_shape shape = {0};
    if (rows == SIZE_MAX) {
        assert_fails(kofn_batch_get_shape(batch, &operands, &shape, &error), KOFN_INVALID_ARGUMENT);
    } else {
        assert_ok(kofn_batch_get_shape(batch, &operands, &shape, &error));
        assert_int_equal(shape.rows, rows);
        assert_int_equal(shape.inner, inner);
        assert_int_equal(shape.cols, cols);
    }
    kofn_batch_destroy(&batch);
}

static void
shapes_follow_from_grids(void **state)
{
    (void)state;
    check_shape(&stacked, 6, 4, 12, 5, 6, 4, 5);
    check_shape(&summed, 6, 4, 12, 5, 2, 12, 5);
    check_shape(&sketch, 4, 6, 6, 8, 4, 4, 8);
    check_shape(&stacked, 0, 4, 12, 5, 0, 4, 5);
    check_shape(&stacked, 6, 0, 0, 5, 6, 0, 5);
}

static void
blocks_are_cut_short_where_nothing_is_lost(void **state)
{
    (void)state;
    check_shape(&sketch, 3, 5, 5, 7, 3, 4, 7);
    check_shape(&sketch, 3, 6, 6, 8, 3, 4, 8);
}

static void
pairs_of_unequal_shape_are_refused(void **state)
{
    (void)state;
    check_shape(&stacked, 7, 4, 12, 5, SIZE_MAX, 0, 0); // 7 rows for three matrices
    check_shape(&stacked, 6, 4, 11, 5, SIZE_MAX, 0, 0);
    check_shape(&stacked, 6, 4, 15, 5, SIZE_MAX, 0, 0); // 4 columns meet 5 rows
    check_shape(&summed, 5, 4, 12, 5, SIZE_MAX, 0, 0);
    check_shape(&sketch, 4, 6, 5, 8, SIZE_MAX, 0, 0);
    check_shape(&crossed, 4, 6, 6, 8, 4, 4, 8);
    check_shape(&crossed, 3, 6, 6, 8, SIZE_MAX, 0, 0); // the last row of block 1 0 would be lost
    /* Block 0 2 of A, cut short, meets block 0 0 of B, which is not. */
    const drawn_batch uneven = {{{2, 3}, {3, 2}}, {2, 2}, 1, {2}, {0}, {0}};
    check_shape(&uneven, 4, 6, 6, 8, 4, 2, 8);
    check_shape(&uneven, 4, 5, 5, 8, SIZE_MAX, 0, 0);
}

static void
shapes_that_overflow_are_refused(void **state)
{
    (void)state;
    kofn_error error;
    kofn_shape shape;
    kofn_batch *batch;
    kofn_extents operands = {.count = 2, .rows = {SIZE_MAX / 2, 1}, .cols = {1, 1}};
    const drawn_batch wide = {{{1, 1}, {1, 1}}, {4, 1}, 2, {0, 0}, {0, 0}, {0, 3}};
    batch = make_batch(&wide);
    assert_fails(kofn_batch_get_shape(batch, &operands, &shape, &error), KOFN_OUT_OF_RANGE);
    operands.count = 3;
    assert_fails(kofn_batch_get_shape(batch, &operands, &shape, &error), KOFN_INVALID_ARGUMENT);
    kofn_batch_destroy(&batch);
    const double weights[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    const size_t left[] = {0, 1, 2, 3, 0, 1, 2, 3, 0}, right[] = {0, 1, 2, 3, 1, 2, 3, 0, 2};
    assert_ok(kofn_batch_new_stacked(4, 4, 9, left, right, weights, kofn_field_find("f64"), &batch,
                                     &error));
    operands =
        (kofn_extents){.count = 2, .rows = {4, SIZE_MAX / 2 + 1}, .cols = {SIZE_MAX / 8 + 1, 1}};
    assert_fails(kofn_batch_get_shape(batch, &operands, &shape, &error), KOFN_OUT_OF_RANGE);
    kofn_batch_destroy(&batch);
}

/* ---- encode and decode ----------------------------------------------------------------------- */

typedef struct job {
    const kofn_batch *batch;
    kofn_code *code;
    kofn_coding coding;
    kofn_bands operand[2], blocks[2][TASKS_MAX], answers[TASKS_MAX], c, exact;
} job;

static void
multiply_panels(const kofn_bands *a, bool ta, const kofn_bands *b, bool tb, double alpha,
                kofn_bands *c)
{
    const kofn_mat *x = only_mat(a), *y = only_mat(b), *z = only_mat(c);
    const size_t inner = ta ? a->rows : a->cols;
    if (inner == 0 || c->rows == 0 || c->cols == 0)
        return;
    cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans,
                (int)c->rows, (int)c->cols, (int)inner, alpha, x->data, (int)x->stride, y->data,
                (int)y->stride, 1, z->data, (int)z->stride);
}

/* Side `side` of the pair as a matrix of a whole block's shape, zeros where blocks are cut
 * short. */
static kofn_bands
new_side(const job *j, size_t side, size_t pair)
{
    const kofn_sums *sums = &j->batch->side[side];
    const size_t rows = side ? j->coding.part.inner : j->coding.part.rows,
                 cols = side ? j->coding.part.cols : j->coding.part.inner;
    const kofn_grid grid = j->batch->grid[side];
    const bool turned = j->coding.transposed[side];
    kofn_bands sum = new_matrix(KOFN_F64, rows, cols);
    for (size_t i = sums->first[pair]; i < sums->first[pair + 1]; i++)
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++) {
                const size_t row = sums->column[i] / grid.cols * rows + r,
                             col = sums->column[i] % grid.cols * cols + c;
                if (row >= j->coding.rows[side] || col >= j->coding.cols[side])
                    continue;
                const double at = element_get(only_mat(&j->operand[side]), turned ? col : row,
                                              turned ? row : col);
                element_set(only_mat(&sum), r, c,
                            element_get(only_mat(&sum), r, c) + sums->coef[i] * at);
            }
    return sum;
}

/* C by OpenBLAS, pair by pair. */
static void
multiply_pairs(job *j)
{
    const kofn_sums *w = &j->batch->weights;
    const size_t rows = j->coding.part.rows, cols = j->coding.part.cols;
    j->exact = new_matrix(KOFN_F64, j->coding.shape.rows, j->coding.shape.cols);
    for (size_t t = 0; t < w->rows; t++) {
        kofn_bands block = new_matrix(KOFN_F64, rows, cols);
        for (size_t i = w->first[t]; i < w->first[t + 1]; i++) {
            kofn_bands x = new_side(j, 0, w->column[i]), y = new_side(j, 1, w->column[i]);
            multiply_panels(&x, false, &y, false, w->coef[i], &block);
            free_matrix(&x);
            free_matrix(&y);
        }
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++) {
                const size_t row = t / j->batch->out.cols * rows + r,
                             col = t % j->batch->out.cols * cols + c;
                const double at = element_get(only_mat(&block), r, c);
                if (row < j->exact.rows && col < j->exact.cols)
                    element_set(only_mat(&j->exact), row, col, at);
                else
                    assert_true(at == 0); // nothing is lost
            }
        free_matrix(&block);
    }
}

/* Codes of the matdot kind make one block of C. */
static bool
takes(const kofn_family *family, const kofn_batch *batch)
{
    return family->batches && (batch->weights.rows == 1 || !strstr(family->name, "matdot"));
}

static void
start_job(job *j, const char *family, const kofn_batch *batch, const kofn_extents *operands,
          const bool *transposed, kofn_rng *rng)
{
    kofn_error error;
    kofn_shape shape;
    kofn_code_spec spec = {0};
    const kofn_code_context context = {.field = kofn_field_find("f64"), .workers = 12};
    *j = (job){.batch = batch};
    assert_ok(kofn_code_spec_set(&spec, "family", family, &error));
    assert_ok(kofn_code_spec_set_batch(&spec, batch, &error));
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    assert_ok(kofn_code_spec_build(&spec, context.field, &j->code, &error));
    assert_true(j->code->tasks <= TASKS_MAX);
    assert_ok(kofn_batch_get_shape(batch, operands, &shape, &error));
    kofn_coding_init_batch(&j->coding, j->code, shape, operands, transposed);
    for (size_t o = 0; o < 2; o++) {
        j->operand[o] = transposed[o] ? new_matrix(KOFN_F64, operands->cols[o], operands->rows[o])
                                      : new_matrix(KOFN_F64, operands->rows[o], operands->cols[o]);
        fill_normal(&j->operand[o], rng);
    }
    multiply_pairs(j);
}

static void
work(job *j)
{
    kofn_error error;
    for (size_t i = 0; i < j->code->tasks; i++) {
        for (size_t o = 0; o < 2; o++) {
            size_t rows, cols;
            kofn_coding_block_shape(&j->coding, o, &rows, &cols);
            j->blocks[o][i] = new_matrix(KOFN_F64, rows, cols);
            assert_ok(
                kofn_coding_encode(&j->coding, o, &j->operand[o], 1, &i, &j->blocks[o][i], &error));
        }
        j->answers[i] = new_matrix(KOFN_F64, j->coding.part.rows, j->coding.part.cols);
        multiply_panels(&j->blocks[0][i], j->coding.transposed[0], &j->blocks[1][i],
                        j->coding.transposed[1], 1, &j->answers[i]);
    }
}

/* What its product is to be multiplied by: errors are those before it. */
static double
scale_at(const job *j, size_t row, size_t col)
{
    const size_t t = row / j->coding.part.rows * j->code->out.cols + col / j->coding.part.cols;
    return j->code->scale ? j->code->scale[t] : 1;
}

/* From `count` tasks drawn at random, piece by piece. *ret_bound: what the plan says of the error,
 * and what the reference is off by itself. */
static double
decode(job *j, size_t count, kofn_rng *rng, double *ret_bound)
{
    kofn_error error;
    kofn_decoder *d;
    kofn_decode_plan plan;
    const kofn_bands *answers[TASKS_MAX];
    size_t tasks[TASKS_MAX];
    for (size_t i = 0; i < j->code->tasks; i++)
        tasks[i] = i;
    shuffle(rng, tasks, j->code->tasks);
    assert_ok(kofn_decoder_new(j->code, INFINITY, &d, &error));
    for (size_t i = 0; i < count; i++)
        assert_ok(kofn_decoder_add(d, tasks[i], &error));
    assert_ok(kofn_decoder_plan(d, kofn_coding_get_noise(&j->coding), &plan, &error));
    for (size_t u = 0; u < plan.used; u++)
        answers[u] = &j->answers[plan.task[u]];
    j->c = new_matrix(KOFN_F64, j->coding.shape.rows, j->coding.shape.cols);
    for (size_t row = 0; row < j->coding.part.rows; row++)
        assert_ok(kofn_coding_decode(&j->coding, &plan, answers,
                                     (kofn_range){.first = row, .end = row + 1}, &j->c, &error));
    double squares = 0;
    for (size_t r = 0; r < j->c.rows; r++)
        for (size_t c = 0; c < j->c.cols; c++)
            squares +=
                pow((element_get(only_mat(&j->c), r, c) - element_get(only_mat(&j->exact), r, c)) /
                        scale_at(j, r, c),
                    2);
    /* Each sum of the reference has shape.inner products and as many terms again; weights and sums
     * of blocks are at most 4 here. */
    *ret_bound = (plan.rounding + 4 * 4 * (double)(j->coding.shape.inner + 8) * 0x1p-53) *
                 norm_of(&j->operand[0]) * norm_of(&j->operand[1]);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    free_matrix(&j->c);
    return sqrt(squares);
}

static void
end_job(job *j)
{
    for (size_t i = 0; i < j->code->tasks; i++) {
        free_matrix(&j->blocks[0][i]);
        free_matrix(&j->blocks[1][i]);
        free_matrix(&j->answers[i]);
    }
    free_matrix(&j->operand[0]);
    free_matrix(&j->operand[1]);
    free_matrix(&j->exact);
    kofn_code_destroy(&j->code);
}

/* Every family, operands stored either way, from all answers and from just enough. */
static void
check_products(const kofn_batch *batch, const kofn_extents *operands, kofn_rng *rng)
{
    for (size_t f = 0; f < kofn_family_count(); f++)
        for (int turned = 0; turned < 4 && takes(kofn_family_at(f), batch); turned++) {
            job j;
            start_job(&j, kofn_family_at(f)->name, batch, operands,
                      (bool[]){(turned & 1) != 0, (turned & 2) != 0}, rng);
            work(&j);
            for (size_t count = j.code->threshold; count <= j.code->tasks; count++) {
                double bound;
                const double residual = decode(&j, count, rng, &bound);
                assert_at_most(residual, bound);
            }
            end_job(&j);
        }
}

static void
drawn_batches_are_what_openblas_says(void **state)
{
    (void)state;
    const struct {
        const drawn_batch *batch;
        kofn_extents operands;
    } cases[] = {
        {&stacked, {.count = 2, .rows = {6, 12}, .cols = {4, 5}}},
        {&stacked, {.count = 2, .rows = {3, 3}, .cols = {1, 1}}},
        {&summed, {.count = 2, .rows = {6, 12}, .cols = {4, 5}}},
        {&sketch, {.count = 2, .rows = {4, 6}, .cols = {6, 8}}},
        {&sketch, {.count = 2, .rows = {3, 5}, .cols = {5, 7}}}, // blocks are cut short
        {&crossed, {.count = 2, .rows = {4, 6}, .cols = {6, 8}}},
        {&stacked, {.count = 2, .rows = {0, 12}, .cols = {4, 5}}}, // nothing
        {&stacked, {.count = 2, .rows = {6, 0}, .cols = {0, 5}}},  // zeros
    };
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(7), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_batch *batch = make_batch(cases[i].batch);
        check_products(batch, &cases[i].operands, &rng);
        kofn_batch_destroy(&batch);
    }
}

/* As of blocks that a client brought to one size: each product is as exact as the largest. */
static void
products_keep_their_digits_however_small_they_are(void **state)
{
    static const double weights[] = {0x1p-40, 1, 0x1p-250};
    const kofn_extents operands = {.count = 2, .rows = {6, 12}, .cols = {4, 5}};
    kofn_batch *batch = make_weighted(&stacked, weights);
    kofn_rng rng;
    (void)state;
    kofn_rng_init(&rng, test_seed(9), 0);
    check_products(batch, &operands, &rng);
    kofn_batch_destroy(&batch);
}

/* The three products of the 3M method on [Re; Im] stacked. */
static void
complex_products_of_three_are_what_openblas_says(void **state)
{
    (void)state;
    kofn_error error;
    size_t first[] = {0, 1, 2, 4}, column[] = {0, 1, 0, 1}, ends[] = {0, 2, 5},
           pairs[] = {0, 1, 0, 1, 2};
    double ones[] = {1, 1, 1, 1}, weights[] = {1, -1, -1, -1, 1};
    const kofn_sums side = {.rows = 3, .cols = 2, .first = first, .column = column, .coef = ones};
    const kofn_batch from = {
        .grid = {{2, 1}, {2, 1}},
        .out = {2, 1},
        .count = 3,
        .side = {side, side},
        .weights = {.rows = 2, .cols = 3, .first = ends, .column = pairs, .coef = weights}};
    kofn_batch *batch;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(8), 0);
    assert_ok(kofn_batch_new(&from, kofn_field_find("f64"), &batch, &error));
    const kofn_extents operands = {.count = 2, .rows = {10, 8}, .cols = {4, 3}};
    check_products(batch, &operands, &rng);
    kofn_batch_destroy(&batch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_follow_from_grids),
        cmocka_unit_test(blocks_are_cut_short_where_nothing_is_lost),
        cmocka_unit_test(pairs_of_unequal_shape_are_refused),
        cmocka_unit_test(shapes_that_overflow_are_refused),
        cmocka_unit_test(drawn_batches_are_what_openblas_says),
        cmocka_unit_test(products_keep_their_digits_however_small_they_are),
        cmocka_unit_test(complex_products_of_three_are_what_openblas_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
