#include "bench/papers/rkrp/whole.h"
#include "bench/must.h"
#include "common/code/coding.h"
#include "common/linalg/multiply.h"

#include <math.h>
#include <stdlib.h>

enum { BLOCK = 20, INNER = 200 };

/* Its elements are freed by matrix_fini. */
static kofn_bands
matrix_new(size_t rows, size_t cols)
{
    kofn_mat mat = kofn_mat_wrap(bench_alloc(rows * cols * sizeof(double)), KOFN_F64, rows, cols);
    kofn_bands bands;
    must(kofn_bands_from_mat(&mat, &bands, &error));
    return bands;
}

static double *
elements_of(const kofn_bands *matrix)
{
    return matrix->at[0].mat.data;
}

static void
matrix_fini(kofn_bands *matrix)
{
    free(elements_of(matrix));
    kofn_bands_fini(matrix);
}

static void
fill_normal(const kofn_bands *matrix, uint64_t seed, uint64_t stream)
{
    kofn_rng rng;
    kofn_rng_init(&rng, seed, stream);
    for (size_t i = 0; i < matrix->rows * matrix->cols; i++)
        elements_of(matrix)[i] = kofn_rng_normal(&rng);
}

static void
multiply(const kofn_bands *a, const kofn_bands *b, const kofn_bands *c)
{
    const kofn_product product = {.a = &a->at[0].mat, .b = &b->at[0].mat};
    must(kofn_multiply(kofn_field_find("f64"), &product, c, &error));
}

/* What a worker sends back for `task`. */
static kofn_bands
answer(const kofn_coding *coding, const kofn_bands *operand, size_t task)
{
    kofn_bands block[2], c = matrix_new(coding->part.rows, coding->part.cols);
    for (size_t o = 0; o < 2; o++) {
        size_t rows, cols;
        kofn_coding_block_shape(coding, o, &rows, &cols);
        block[o] = matrix_new(rows, cols);
        must(kofn_coding_encode(coding, o, &operand[o], 1, &task, &block[o], &error));
    }
    multiply(&block[0], &block[1], &c);
    matrix_fini(&block[0]);
    matrix_fini(&block[1]);
    return c;
}

static bool
find_plan(kofn_code *code, const size_t *tasks, kofn_decode_plan *ret_plan)
{
    kofn_decoder *decoder = NULL;
    must(kofn_decoder_new(code, INFINITY, &decoder, &error));
    for (size_t r = 0; r < code->threshold; r++)
        must(kofn_decoder_add(decoder, tasks[r], &error));
    const bool decodable = kofn_decoder_get_state(decoder) == KOFN_DECODE_EXACT;
    if (decodable)
        must(kofn_decoder_plan(decoder, 0x1p-53, ret_plan, &error));
    kofn_decoder_destroy(&decoder);
    return decodable;
}

static void
decode(const kofn_coding *coding, const kofn_decode_plan *plan, const kofn_bands *operand,
       const kofn_bands *c)
{
    kofn_bands *answers = bench_alloc(plan->used * sizeof *answers);
    const kofn_bands **at = bench_alloc(plan->used * sizeof(kofn_bands *));
    for (size_t u = 0; u < plan->used; u++) {
        answers[u] = answer(coding, operand, plan->task[u]);
        at[u] = &answers[u];
    }
    must(kofn_coding_decode(coding, plan, at, kofn_coding_all_rows(coding), c, &error));
    for (size_t u = 0; u < plan->used; u++)
        matrix_fini(&answers[u]);
    free(answers);
    free(at);
}

static double
distance(const kofn_bands *found, const kofn_bands *expected)
{
    double off = 0, all = 0;
    for (size_t i = 0; i < expected->rows * expected->cols; i++) {
        const double wanted = elements_of(expected)[i], by = elements_of(found)[i] - wanted;
        off += by * by;
        all += wanted * wanted;
    }
    return sqrt(off / all);
}

double
whole_run(rival r, const setting *s, uint64_t seed)
{
    const kofn_shape shape = {.rows = BLOCK * s->m, .inner = INNER, .cols = BLOCK * s->n};
    size_t *tasks = bench_alloc(s->m * s->n * sizeof *tasks);
    kofn_code *code = rival_code_new(r, s, seed);
    kofn_coding coding;
    kofn_decode_plan plan;
    double off = NAN;
    kofn_coding_init(&coding, code, shape, false, false);
    trial_draw_tasks(s, code, seed, tasks);
    if (find_plan(code, tasks, &plan)) {
        kofn_bands operand[2] = {matrix_new(shape.rows, shape.inner),
                                 matrix_new(shape.inner, shape.cols)};
        kofn_bands found = matrix_new(shape.rows, shape.cols),
                   expected = matrix_new(shape.rows, shape.cols);
        fill_normal(&operand[0], seed, TRIAL_BLOCKS_STREAM);
        fill_normal(&operand[1], seed, TRIAL_BLOCKS_STREAM + 1);
        multiply(&operand[0], &operand[1], &expected);
        decode(&coding, &plan, operand, &found);
        off = distance(&found, &expected);
        matrix_fini(&operand[0]);
        matrix_fini(&operand[1]);
        matrix_fini(&found);
        matrix_fini(&expected);
        kofn_decode_plan_fini(&plan);
    }
    kofn_code_destroy(&code);
    free(tasks);
    return off;
}
