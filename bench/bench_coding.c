/* Encode against a plain memory copy, decode against the bare GEMM of its shape, and how much error
 * a decode adds. All within one process: what the master's compute threads do, without the master.
 *
 * encode.*   bytes read and written a second, over memcpy's. Read is counted once for each operand:
 *            a second pass would show as a lower ratio.
 * decode.*   time of one dgemm [targets x used] [used x elements of a block], over decode's. For a
 *            full systematic set there is nothing to solve, and memcpy of the product is the bound.
 * error.*    |C - AB|_F / |AB|_F over many seeds and sets of answers.
 */
#include "bench/must.h"
#include "common/code/coding.h"
#include "common/code/spec.h"
#include "common/linalg/blas.h"
#include "common/linalg/multiply.h"
#include "proto/block.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS_MAX = 16 };

typedef struct bench {
    size_t n, rounds;
    const kofn_field *field;
    kofn_pool *pool;
    kofn_bands operand[2], product;
    double *copy_from, *copy_to;
} bench;

static kofn_bands
new_bands(bench *b, size_t rows, size_t cols)
{
    kofn_bands bands;
    must(kofn_block_bands_new(b->pool, KOFN_F64, rows, cols, KOFN_CHUNK_BYTES, &bands, &error));
    for (size_t i = 0; i < bands.count; i++) // touched, as in a daemon that has run for a while
        memset(bands.at[i].mat.data, 0, bands.at[i].mat.rows * cols * sizeof(double));
    return bands;
}

static void
fill_bands(const kofn_bands *bands, const double *from)
{
    for (size_t i = 0; i < bands->count; i++)
        memcpy(bands->at[i].mat.data, from + bands->at[i].first_row * bands->cols,
               bands->at[i].mat.rows * bands->cols * sizeof *from);
}

static kofn_code *
new_code(const bench *b, const char *systematic, const char *tasks, uint64_t seed)
{
    kofn_code_spec spec = {.has_seed = true, .seed = seed};
    const kofn_code_context context = {
        .field = b->field, .rows = b->n, .inner = b->n, .cols = b->n, .workers = 4};
    kofn_code *code = NULL;
    must(kofn_code_spec_set(&spec, "family", "rkrp", &error));
    must(kofn_code_spec_set(&spec, "partition", "2,1,2", &error));
    must(kofn_code_spec_set(&spec, "tasks", tasks, &error));
    must(kofn_code_spec_set(&spec, "systematic", systematic, &error));
    must(kofn_code_spec_complete(&spec, &context, &error));
    must(kofn_code_spec_build(&spec, b->field, &code, &error));
    return code;
}

static double
time_copy(const bench *b)
{
    const double start = bench_now();
    memcpy(b->copy_to, b->copy_from, b->n * b->n * sizeof(double));
    return bench_now() - start;
}

/* ---- encode ---------------------------------------------------------------------------------- */

static double
time_encode(const kofn_coding *coding, const bench *b, const kofn_bands blocks[2][TASKS_MAX])
{
    size_t tasks[TASKS_MAX];
    for (size_t t = 0; t < coding->code->tasks; t++)
        tasks[t] = t;
    const double start = bench_now();
    for (size_t operand = 0; operand < 2; operand++)
        must(kofn_coding_encode(coding, operand, &b->operand[operand], coding->code->tasks, tasks,
                                blocks[operand], &error));
    return bench_now() - start;
}

static void
bench_encode(bench *b, const char *systematic, const char *name)
{
    kofn_code *code = new_code(b, systematic, "5", 1);
    kofn_coding coding;
    kofn_bands blocks[2][TASKS_MAX];
    kofn_coding_init(&coding, code, (kofn_shape){b->n, b->n, b->n}, false, false);
    double written = 0;
    for (size_t operand = 0; operand < 2; operand++)
        for (size_t t = 0; t < code->tasks; t++) {
            size_t rows, cols;
            kofn_coding_block_shape(&coding, operand, &rows, &cols);
            blocks[operand][t] = new_bands(b, rows, cols);
            written += (double)(rows * cols * sizeof(double));
        }
    const double operand_bytes = (double)(b->n * b->n * sizeof(double));
    double *encode = bench_alloc(b->rounds * sizeof *encode);
    double *copy = bench_alloc(b->rounds * sizeof *copy);
    for (size_t i = 0; i < b->rounds; i++) {
        encode[i] = (2 * operand_bytes + written) / time_encode(&coding, b, blocks);
        copy[i] = 2 * operand_bytes / time_copy(b);
    }
    char line[64];
    (void)snprintf(line, sizeof line, "encode.%s.ratio", name);
    bench_print(line, bench_median_ratio(encode, copy, b->rounds), "of_memcpy");
    (void)snprintf(line, sizeof line, "encode.%s", name);
    bench_print(line, bench_median(encode, b->rounds) * 1e-9, "GB/s");
    for (size_t i = 0; i < b->rounds; i++)
        encode[i] = (2 * operand_bytes + written) / encode[i];
    (void)snprintf(line, sizeof line, "encode.%s.time", name);
    bench_print(line, bench_median(encode, b->rounds) * 1e3, "ms");
    free(encode);
    free(copy);
    for (size_t operand = 0; operand < 2; operand++)
        for (size_t t = 0; t < code->tasks; t++)
            kofn_bands_fini(&blocks[operand][t]);
    kofn_code_destroy(&code);
}

/* ---- decode ---------------------------------------------------------------------------------- */

/* Decodable with the tasks first .. first + 3. */
static kofn_decode_plan
plan_of(kofn_code *code, size_t first)
{
    kofn_decoder *decoder = NULL;
    kofn_decode_plan plan;
    must(kofn_decoder_new(code, 0, &decoder, &error));
    for (size_t t = first; t < first + 4; t++)
        must(kofn_decoder_add(decoder, t, &error));
    must(kofn_decoder_plan(decoder, 0x1p-53, &plan, &error));
    kofn_decoder_destroy(&decoder);
    return plan;
}

static double
time_gemm(const kofn_decode_plan *plan, size_t elements, const double *answers, double *product)
{
    const double start = bench_now();
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)plan->targets, (int)elements,
                (int)plan->used, 1, plan->coef, (int)plan->used, answers, (int)elements, 0, product,
                (int)elements);
    return bench_now() - start;
}

static void
bench_decode(bench *b, const char *systematic, size_t first, const char *name)
{
    kofn_code *code = new_code(b, systematic, "5", 1);
    kofn_coding coding;
    kofn_coding_init(&coding, code, (kofn_shape){b->n, b->n, b->n}, false, false);
    kofn_decode_plan plan = plan_of(code, first);
    const size_t elements = coding.part.rows * coding.part.cols;
    kofn_bands answer[TASKS_MAX];
    const kofn_bands *answers[TASKS_MAX];
    for (size_t u = 0; u < plan.used; u++) {
        answer[u] = new_bands(b, coding.part.rows, coding.part.cols);
        fill_bands(&answer[u], b->copy_from + u * elements);
        answers[u] = &answer[u];
    }
    double *decode = bench_alloc(b->rounds * sizeof *decode);
    double *gemm = bench_alloc(b->rounds * sizeof *gemm);
    double *copy = bench_alloc(b->rounds * sizeof *copy);
    for (size_t i = 0; i < b->rounds; i++) {
        const double start = bench_now();
        must(kofn_coding_decode(&coding, &plan, answers, kofn_coding_all_rows(&coding), &b->product,
                                &error));
        decode[i] = bench_now() - start;
        gemm[i] = time_gemm(&plan, elements, b->copy_from, b->copy_to);
        copy[i] = time_copy(b);
    }
    char line[64];
    (void)snprintf(line, sizeof line, "decode.%s.ratio", name);
    bench_print(line, bench_median_ratio(gemm, decode, b->rounds), "of_gemm");
    (void)snprintf(line, sizeof line, "decode.%s.copy_ratio", name);
    bench_print(line, bench_median_ratio(copy, decode, b->rounds), "of_memcpy");
    (void)snprintf(line, sizeof line, "decode.%s.time", name);
    bench_print(line, bench_median(decode, b->rounds) * 1e3, "ms");
    free(decode);
    free(gemm);
    free(copy);
    for (size_t u = 0; u < plan.used; u++)
        kofn_bands_fini(&answer[u]);
    kofn_decode_plan_fini(&plan);
    kofn_code_destroy(&code);
}

/* ---- error ----------------------------------------------------------------------------------- */

/* One product of [n, n] matrices by four of six tasks; its relative error. */
static double
error_of(bench *b, const double *expected, kofn_code *code, unsigned set)
{
    kofn_coding coding;
    kofn_decoder *decoder = NULL;
    kofn_decode_plan plan;
    kofn_bands block[2], answer[TASKS_MAX];
    const kofn_bands *answers[TASKS_MAX];
    kofn_coding_init(&coding, code, (kofn_shape){b->n, b->n, b->n}, false, false);
    must(kofn_decoder_new(code, INFINITY, &decoder, &error));
    for (size_t t = 0; t < code->tasks; t++)
        if (set >> t & 1)
            must(kofn_decoder_add(decoder, t, &error));
    must(kofn_decoder_plan(decoder, 0x1p-53, &plan, &error));
    for (size_t u = 0; u < plan.used; u++) {
        kofn_mat whole[2];
        for (size_t operand = 0; operand < 2; operand++) {
            size_t rows, cols;
            kofn_coding_block_shape(&coding, operand, &rows, &cols);
            block[operand] = new_bands(b, rows, cols);
            must(kofn_coding_encode(&coding, operand, &b->operand[operand], 1, &plan.task[u],
                                    &block[operand], &error));
            must(kofn_bands_gather(&block[operand], b->pool, &whole[operand], &error));
        }
        answer[u] = new_bands(b, coding.part.rows, coding.part.cols);
        const kofn_product product = {.a = &whole[0], .b = &whole[1]};
        must(kofn_multiply(b->field, &product, &answer[u], &error));
        answers[u] = &answer[u];
        for (size_t operand = 0; operand < 2; operand++) {
            kofn_mat_fini(&whole[operand]);
            kofn_bands_fini(&block[operand]);
        }
    }
    must(kofn_coding_decode(&coding, &plan, answers, kofn_coding_all_rows(&coding), &b->product,
                            &error));
    double off = 0, all = 0;
    for (size_t i = 0; i < b->product.count; i++) {
        const kofn_band *band = &b->product.at[i];
        for (size_t e = 0; e < band->mat.rows * b->n; e++) {
            const double wanted = expected[band->first_row * b->n + e];
            const double got = ((const double *)band->mat.data)[e];
            off += (got - wanted) * (got - wanted);
            all += wanted * wanted;
        }
    }
    for (size_t u = 0; u < plan.used; u++)
        kofn_bands_fini(&answer[u]);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&decoder);
    return sqrt(off / all);
}

static void
bench_error(bench *b, const double *a_elements, const double *b_elements)
{
    enum { SEEDS = 40, SETS = 15 };
    const int n = (int)b->n;
    double *expected = bench_alloc(b->n * b->n * sizeof *expected);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a_elements, n, b_elements, n,
                0, expected, n);
    double found[SEEDS * SETS];
    size_t count = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        kofn_code *code = new_code(b, "yes", "6", seed);
        for (unsigned set = 0; set < 64; set++)
            if (__builtin_popcount(set) == 4)
                found[count++] = error_of(b, expected, code, set);
        kofn_code_destroy(&code);
    }
    bench_print("error.rkrp_6.median", bench_median(found, count), "relative");
    bench_print("error.rkrp_6.q99", bench_quantile(found, count, 0.99), "relative");
    bench_print("error.rkrp_6.worst", bench_quantile(found, count, 1), "relative");
    free(expected);
}

/* ---- all ------------------------------------------------------------------------------------- */

static bench
begin(size_t n, size_t rounds, const double *a_elements, const double *b_elements)
{
    bench b = {.n = n, .rounds = rounds, .field = kofn_field_find("f64")};
    must(kofn_pool_new((size_t)1 << 30, &b.pool, &error));
    b.operand[0] = new_bands(&b, n, n);
    b.operand[1] = new_bands(&b, n, n);
    b.product = new_bands(&b, n, n);
    fill_bands(&b.operand[0], a_elements);
    fill_bands(&b.operand[1], b_elements);
    b.copy_from = bench_matrix_new(n, n, 3);
    b.copy_to = bench_alloc(n * n * sizeof(double));
    return b;
}

static void
end(bench *b)
{
    kofn_bands_fini(&b->operand[0]);
    kofn_bands_fini(&b->operand[1]);
    kofn_bands_fini(&b->product);
    kofn_pool_destroy(&b->pool);
    free(b->copy_from);
    free(b->copy_to);
}

int
main(int argc, char **argv)
{
    (void)argc;
    kofn_blas_choose_kernel(argv);
    const size_t n = bench_setting("KOFN_BENCH_N", 2000),
                 rounds = bench_setting("KOFN_BENCH_ROUNDS", 15);
    kofn_blas_set_threads(1);
    double *a = bench_matrix_new(n, n, 1), *b = bench_matrix_new(n, n, 2);
    bench all = begin(n, rounds, a, b);
    bench_encode(&all, "yes", "systematic");
    bench_encode(&all, "no", "dense");
    bench_decode(&all, "yes", 0, "systematic");
    bench_decode(&all, "yes", 1, "one_lost");
    bench_decode(&all, "no", 1, "dense");
    end(&all);

    bench small = begin(200, rounds, a, b); // the top of a and b as 200 x 200 matrices
    bench_error(&small, a, b);
    end(&small);
    free(a);
    free(b);
    return 0;
}
