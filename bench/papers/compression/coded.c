#include "bench/papers/compression/coded.h"

#include "bench/must.h"
#include "common/code/spec.h"
#include "common/linalg/multiply.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

kofn_bands
coded_new_matrix(kofn_dtype dtype, size_t rows, size_t cols)
{
    kofn_mat mat;
    kofn_bands bands;
    must(kofn_mat_alloc(dtype, rows, cols, &mat, &error));
    must(kofn_bands_from_mat(&mat, &bands, &error));
    kofn_mat_fini(&mat); // the band holds it
    return bands;
}

double *
coded_get_reals(const kofn_bands *matrix)
{
    return matrix->at[0].mat.data;
}

void
coded_fill(const kofn_field *field, const kofn_bands *matrix, kofn_rng *rng)
{
    void *at = matrix->at[0].mat.data;
    for (size_t i = 0; i < matrix->rows * matrix->cols; i++) {
        const double drawn = field->draw(field, rng);
        if (field->dtype == KOFN_F64)
            ((double *)at)[i] = drawn;
        else if (field->dtype == KOFN_U32)
            ((uint32_t *)at)[i] = (uint32_t)drawn;
        else
            ((uint8_t *)at)[i] = (uint8_t)drawn;
    }
}

double
coded_compare(const kofn_bands *found, const kofn_bands *expected)
{
    const size_t count = expected->rows * expected->cols;
    if (expected->dtype != KOFN_F64)
        return memcmp(found->at[0].mat.data, expected->at[0].mat.data,
                      count * kofn_dtype_width(expected->dtype)) != 0;
    const double *x = coded_get_reals(found), *y = coded_get_reals(expected);
    double off = 0, all = 0;
    for (size_t i = 0; i < count; i++) {
        off += (x[i] - y[i]) * (x[i] - y[i]);
        all += y[i] * y[i];
    }
    return sqrt(off / all);
}

kofn_code *
coded_new_code(const kofn_field *field, const coded_wish *wish)
{
    kofn_code_spec spec = {.tasks = wish->tasks, .has_seed = true, .seed = 1};
    kofn_code *code = NULL;
    must(kofn_code_spec_set(&spec, "family", wish->family, &error));
    if (wish->key)
        must(kofn_code_spec_set(&spec, wish->key, wish->value, &error));
    if (wish->batch)
        must(kofn_code_spec_set_batch(&spec, wish->batch, &error));
    must(kofn_code_spec_build(&spec, field, &code, &error));
    return code;
}

static void
init_coding(coded_job *job, const kofn_batch *batch, const bool *transposed)
{
    kofn_extents e = {.count = 2};
    for (size_t i = 0; i < 2; i++) {
        const kofn_bands *stored = &job->operand[i];
        e.rows[i] = transposed[i] ? stored->cols : stored->rows;
        e.cols[i] = transposed[i] ? stored->rows : stored->cols;
    }
    kofn_shape shape = {e.rows[0], e.cols[0], e.cols[1]};
    if (batch) {
        must(kofn_batch_get_shape(batch, &e, &shape, &error));
        kofn_coding_init_batch(&job->coding, job->code, shape, &e, transposed);
    } else {
        kofn_coding_init(&job->coding, job->code, shape, transposed[0], transposed[1]);
    }
}

coded_job
coded_start(kofn_code *code, const kofn_batch *batch, const kofn_bands *operand,
            const bool *transposed)
{
    const kofn_dtype dtype = code->field->dtype;
    const size_t bytes = code->tasks * sizeof(kofn_bands);
    coded_job job = {.code = kofn_code_ref(code), .answer = bench_alloc(bytes)};
    for (size_t i = 0; i < 2; i++)
        must(kofn_bands_ref(&operand[i], &job.operand[i], &error));
    init_coding(&job, batch, transposed);
    job.out = coded_new_matrix(dtype, job.coding.shape.rows, job.coding.shape.cols);
    for (size_t i = 0; i < 2; i++) {
        size_t rows, cols;
        kofn_coding_block_shape(&job.coding, i, &rows, &cols);
        job.block[i] = bench_alloc(bytes);
        for (size_t task = 0; task < code->tasks; task++)
            job.block[i][task] = coded_new_matrix(dtype, rows, cols);
    }
    for (size_t task = 0; task < code->tasks; task++)
        job.answer[task] = coded_new_matrix(dtype, job.coding.part.rows, job.coding.part.cols);
    return job;
}

void
coded_end(coded_job *job)
{
    for (size_t task = 0; task < job->code->tasks; task++) {
        kofn_bands_fini(&job->block[0][task]);
        kofn_bands_fini(&job->block[1][task]);
        kofn_bands_fini(&job->answer[task]);
    }
    for (size_t i = 0; i < 2; i++) {
        kofn_bands_fini(&job->operand[i]);
        free(job->block[i]);
    }
    free(job->answer);
    kofn_bands_fini(&job->out);
    kofn_code_destroy(&job->code);
}

void
coded_encode(coded_job *job, size_t count)
{
    size_t *tasks = bench_alloc(count * sizeof *tasks);
    for (size_t task = 0; task < count; task++)
        tasks[task] = task;
    for (size_t i = 0; i < 2; i++)
        must(kofn_coding_encode(&job->coding, i, &job->operand[i], count, tasks, job->block[i],
                                &error));
    free(tasks);
}

void
coded_multiply(coded_job *job, size_t task)
{
    const kofn_product product = {.a = &job->block[0][task].at[0].mat,
                                  .b = &job->block[1][task].at[0].mat,
                                  .transpose_a = job->coding.transposed[0],
                                  .transpose_b = job->coding.transposed[1]};
    must(kofn_multiply(job->code->field, &product, &job->answer[task], &error));
}

bool
coded_decode(coded_job *job, const size_t *tasks, size_t count)
{
    kofn_decoder *decoder = NULL;
    kofn_decode_plan plan;
    must(kofn_decoder_new(job->code, INFINITY, &decoder, &error));
    for (size_t i = 0; i < count; i++)
        must(kofn_decoder_add(decoder, tasks[i], &error));
    const bool enough = kofn_decoder_get_state(decoder) == KOFN_DECODE_EXACT;
    if (enough) {
        must(kofn_decoder_plan(decoder, kofn_coding_get_noise(&job->coding), &plan, &error));
        const kofn_bands **at = bench_alloc(plan.used * sizeof(kofn_bands *));
        for (size_t u = 0; u < plan.used; u++)
            at[u] = &job->answer[plan.task[u]];
        must(kofn_coding_decode(&job->coding, &plan, at, kofn_coding_all_rows(&job->coding),
                                &job->out, &error));
        free(at);
        kofn_decode_plan_fini(&plan);
    }
    kofn_decoder_destroy(&decoder);
    return enough;
}

void
coded_shuffle(kofn_rng *rng, size_t count, size_t *tasks)
{
    for (size_t i = 0; i < count; i++)
        tasks[i] = i;
    for (size_t i = count; i > 1; i--) {
        const size_t other = kofn_rng_below(rng, i), moved = tasks[i - 1];
        tasks[i - 1] = tasks[other];
        tasks[other] = moved;
    }
}
