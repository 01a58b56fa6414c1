/* What it costs to check an answer: kofn_freivalds_check against memcpy of the answer's bytes, and
 * the halves of the operands against memcpy of those.
 *
 * verify.F.check     time of a check over that of copying the answer
 * verify.F.operands  time of what is made once for a job over that of copying A and B
 *
 * And over the reals what a lie can hide in, of products of 100 x K times K x 100, over |A| |B|:
 *
 * verify.F.K.passes  more than this is found
 * verify.F.K.honest  what is said to be wrong at most of what OpenBLAS makes of independent
 *                    elements in [0, 1], where this runs
 */
#include "bench/bench.h"
#include "common/code/freivalds.h"
#include "common/code/spec.h"
#include "common/linalg/blas.h"
#include "common/linalg/multiply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MAX = 99 };

static kofn_error error;

static void
must(kofn_status status)
{
    if (status != KOFN_OK)
        bench_die("%s", error.text);
}

static kofn_bands
new_matrix(kofn_dtype dtype, size_t n)
{
    kofn_bands bands;
    const kofn_mat mat = kofn_mat_wrap(bench_alloc(n * n * kofn_dtype_width(dtype)), dtype, n, n);
    memset(mat.data, 1,
           n * n * kofn_dtype_width(dtype)); // any numbers: it is time that is measured
    must(kofn_bands_from_mat(&mat, &bands, &error));
    return bands;
}

static double
time_copy(const kofn_bands *to, const kofn_bands *from)
{
    const double start = bench_now();
    memcpy(to->at[0].mat.data, from->at[0].mat.data,
           from->rows * from->cols * kofn_dtype_width(from->dtype));
    return bench_now() - start;
}

static kofn_code *
new_code(const kofn_field *field, size_t n)
{
    kofn_code_spec spec = {.has_seed = true, .seed = 1};
    const kofn_code_context context = {
        .field = field, .rows = n, .inner = n, .cols = n, .workers = 6};
    kofn_code *code = NULL;
    must(kofn_code_spec_set(&spec, "family", "polynomial", &error));
    must(kofn_code_spec_set(&spec, "partition", "2,1,2", &error));
    must(kofn_code_spec_complete(&spec, &context, &error));
    must(kofn_code_spec_build(&spec, field, &code, &error));
    return code;
}

static void
measure(const char *name, size_t n, size_t rounds)
{
    const kofn_field *field = NULL;
    double check[ROUNDS_MAX], copy[ROUNDS_MAX], halves[ROUNDS_MAX], copies[ROUNDS_MAX];
    must(kofn_field_new(name, &field, &error));
    kofn_code *code = new_code(field, n);
    kofn_coding coding;
    kofn_coding_init(&coding, code, (kofn_shape){n, n, n}, false, false);
    const kofn_bands a = new_matrix(field->dtype, n), b = new_matrix(field->dtype, n);
    const kofn_bands answer = new_matrix(field->dtype, n / 2), to = new_matrix(field->dtype, n);
    const kofn_freivalds_operand operands[] = {{.dense = &a}, {.dense = &b}};
    for (size_t i = 0; i < rounds; i++) {
        kofn_freivalds *f = NULL;
        kofn_freivalds_look look;
        double start = bench_now();
        must(kofn_freivalds_new(&coding, operands, &f, &error));
        halves[i] = bench_now() - start;
        copies[i] = time_copy(&to, &a) + time_copy(&to, &b);
        start = bench_now();
        must(kofn_freivalds_check(f, code, code->tasks - 1, &answer, &look, &error));
        check[i] = bench_now() - start;
        copy[i] = time_copy(&to, &answer);
        kofn_freivalds_destroy(&f);
    }
    char line[64];
    (void)snprintf(line, sizeof line, "verify.%s.check", name);
    bench_print(line, bench_median_ratio(check, copy, rounds), "x memcpy");
    (void)snprintf(line, sizeof line, "verify.%s.operands", name);
    bench_print(line, bench_median_ratio(halves, copies, rounds), "x memcpy");
    kofn_code_destroy(&code);
    kofn_field_destroy(&field);
}

static kofn_bands
new_operand(const kofn_field *field, size_t rows, size_t cols, kofn_rng *rng)
{
    kofn_bands bands;
    const size_t width = kofn_dtype_width(field->dtype);
    const kofn_mat mat = kofn_mat_wrap(bench_alloc(rows * cols * width), field->dtype, rows, cols);
    for (size_t i = 0; i < rows * cols; i++) {
        const double drawn = kofn_rng_unit(rng);
        field->narrow(field, 1, &drawn, (unsigned char *)mat.data + i * width);
    }
    must(kofn_bands_from_mat(&mat, &bands, &error));
    return bands;
}

static void
measure_lies(const char *name, size_t inner)
{
    enum { SIDE = 100 };
    kofn_rng rng;
    kofn_rng_init(&rng, 1, 0);
    const kofn_field *field = kofn_field_find(name);
    kofn_code_spec spec = {0};
    const kofn_code_context context = {
        .field = field, .rows = SIDE, .inner = inner, .cols = SIDE, .workers = 1};
    kofn_code *code = NULL;
    must(kofn_code_spec_set(&spec, "family", "uncoded", &error));
    must(kofn_code_spec_set(&spec, "partition", "1,1,1", &error));
    must(kofn_code_spec_complete(&spec, &context, &error));
    must(kofn_code_spec_build(&spec, field, &code, &error));
    kofn_coding coding;
    kofn_coding_init(&coding, code, (kofn_shape){SIDE, inner, SIDE}, false, false);
    const kofn_bands a = new_operand(field, SIDE, inner, &rng);
    const kofn_bands b = new_operand(field, inner, SIDE, &rng);
    const kofn_bands answer = new_operand(field, SIDE, SIDE, &rng);
    const kofn_product product = {.a = &a.at[0].mat, .b = &b.at[0].mat};
    must(kofn_multiply(field, &product, &answer, &error));
    kofn_freivalds *f = NULL;
    kofn_freivalds_look look;
    must(kofn_freivalds_new(&coding, (kofn_freivalds_operand[]){{.dense = &a}, {.dense = &b}}, &f,
                            &error));
    must(kofn_freivalds_check(f, code, 0, &answer, &look, &error));
    char line[64];
    (void)snprintf(line, sizeof line, "verify.%s.%zu.passes", name, inner);
    bench_print(line, kofn_freivalds_get_noise(&coding), "of |A| |B|");
    (void)snprintf(line, sizeof line, "verify.%s.%zu.honest", name, inner);
    bench_print(line, look.wrong, "of |A| |B|");
    kofn_freivalds_destroy(&f);
    kofn_code_destroy(&code);
}

int
main(int argc, char **argv)
{
    (void)argc;
    kofn_blas_choose_kernel(argv);
    const size_t n = bench_setting("KOFN_BENCH_N", 4096) / 2 * 2;
    size_t rounds = bench_setting("KOFN_BENCH_ROUNDS", 9);
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    static const char *const fields[] = {"f64", "f32", "gf256", "gfp:2147483647"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        measure(fields[i], n, rounds);
    for (size_t i = 0; i < 2; i++)
        for (size_t inner = 100; inner <= 10000; inner *= 10)
            measure_lies(fields[i], inner);
    return 0;
}
