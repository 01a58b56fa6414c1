/* Sparse products: masks and batches beside brute force, and all of it through codes. */
#include "common/code/nonzero.h"
#include "tests/unit/code_brute.h"

static kofn_error error;

enum { BLOCKS_MAX = 64, TASKS_MAX = 128 };

/* The CSR of a dense matrix. */
static kofn_csr
compress(const kofn_bands *dense)
{
    kofn_csr csr;
    size_t count = 0;
    assert_ok(kofn_csr_new(dense->dtype, dense->rows, dense->cols, dense->rows * dense->cols, &csr,
                           &error));
    for (size_t r = 0; r < dense->rows; r++) {
        for (size_t c = 0; c < dense->cols; c++)
            if (element_get(only_mat(dense), r, c) != 0) {
                element_set(&csr.value, count, 0, element_get(only_mat(dense), r, c));
                ((int32_t *)csr.column.data)[count++] = (int32_t)c;
            }
        ((int64_t *)csr.first.data)[r + 1] = (int64_t)count;
    }
    csr.column.rows = csr.value.rows = count;
    return csr;
}

/* op(A) of the extents, drawn and then emptied outside of a third of the blocks of this grid. */
static kofn_bands
new_patchy(const kofn_field *f, size_t rows, size_t cols, bool transposed, kofn_grid grid,
           kofn_rng *rng)
{
    kofn_bands m = transposed ? new_matrix(f->dtype, cols, rows) : new_matrix(f->dtype, rows, cols);
    const size_t high = kofn_part_size(rows, grid.rows), wide = kofn_part_size(cols, grid.cols);
    bool full[BLOCKS_MAX];
    for (size_t b = 0; b < grid.rows * grid.cols; b++)
        full[b] = kofn_rng_below(rng, 3) == 0;
    fill_drawn(f, &m, rng);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            if (!full[r / high * grid.cols + c / wide] || kofn_rng_below(rng, 2) == 0)
                element_set(only_mat(&m), transposed ? c : r, transposed ? r : c, 0);
    return m;
}

static bool
brute_is_full(const kofn_bands *m, bool transposed, kofn_grid grid, size_t block)
{
    const size_t rows = transposed ? m->cols : m->rows, cols = transposed ? m->rows : m->cols;
    const size_t high = kofn_part_size(rows, grid.rows), wide = kofn_part_size(cols, grid.cols);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            if (r / high * grid.cols + c / wide == block &&
                element_get(only_mat(m), transposed ? c : r, transposed ? r : c) != 0)
                return true;
    return false;
}

static void
masks_name_the_blocks_that_hold_an_element(void **state)
{
    (void)state;
    static const kofn_grid grids[] = {{1, 1}, {2, 3}, {8, 8}, {5, 1}};
    static const size_t shapes[][2] = {{8, 16}, {7, 5}, {3, 9}, {1, 1}, {0, 3}, {3, 0}};
    static const char *const fields[] = {"f64", "f32", "gf256", "gfp:65537"};
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(7), 0);
    for (size_t n = 0; n < 4 * 6 * 4 * 2; n++) {
        const kofn_grid grid = grids[n / 2 % 4];
        const size_t *shape = shapes[n / 8 % 6];
        const bool transposed = n % 2;
        const kofn_field *f = new_field(fields[n / 48]);
        kofn_bands m = new_patchy(f, shape[0], shape[1], transposed, grid, &rng);
        kofn_csr csr = compress(&m);
        bool dense[BLOCKS_MAX], sparse[BLOCKS_MAX];
        const kofn_nonzero_operand as_dense = {.dense = &m, .transposed = transposed};
        const kofn_nonzero_operand as_csr = {.csr = &csr, .transposed = transposed};
        assert_ok(kofn_nonzero_mark(&as_dense, grid, dense, &error));
        assert_ok(kofn_nonzero_mark(&as_csr, grid, sparse, &error));
        for (size_t b = 0; b < grid.rows * grid.cols; b++) {
            assert_int_equal(dense[b], brute_is_full(&m, transposed, grid, b));
            assert_int_equal(sparse[b], dense[b]);
        }
        kofn_csr_fini(&csr);
        free_matrix(&m);
        kofn_field_destroy(&f);
    }
}

static void
a_batch_has_the_products_that_are_left_and_no_other(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(8), 0);
    for (size_t n = 0; n < 300; n++) {
        const kofn_partition p = {.x = 1 + kofn_rng_below(&rng, 5),
                                  .z = 1 + kofn_rng_below(&rng, 5),
                                  .y = 1 + kofn_rng_below(&rng, 5)};
        bool left[BLOCKS_MAX], right[BLOCKS_MAX];
        for (size_t b = 0; b < BLOCKS_MAX; b++) {
            left[b] = kofn_rng_below(&rng, 4) == 0;
            right[b] = kofn_rng_below(&rng, 3) == 0;
        }
        kofn_batch *batch = NULL;
        size_t count = 0;
        assert_ok(kofn_nonzero_new_batch(p, left, right, kofn_field_find("f64"), &batch, &error));
        for (size_t i = 0; i < p.x; i++)
            for (size_t j = 0; j < p.y; j++)
                for (size_t k = 0, of_block = 0; k < p.z; k++) {
                    if (!left[i * p.z + k] || !right[k * p.y + j])
                        continue;
                    count++;
                    assert_non_null(batch);
                    const kofn_sums *w = &batch->weights;
                    const size_t at = w->first[i * p.y + j] + of_block++;
                    assert_true(at < w->first[i * p.y + j + 1]);
                    assert_true(w->coef[at] == 1);
                    assert_int_equal(kofn_batch_get_block(batch, 0, w->column[at]), i * p.z + k);
                    assert_int_equal(kofn_batch_get_block(batch, 1, w->column[at]), k * p.y + j);
                }
        assert_int_equal(batch ? batch->count : 0, count);
        assert_int_equal(kofn_nonzero_count(p, left, right), count);
        assert_int_equal(batch ? batch->weights.first[p.x * p.y] : 0, count);
        kofn_batch_destroy(&batch);
    }
}

static void
more_pairs_than_a_batch_has_are_refused(void **state)
{
    (void)state;
    const kofn_partition p = {.x = 65, .z = 1, .y = 65};
    bool left[65], right[65];
    kofn_batch *batch;
    memset(left, true, sizeof left);
    memset(right, true, sizeof right);
    assert_fails(kofn_nonzero_new_batch(p, left, right, kofn_field_find("f64"), &batch, &error),
                 KOFN_OUT_OF_RANGE);
    assert_non_null(strstr(error.text, "4225 block products"));
    left[0] = left[1] = false; // 63 x 65 fit
    assert_ok(kofn_nonzero_new_batch(p, left, right, kofn_field_find("f64"), &batch, &error));
    assert_int_equal(batch->count, 63 * 65);
    kofn_batch_destroy(&batch);
}

/* A block-diagonal A: 8 blocks of 40 x 40. */
static void
the_partition_follows_the_pattern(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("f64");
    kofn_bands a = new_matrix(KOFN_F64, 320, 320), b = new_matrix(KOFN_F64, 320, 40);
    for (size_t i = 0; i < 320; i++)
        element_set(only_mat(&a), i, i / 40 * 40 + i % 7, 1);
    element_set(only_mat(&b), 0, 0, 1);
    element_set(only_mat(&b), 319, 39, 1);
    kofn_csr csr = compress(&a);
    const kofn_nonzero_operand operands[] = {{.csr = &csr}, {.dense = &b}};
    const kofn_shape shape = {320, 320, 40};
    kofn_nonzero_choice c;
    assert_ok(kofn_nonzero_choose(operands, &shape, (kofn_partition){8, 8, 1}, 4, f, &c, &error));
    assert_int_equal(c.left, 2); // the other six meet zeros in B
    assert_int_equal(c.batch->count, 2);
    kofn_batch_destroy(&c.batch);

    /* What is asked for stays; the rest is as good as any other choice, by work alone. */
    assert_ok(kofn_nonzero_choose(operands, &shape, (kofn_partition){0, 4, 0}, 4, f, &c, &error));
    assert_int_equal(c.part.z, 4);
    assert_int_equal(c.batch->count, c.left);
    kofn_batch_destroy(&c.batch);

    /* A product whose blocks never meet. */
    element_set(only_mat(&b), 319, 39, 0);
    element_set(only_mat(&b), 0, 0, 0);
    assert_ok(kofn_nonzero_choose(operands, &shape, (kofn_partition){0}, 4, f, &c, &error));
    assert_null(c.batch);
    assert_int_equal(c.left, 0);
    assert_fails(
        kofn_nonzero_choose(operands, &shape, (kofn_partition){300, 300, 0}, 4, f, &c, &error),
        KOFN_OUT_OF_RANGE);
    kofn_csr_fini(&csr);
    free_matrix(&a);
    free_matrix(&b);
}

/* Sizes that cuts do not divide, so that no cut is a finer one of another. What the choice says is
 * what its own masks say. */
static void
a_choice_has_the_blocks_that_its_partition_leaves(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("gf256");
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(11), 0);
    for (size_t n = 0; n < 60; n++) {
        const kofn_extents e = {.count = 2,
                                .rows = {1 + kofn_rng_below(&rng, 70), 1 + n},
                                .cols = {1 + n, 1 + kofn_rng_below(&rng, 50)}};
        const kofn_partition asked = {
            .x = n % 4 == 1 ? 7 : 0, .z = n % 4 == 3 ? 6 : 0, .y = n % 4 == 2 ? 5 : 0};
        const kofn_shape shape = {e.rows[0], e.cols[0], e.cols[1]};
        kofn_bands m[2];
        kofn_nonzero_operand operands[2];
        kofn_nonzero_choice c;
        for (size_t o = 0; o < 2; o++) {
            const bool turned = (n >> o) % 2;
            m[o] = new_patchy(f, e.rows[o], e.cols[o], turned, (kofn_grid){8, 8}, &rng);
            operands[o] = (kofn_nonzero_operand){.dense = &m[o], .transposed = turned};
        }
        kofn_csr csr = compress(&m[0]);
        operands[0].csr = n % 3 ? &csr : NULL;
        assert_ok(kofn_nonzero_choose(operands, &shape, asked, 1 + n % 9, f, &c, &error));
        size_t left = 0;
        const kofn_partition p = c.part;
        for (size_t i = 0; i < p.x * p.z; i++)
            for (size_t j = 0; j < p.y; j++)
                left += brute_is_full(&m[0], operands[0].transposed, (kofn_grid){p.x, p.z}, i) &&
                        brute_is_full(&m[1], operands[1].transposed, (kofn_grid){p.z, p.y},
                                      i % p.z * p.y + j);
        assert_int_equal(c.left, left);
        assert_int_equal(c.batch ? c.batch->count : 0, left);
        assert_true((asked.x == 0 || p.x == asked.x) && (asked.y == 0 || p.y == asked.y));
        kofn_batch_destroy(&c.batch);
        kofn_csr_fini(&csr);
        free_matrix(&m[0]);
        free_matrix(&m[1]);
    }
}

static void
work_that_is_large_goes_to_all_workers(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("gf256");
    kofn_bands a = new_matrix(KOFN_U8, 4096, 16), b = new_matrix(KOFN_U8, 16, 4096);
    for (size_t i = 0; i < 4096; i++) {
        element_set(only_mat(&a), i, i / 256, 1);
        element_set(only_mat(&b), i / 256, i, 1);
    }
    kofn_csr csr = compress(&a);
    const kofn_nonzero_operand operands[] = {{.csr = &csr}, {.dense = &b}};
    const kofn_shape shape = {4096, 16, 4096};
    kofn_nonzero_choice c;
    assert_ok(kofn_nonzero_choose(operands, &shape, (kofn_partition){0}, 8, f, &c, &error));
    assert_true(c.part.x * c.part.z * c.part.y > c.left); // some are zero, and left out
    assert_true(c.left >= 6); // of eight workers that have one each, one is spare
    kofn_batch_destroy(&c.batch);
    kofn_csr_fini(&csr);
    free_matrix(&a);
    free_matrix(&b);
}

/* ---- through codes --------------------------------------------------------------------------- */

typedef struct job {
    kofn_batch *batch;
    kofn_code *code;
    kofn_coding coding;
    bool transposed[2];
    kofn_bands operand[2];
    kofn_csr csr[2];
} job;

static bool
start_job(job *j, const char *family, const char *field, kofn_partition p, int turned,
          kofn_rng *rng)
{
    const kofn_field *f = new_field(field);
    const kofn_extents operands = {.count = 2, .rows = {11, 13}, .cols = {13, 9}};
    const kofn_grid grid[2] = {{p.x, p.z}, {p.z, p.y}};
    bool mask[2][BLOCKS_MAX];
    *j = (job){.transposed = {(turned & 1) != 0, (turned & 2) != 0}};
    for (size_t o = 0; o < 2; o++) {
        j->operand[o] =
            new_patchy(f, operands.rows[o], operands.cols[o], j->transposed[o], grid[o], rng);
        j->csr[o] = compress(&j->operand[o]);
        const kofn_nonzero_operand operand = {.csr = &j->csr[o], .transposed = j->transposed[o]};
        assert_ok(kofn_nonzero_mark(&operand, grid[o], mask[o], &error));
    }
    assert_ok(kofn_nonzero_new_batch(p, mask[0], mask[1], f, &j->batch, &error));
    const bool there = j->batch != NULL;
    if (there) {
        kofn_shape shape;
        kofn_code_spec spec = {0};
        const kofn_code_context context = {.field = f, .workers = 4};
        assert_ok(kofn_code_spec_set(&spec, "family", family, &error));
        assert_ok(kofn_code_spec_set_batch(&spec, j->batch, &error));
        assert_ok(kofn_code_spec_complete(&spec, &context, &error));
        assert_ok(kofn_code_spec_build(&spec, f, &j->code, &error));
        assert_true(j->code->tasks <= TASKS_MAX);
        assert_ok(kofn_batch_get_shape(j->batch, &operands, &shape, &error));
        assert_int_equal(shape.rows, 11);
        assert_int_equal(shape.cols, 9);
        kofn_coding_init_batch(&j->coding, j->code, shape, &operands, j->transposed);
    }
    kofn_field_destroy(&f);
    return there;
}

static void
end_job(job *j)
{
    for (size_t o = 0; o < 2; o++) {
        free_matrix(&j->operand[o]);
        kofn_csr_fini(&j->csr[o]);
    }
    kofn_code_destroy(&j->code);
    kofn_batch_destroy(&j->batch);
}

/* All coded blocks of an operand in one pass, from CSR; each beside the dense encode. */
static void
encode_both(const job *j, size_t o, kofn_bands *ret_blocks)
{
    size_t rows, cols, tasks[TASKS_MAX];
    const kofn_field *f = j->code->field;
    kofn_bands dense[TASKS_MAX];
    kofn_coding_block_shape(&j->coding, o, &rows, &cols);
    for (size_t i = 0; i < j->code->tasks; i++) {
        tasks[i] = i;
        ret_blocks[i] = new_matrix(f->dtype, rows, cols);
        dense[i] = new_matrix(f->dtype, rows, cols);
    }
    assert_ok(kofn_coding_encode_csr(&j->coding, o, &j->csr[o], j->code->tasks, tasks, ret_blocks,
                                     &error));
    assert_ok(
        kofn_coding_encode(&j->coding, o, &j->operand[o], j->code->tasks, tasks, dense, &error));
    for (size_t i = 0; i < j->code->tasks; i++) {
        double norm = 0;
        const double *e = kofn_code_get_row(j->code, o, i);
        for (size_t b = 0; b < j->code->e[o].cols; b++)
            norm = hypot(norm, e[b]);
        const double terms = (double)j->code->e[o].cols + 1;
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++)
                assert_at_most(fabs(element_get(only_mat(&ret_blocks[i]), r, c) -
                                    element_get(only_mat(&dense[i]), r, c)),
                               2 * terms * f->epsilon * norm * norm_of(&j->operand[o]));
        free_matrix(&dense[i]);
    }
}

/* C of the last `threshold` tasks beside a dense product. */
static void
finish_job(const job *j)
{
    kofn_bands blocks[2][TASKS_MAX], answers[TASKS_MAX];
    const kofn_bands *used[TASKS_MAX];
    kofn_decoder *d;
    kofn_decode_plan plan;
    for (size_t o = 0; o < 2; o++)
        encode_both(j, o, blocks[o]);
    assert_ok(kofn_decoder_new(j->code, INFINITY, &d, &error));
    for (size_t i = 0; i < j->code->tasks; i++) {
        answers[i] = new_matrix(j->code->field->dtype, j->coding.part.rows, j->coding.part.cols);
        naive_multiply_over(j->code->field, &blocks[0][i], j->transposed[0], &blocks[1][i],
                            j->transposed[1], &answers[i]);
        if (i + j->code->threshold >= j->code->tasks)
            assert_ok(kofn_decoder_add(d, i, &error));
    }
    assert_ok(kofn_decoder_plan(d, kofn_coding_get_noise(&j->coding), &plan, &error));
    for (size_t u = 0; u < plan.used; u++)
        used[u] = &answers[plan.task[u]];
    kofn_bands c = new_matrix(j->code->field->dtype, 11, 9);
    assert_ok(
        kofn_coding_decode(&j->coding, &plan, used, kofn_coding_all_rows(&j->coding), &c, &error));
    if (j->code->field->order == 0)
        assert_at_most(
            residual_of(&j->operand[0], j->transposed[0], &j->operand[1], j->transposed[1], &c),
            (plan.rounding + 16 * 0x1p-53) * norm_of(&j->operand[0]) * norm_of(&j->operand[1]));
    else
        assert_int_equal(count_wrong(j->code->field, &j->operand[0], j->transposed[0],
                                     &j->operand[1], j->transposed[1], &c),
                         0);
    free_matrix(&c);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    for (size_t i = 0; i < j->code->tasks; i++) {
        free_matrix(&blocks[0][i]);
        free_matrix(&blocks[1][i]);
        free_matrix(&answers[i]);
    }
}

static void
sparse_products_are_coded_and_decoded_like_dense_ones(void **state)
{
    (void)state;
    static const char *const families[] = {"locality", "lagrange", "uncoded", "replication"};
    static const char *const fields[] = {"f64", "gfp:65537"};
    static const kofn_partition parts[] = {{2, 3, 2}, {3, 2, 3}, {4, 1, 2}, {1, 4, 1}};
    kofn_rng rng;
    size_t jobs = 0;
    kofn_rng_init(&rng, test_seed(9), 0);
    for (size_t n = 0; n < 4 * 2 * 4 * 4; n++) {
        job j;
        if (start_job(&j, families[n % 4], fields[n / 4 % 2], parts[n / 8 % 4], (int)(n / 32),
                      &rng)) {
            finish_job(&j);
            jobs++;
        }
        end_job(&j);
    }
    assert_true(jobs > 32);
}

/* Of these answers, in ascending or descending order: a decoder has the product with the last. */
static void
check_enough(kofn_code *code, unsigned set, bool descends)
{
    size_t task[32], count = 0;
    kofn_decoder *d;
    for (size_t i = 0; i < code->tasks; i++) {
        const size_t next = descends ? code->tasks - 1 - i : i;
        if (set >> next & 1)
            task[count++] = next;
    }
    assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
    assert_true(kofn_decoder_would_suffice(d, task, count));
    for (size_t i = 0; i < count; i++) {
        assert_true(kofn_decoder_would_suffice(d, task + i, count - i));
        assert_ok(kofn_decoder_add(d, task[i], &error));
    }
    if (kofn_decoder_get_state(d) == KOFN_DECODE_NOT_YET)
        fail_msg("%s over %s: %zu answers (set %x of %zu) are not enough", code->family,
                 code->field->name, count, set, code->tasks);
    kofn_decode_plan plan;
    assert_ok(kofn_decoder_plan(d, 0, &plan, &error));
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
}

/* Blocks of the product that are zero are targets that take no answer. */
static void
any_threshold_answers_are_enough_where_blocks_of_the_product_are_zero(void **state)
{
    (void)state;
    static const char *const families[] = {"locality", "lagrange", "uncoded", "replication"};
    static const char *const fields[] = {"f64", "gfp:65537", "gf256"};
    kofn_rng rng;
    size_t codes = 0;
    kofn_rng_init(&rng, test_seed(11), 0);
    for (size_t n = 0; n < 4000; n++) {
        const kofn_partition p = {.x = 1 + kofn_rng_below(&rng, 3),
                                  .z = 1 + kofn_rng_below(&rng, 3),
                                  .y = 1 + kofn_rng_below(&rng, 3)};
        bool mask[2][BLOCKS_MAX];
        for (size_t b = 0; b < BLOCKS_MAX; b++)
            for (size_t o = 0; o < 2; o++)
                mask[o][b] = kofn_rng_below(&rng, 3) == 0;
        const kofn_field *f = new_field(fields[n % 3]);
        kofn_batch *batch = NULL;
        kofn_code *code = NULL;
        kofn_code_spec spec = {0};
        const kofn_code_context context = {.field = f, .workers = 4};
        assert_ok(kofn_nonzero_new_batch(p, mask[0], mask[1], f, &batch, &error));
        assert_ok(kofn_code_spec_set(&spec, "family", families[n / 3 % 4], &error));
        if (batch) {
            assert_ok(kofn_code_spec_set_batch(&spec, batch, &error));
            assert_ok(kofn_code_spec_complete(&spec, &context, &error));
            assert_ok(kofn_code_spec_build(&spec, f, &code, &error));
            codes += code->tasks <= 10;
        }
        for (unsigned set = 0; code && code->tasks <= 10 && set < 1U << code->tasks; set++)
            if ((size_t)__builtin_popcount(set) == code->threshold)
                for (int turned = 0; turned < 2; turned++)
                    check_enough(code, set, turned);
        kofn_code_destroy(&code);
        kofn_batch_destroy(&batch);
        kofn_field_destroy(&f);
    }
    assert_true(codes > 1500);
}

static void
operands_of_the_wrong_shape_are_refused(void **state)
{
    (void)state;
    kofn_rng rng;
    job j;
    kofn_rng_init(&rng, test_seed(10), 0);
    while (!start_job(&j, "uncoded", "f64", (kofn_partition){2, 2, 2}, 1, &rng))
        end_job(&j);
    const size_t task = 0;
    size_t rows, cols;
    kofn_coding_block_shape(&j.coding, 0, &rows, &cols);
    kofn_bands block = new_matrix(KOFN_F64, rows, cols), low = new_matrix(KOFN_F64, rows - 1, cols);
    assert_ok(kofn_coding_encode_csr(&j.coding, 0, &j.csr[0], 1, &task, &block, &error));
    assert_fails(kofn_coding_encode_csr(&j.coding, 0, &j.csr[1], 1, &task, &block, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(
        strstr(error.text, "operand A (stored transposed) is 13 x 9 f64, need 13 x 11"));
    assert_fails(kofn_coding_encode_csr(&j.coding, 0, &j.csr[0], 1, &task, &low, &error),
                 KOFN_INVALID_ARGUMENT);
    kofn_csr other = j.csr[0];
    other.value.dtype = KOFN_F32;
    assert_fails(kofn_coding_encode_csr(&j.coding, 0, &other, 1, &task, &block, &error),
                 KOFN_INVALID_ARGUMENT);
    free_matrix(&block);
    free_matrix(&low);
    end_job(&j);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_name_the_blocks_that_hold_an_element),
        cmocka_unit_test(a_batch_has_the_products_that_are_left_and_no_other),
        cmocka_unit_test(more_pairs_than_a_batch_has_are_refused),
        cmocka_unit_test(the_partition_follows_the_pattern),
        cmocka_unit_test(a_choice_has_the_blocks_that_its_partition_leaves),
        cmocka_unit_test(work_that_is_large_goes_to_all_workers),
        cmocka_unit_test(sparse_products_are_coded_and_decoded_like_dense_ones),
        cmocka_unit_test(any_threshold_answers_are_enough_where_blocks_of_the_product_are_zero),
        cmocka_unit_test(operands_of_the_wrong_shape_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
