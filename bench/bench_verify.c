/* What it costs to check an answer: kofn_freivalds_check against memcpy of the answer's bytes, and
 * the halves of the operands against memcpy of those.
 *
 * verify.F.check     time of a check over that of copying the answer
 * verify.F.operands  time of what is made once for a job over that of copying A and B
 */
#include "bench/bench.h"
#include "common/code/freivalds.h"
#include "common/code/spec.h"
#include "common/linalg/blas.h"

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
        kofn_finding finding;
        double start = bench_now();
        must(kofn_freivalds_new(&coding, operands, &f, &error));
        halves[i] = bench_now() - start;
        copies[i] = time_copy(&to, &a) + time_copy(&to, &b);
        start = bench_now();
        must(kofn_freivalds_check(f, code, code->tasks - 1, &answer, &finding, NULL, &error));
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
    return 0;
}
