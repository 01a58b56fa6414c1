/* What outer products cost: the kernel against memset, which is the least that writing C can take,
 * and against the flops of a matrix product that take as long; decoding them against memcpy. One
 * thread.
 */
#include "bench/must.h"
#include "common/code/coding.h"
#include "common/code/spec.h"
#include "common/linalg/blas.h"
#include "common/linalg/multiply.h"
#include "common/linalg/outer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct shape {
    const char *name;
    kofn_extents operands;
} shape;

static kofn_mat
new_matrix(const kofn_field *f, size_t rows, size_t cols, uint64_t seed)
{
    kofn_rng rng;
    kofn_rng_init(&rng, seed, 0);
    unsigned char *at = bench_alloc(rows * cols * kofn_dtype_width(f->dtype));
    for (size_t i = 0; i < rows * cols; i++) {
        const double number = f->draw(f, &rng);
        if (f->dtype == KOFN_F64)
            ((double *)(void *)at)[i] = number;
        else if (f->dtype == KOFN_F32)
            ((float *)(void *)at)[i] = (float)number;
        else if (f->dtype == KOFN_U8)
            at[i] = (unsigned char)number;
        else
            ((uint32_t *)(void *)at)[i] = (uint32_t)number;
    }
    return kofn_mat_wrap(at, f->dtype, rows, cols);
}

static void
new_room(const kofn_field *f, size_t rows, size_t cols, kofn_bands *ret_bands)
{
    void *at = bench_alloc(rows * cols * kofn_dtype_width(f->dtype));
    const kofn_mat mat = kofn_mat_wrap(at, f->dtype, rows, cols);
    must(kofn_bands_from_mat(&mat, ret_bands, &error));
}

static void
free_room(kofn_bands *bands)
{
    free(bands->at[0].mat.data);
    kofn_bands_fini(bands);
}

/* ---- the kernel ------------------------------------------------------------------------------ */

static void
measure_kernel(const char *field, const shape *s, size_t rounds)
{
    const kofn_field *f = NULL;
    kofn_mat factor[KOFN_OPERANDS_MAX];
    kofn_outer p = {.count = s->operands.count, .factor = factor};
    size_t rows, cols;
    kofn_bands c;
    must(kofn_field_new(field, &f, &error));
    for (size_t i = 0; i < p.count; i++)
        factor[i] = new_matrix(f, s->operands.rows[i], s->operands.cols[i], i);
    must(kofn_outer_shape(&p, &rows, &cols, &error));
    new_room(f, rows, cols, &c);
    const size_t bytes = rows * cols * kofn_dtype_width(f->dtype);
    double *ours = bench_alloc(rounds * sizeof *ours), *bare = bench_alloc(rounds * sizeof *bare);
    for (size_t i = 0; i < rounds; i++) {
        double start = bench_now();
        must(kofn_outer_multiply(f, &p, &c, &error));
        ours[i] = bench_now() - start;
        start = bench_now();
        memset(c.at[0].mat.data, (int)i, bytes);
        bare[i] = bench_now() - start;
    }
    char name[64];
    (void)snprintf(name, sizeof name, "outer.%s.%s.ratio", field, s->name);
    bench_print(name, bench_median_ratio(bare, ours, rounds), "of_memset");
    (void)snprintf(name, sizeof name, "outer.%s.%s.rate", field, s->name);
    bench_print(name, 1e-9 * (double)bytes / bench_median(ours, rounds), "GB/s");
    (void)snprintf(name, sizeof name, "outer.%s.%s.element", field, s->name);
    bench_print(name, 1e9 * bench_median(ours, rounds) / (double)(rows * cols), "ns");
    for (size_t i = 0; i < p.count; i++)
        free(factor[i].data);
    free_room(&c);
    free(ours);
    free(bare);
    kofn_field_destroy(&f);
}

/* Nanoseconds of a flop of a matrix product, for KOFN_OUTER_FLOPS. */
static void
measure_flop(size_t rounds)
{
    enum { N = 768 };
    double *seconds = bench_alloc(rounds * sizeof *seconds);
    double *a = bench_matrix_new(N, N, 1), *b = bench_matrix_new(N, N, 2);
    const kofn_mat a_mat = kofn_mat_wrap(a, KOFN_F64, N, N),
                   b_mat = kofn_mat_wrap(b, KOFN_F64, N, N);
    const kofn_product product = {.a = &a_mat, .b = &b_mat};
    kofn_bands c;
    new_room(kofn_field_find("f64"), N, N, &c);
    for (size_t i = 0; i < rounds; i++) {
        const double start = bench_now();
        must(kofn_multiply(kofn_field_find("f64"), &product, &c, &error));
        seconds[i] = bench_now() - start;
    }
    bench_print("outer.flop", 1e9 * bench_median(seconds, rounds) / (2.0 * N * N * N), "ns");
    free_room(&c);
    free(a);
    free(b);
    free(seconds);
}

/* ---- decoding -------------------------------------------------------------------------------- */

static kofn_code *
new_code(const kofn_field *f, const char *family, const char *parts)
{
    kofn_code_spec spec = {.tasks = strcmp(family, "uncoded") == 0 ? 4 : 6, .has_seed = true};
    kofn_code *code = NULL;
    must(kofn_code_spec_set(&spec, "family", family, &error));
    must(kofn_code_spec_set(&spec, "parts", parts, &error));
    must(kofn_code_spec_build(&spec, f, &code, &error));
    return code;
}

/* From the last answers: of a systematic code as many by arithmetic as there are. */
static void
measure_decode(const char *field, const char *family, const shape *s, size_t rounds)
{
    const kofn_field *f = kofn_field_find(field);
    kofn_code *code = new_code(f, family, s->operands.count == 2 ? "2,2" : "2,1,2");
    const bool transposed[KOFN_OPERANDS_MAX] = {false};
    kofn_coding coding;
    kofn_coding_init_outer(&coding, code, &s->operands, transposed);
    kofn_decoder *d = NULL;
    kofn_decode_plan plan;
    kofn_bands answers[6], c;
    const kofn_bands *used[6];
    must(kofn_decoder_new(code, 1e300, &d, &error));
    for (size_t t = code->tasks; t-- > 0 && kofn_decoder_get_state(d) == KOFN_DECODE_NOT_YET;)
        must(kofn_decoder_add(d, t, &error));
    must(kofn_decoder_plan(d, 0, &plan, &error));
    for (size_t t = 0; t < code->tasks; t++)
        new_room(f, coding.part.rows, coding.part.cols, &answers[t]);
    for (size_t u = 0; u < plan.used; u++)
        used[u] = &answers[plan.task[u]];
    new_room(f, coding.shape.rows, coding.shape.cols, &c);
    const size_t bytes = coding.shape.rows * coding.shape.cols * kofn_dtype_width(f->dtype);
    void *from = bench_alloc(bytes);
    double *ours = bench_alloc(rounds * sizeof *ours), *bare = bench_alloc(rounds * sizeof *bare);
    for (size_t i = 0; i < rounds; i++) {
        double start = bench_now();
        must(kofn_coding_decode(&coding, &plan, used, kofn_coding_all_rows(&coding), &c, &error));
        ours[i] = bench_now() - start;
        start = bench_now();
        memcpy(c.at[0].mat.data, from, bytes);
        bare[i] = bench_now() - start;
    }
    char name[80];
    (void)snprintf(name, sizeof name, "outer.decode.%s.%s.%s.ratio", field, family, s->name);
    bench_print(name, bench_median_ratio(bare, ours, rounds), "of_memcpy");
    for (size_t t = 0; t < code->tasks; t++)
        free_room(&answers[t]);
    free_room(&c);
    free(from);
    free(ours);
    free(bare);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

/* C has some 2^24 elements: 128 MiB in f64. */
static const shape shapes[] = {
    {"square", {2, {64, 64}, {64, 64}}},    {"rows", {2, {1, 1}, {4096, 4096}}},
    {"columns", {2, {4096, 4096}, {1, 1}}}, {"order3", {3, {16, 16, 16}, {16, 16, 16}}},
    {"short", {2, {1024, 1024}, {8, 2}}},   {"pairs", {2, {1024, 1024}, {4, 4}}},
};

enum { SHAPES = sizeof shapes / sizeof shapes[0] };

int
main(int argc, char **argv)
{
    (void)argc;
    kofn_blas_choose_kernel(argv);
    const size_t rounds = bench_setting("KOFN_BENCH_ROUNDS", 15);
    kofn_blas_set_threads(1);
    printf("kernel %s -\n", kofn_blas_kernel());
    measure_flop(rounds);
    for (size_t i = 0; i < SHAPES; i++)
        measure_kernel("f64", &shapes[i], rounds);
    measure_kernel("f32", &shapes[0], rounds);
    measure_kernel("gf256", &shapes[0], rounds);
    measure_kernel("gfp:65537", &shapes[0], rounds);
    measure_kernel("gfp:2147483647", &shapes[0], rounds);
    for (size_t i = 0; i < SHAPES; i++) {
        measure_decode("f64", "uncoded", &shapes[i], rounds);
        measure_decode("f64", "alloy_global", &shapes[i], rounds);
    }
    measure_decode("gf256", "alloy_global", &shapes[0], rounds);
    return 0;
}
