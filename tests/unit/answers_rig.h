/* A job with all its answers, as honest workers compute them, for those who look for wrong ones. */
#ifndef KOFN_TESTS_ANSWERS_RIG_H
#define KOFN_TESTS_ANSWERS_RIG_H

#include "common/code/batch.h"
#include "common/code/freivalds.h"
#include "tests/unit/code_brute.h"

enum { TASKS_MAX = 32 };

typedef struct job {
    kofn_code *code;
    kofn_coding coding;
    kofn_bands operand[2], answer[TASKS_MAX];
    kofn_freivalds *check; // NULL: none was started
} job;

/* C := op(A) op(B), each element by rounded sums from the last term to the first. */
static inline void
multiply_backwards(const kofn_bands *a, bool ta, const kofn_bands *b, bool tb, kofn_bands *c)
{
    const size_t inner = ta ? a->rows : a->cols;
    for (size_t i = 0; i < c->rows; i++)
        for (size_t j = 0; j < c->cols; j++) {
            volatile float single = 0;
            volatile double sum = 0;
            for (size_t k = inner; k-- > 0;) {
                const double x =
                    ta ? element_get(only_mat(a), k, i) : element_get(only_mat(a), i, k);
                const double y =
                    tb ? element_get(only_mat(b), j, k) : element_get(only_mat(b), k, j);
                single = (float)(single + (float)(x * y));
                sum += x * y;
            }
            element_set(only_mat(c), i, j, c->dtype == KOFN_F32 ? (double)single : sum);
        }
}

static inline void
answer_all(job *j)
{
    kofn_error error;
    size_t rows[2], cols[2];
    for (size_t o = 0; o < 2; o++)
        kofn_coding_block_shape(&j->coding, o, &rows[o], &cols[o]);
    for (size_t task = 0; task < j->code->tasks; task++) {
        kofn_bands block[2];
        for (size_t o = 0; o < 2; o++) {
            block[o] = new_matrix(j->code->field->dtype, rows[o], cols[o]);
            assert_ok(
                kofn_coding_encode(&j->coding, o, &j->operand[o], 1, &task, &block[o], &error));
        }
        j->answer[task] =
            new_matrix(j->code->field->dtype, j->coding.part.rows, j->coding.part.cols);
        if (j->code->field->order == 0)
            multiply_backwards(&block[0], j->coding.transposed[0], &block[1],
                               j->coding.transposed[1], &j->answer[task]);
        else
            naive_multiply_over(j->code->field, &block[0], j->coding.transposed[0], &block[1],
                                j->coding.transposed[1], &j->answer[task]);
        for (size_t o = 0; o < 2; o++)
            free_matrix(&block[o]);
    }
}

/* Rows of a matrix in bands of 1, 2, 3, ... rows. */
static inline kofn_bands
cut(const kofn_bands *whole)
{
    kofn_error error;
    kofn_bands bands;
    const kofn_mat *mat = &whole->at[0].mat;
    kofn_bands_init(&bands, whole->dtype, whole->rows, whole->cols);
    for (size_t row = 0, height = 1; row < whole->rows; row += height++) {
        if (height > whole->rows - row)
            height = whole->rows - row;
        kofn_mat band = kofn_mat_wrap(kofn_mat_get_row(mat, row), mat->dtype, height, mat->cols);
        assert_ok(kofn_bands_append(&bands, &band, NULL, 0, &error));
    }
    return bands;
}

static inline void
make_job(job *j, const test_code *t, const char *field, kofn_shape shape, int turned, kofn_rng *rng)
{
    const bool ta = turned & 1, tb = turned & 2;
    *j = (job){.code = make_code(t, field, 5)};
    assert_true(j->code->tasks <= TASKS_MAX);
    kofn_coding_init(&j->coding, j->code, shape, ta, tb);
    const kofn_dtype dtype = j->code->field->dtype;
    j->operand[0] = new_matrix(dtype, ta ? shape.inner : shape.rows, ta ? shape.rows : shape.inner);
    j->operand[1] = new_matrix(dtype, tb ? shape.cols : shape.inner, tb ? shape.inner : shape.cols);
    for (size_t o = 0; o < 2; o++)
        fill_drawn(j->code->field, &j->operand[o], rng);
}

/* Three products of stacked operands, pair i block i of both; with weights their sum. */
static inline void
make_batch_job(job *j, const char *family, const double *weights, int turned, kofn_rng *rng)
{
    kofn_error error;
    kofn_batch *batch = NULL;
    kofn_code_spec spec = {.has_seed = true, .seed = 1};
    const kofn_code_context context = {.field = kofn_field_find("f64"), .workers = 9};
    const kofn_extents e = {.count = 2, .rows = {3 * 12, 3 * 7}, .cols = {7, 10}};
    const bool transposed[] = {turned & 1, turned & 2};
    kofn_shape shape;
    *j = (job){0};
    assert_ok(kofn_batch_new_stacked(3, 3, 3, (size_t[]){0, 1, 2}, (size_t[]){0, 1, 2}, weights,
                                     context.field, &batch, &error));
    assert_ok(kofn_code_spec_set(&spec, "family", family, &error));
    assert_ok(kofn_code_spec_set(&spec, "tasks", "9", &error));
    assert_ok(kofn_code_spec_set_batch(&spec, batch, &error));
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    assert_ok(kofn_code_spec_build(&spec, context.field, &j->code, &error));
    assert_ok(kofn_batch_get_shape(batch, &e, &shape, &error));
    kofn_coding_init_batch(&j->coding, j->code, shape, &e, transposed);
    for (size_t o = 0; o < 2; o++) {
        j->operand[o] = transposed[o] ? new_matrix(KOFN_F64, e.cols[o], e.rows[o])
                                      : new_matrix(KOFN_F64, e.rows[o], e.cols[o]);
        fill_drawn(context.field, &j->operand[o], rng);
    }
    kofn_batch_destroy(&batch);
}

static inline void
end_answers(job *j)
{
    for (size_t task = 0; task < j->code->tasks; task++)
        free_matrix(&j->answer[task]);
    for (size_t o = 0; o < 2; o++)
        free_matrix(&j->operand[o]);
    kofn_code_destroy(&j->code);
}

#endif
