/* What finite fields cost. Products over GF(p) against OpenBLAS's dgemm of the same shape, products
 * over GF(2^8) against what ISA-L's own encode makes of the same multiplications: of the same
 * product in one call, tables included, and of its favourite case, six results from ten sources
 * in the cache. One BLAS thread. Prints the kernel.
 */
#include "bench/must.h"
#include "common/linalg/blas.h"
#include "common/linalg/multiply.h"

#include <cblas.h>
#include <isa-l/erasure_code.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct sides {
    size_t rows, inner, cols;
} sides;

/* Random elements of the field, as its matrices hold them. */
static void *
new_elements(const kofn_field *f, size_t count, uint64_t seed)
{
    unsigned char *at = bench_alloc(count * kofn_dtype_width(f->dtype));
    kofn_rng rng;
    kofn_rng_init(&rng, seed, 0);
    for (size_t i = 0; i < count; i++) {
        const uint32_t element = (uint32_t)f->draw(f, &rng);
        if (f->dtype == KOFN_U8)
            at[i] = (unsigned char)element;
        else
            ((uint32_t *)(void *)at)[i] = element;
    }
    return at;
}

/* Seconds of kofn_multiply. */
static double
time_product(const kofn_field *f, sides s, void *a, void *b, void *c)
{
    const kofn_mat a_mat = kofn_mat_wrap(a, f->dtype, s.rows, s.inner);
    const kofn_mat b_mat = kofn_mat_wrap(b, f->dtype, s.inner, s.cols);
    const kofn_mat c_mat = kofn_mat_wrap(c, f->dtype, s.rows, s.cols);
    const kofn_product product = {.a = &a_mat, .b = &b_mat};
    kofn_bands bands;
    must(kofn_bands_from_mat(&c_mat, &bands, &error));
    const double start = bench_now();
    must(kofn_multiply(f, &product, &bands, &error));
    const double seconds = bench_now() - start;
    kofn_bands_fini(&bands);
    return seconds;
}

static void
print_rounds(const char *field, const char *other, const double *theirs, const double *ours,
             size_t rounds)
{
    char name[64];
    (void)snprintf(name, sizeof name, "field.%s.ratio", field);
    bench_print(name, bench_median_ratio(theirs, ours, rounds), other);
}

static void
print_rate(const char *field, sides s, double *ours, size_t rounds)
{
    char name[64];
    (void)snprintf(name, sizeof name, "field.%s.rate", field);
    bench_print(name, 1e-9 * (double)(s.rows * s.inner * s.cols) / bench_median(ours, rounds),
                "G_multiply-add/s");
}

static void
measure_prime(const char *name, sides s, size_t rounds)
{
    const kofn_field *f;
    must(kofn_field_new(name, &f, &error));
    void *a = new_elements(f, s.rows * s.inner, 1), *b = new_elements(f, s.inner * s.cols, 2);
    void *c = new_elements(f, s.rows * s.cols, 3);
    double *da = bench_matrix_new(s.rows, s.inner, 1), *db = bench_matrix_new(s.inner, s.cols, 2);
    double *dc = bench_matrix_new(s.rows, s.cols, 3);
    double *ours = bench_alloc(rounds * sizeof *ours), *theirs = bench_alloc(rounds * sizeof *ours);
    for (size_t i = 0; i < rounds; i++) {
        ours[i] = time_product(f, s, a, b, c);
        const double start = bench_now();
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)s.rows, (int)s.cols,
                    (int)s.inner, 1, da, (int)s.inner, db, (int)s.cols, 0, dc, (int)s.cols);
        theirs[i] = bench_now() - start;
    }
    print_rounds(name, "of_dgemm", theirs, ours, rounds);
    print_rate(name, s, ours, rounds);
    free(a), free(b), free(c), free(da), free(db), free(dc), free(ours), free(theirs);
    kofn_field_destroy(&f);
}

/* The same product as one call: rows of B are the sources, rows of A the coefficients. */
static double
time_isal_product(sides s, unsigned char *a, unsigned char *b, unsigned char *c,
                  unsigned char *tables, unsigned char **rows)
{
    for (size_t k = 0; k < s.inner; k++)
        rows[k] = b + k * s.cols;
    for (size_t i = 0; i < s.rows; i++)
        rows[s.inner + i] = c + i * s.cols;
    const double start = bench_now();
    ec_init_tables((int)s.inner, (int)s.rows, a, tables);
    ec_encode_data((int)s.cols, (int)s.inner, (int)s.rows, tables, rows, rows + s.inner);
    return bench_now() - start;
}

/* Seconds that as many multiplications take where ISA-L is fastest: six results from ten sources of
 * 16 KiB. */
static double
time_isal_encode(sides s, unsigned char *memory, unsigned char *tables)
{
    enum { SOURCES = 10, RESULTS = 6, BYTES = 16 << 10 };
    unsigned char *at[SOURCES + RESULTS];
    for (size_t i = 0; i < SOURCES + RESULTS; i++)
        at[i] = memory + i * BYTES;
    ec_init_tables(SOURCES, RESULTS, memory, tables);
    const double all = (double)s.rows * (double)s.inner * (double)s.cols;
    const double each = (double)SOURCES * RESULTS * BYTES;
    const size_t times = (size_t)(all / each) + 1;
    const double start = bench_now();
    for (size_t i = 0; i < times; i++)
        ec_encode_data(BYTES, SOURCES, RESULTS, tables, at, at + SOURCES);
    return (bench_now() - start) * all / (each * (double)times);
}

static void
measure_gf256(sides s, size_t rounds)
{
    const kofn_field *f = kofn_field_find("gf256");
    unsigned char *a = new_elements(f, s.rows * s.inner, 1),
                  *b = new_elements(f, s.inner * s.cols, 2);
    unsigned char *c = new_elements(f, s.rows * s.cols, 3), *other = bench_alloc(s.rows * s.cols);
    unsigned char *small = new_elements(f, (size_t)16 * (16 << 10), 4);
    unsigned char *tables = bench_alloc(32 * s.rows * s.inner);
    unsigned char **rows = bench_alloc((s.rows + s.inner) * sizeof *rows);
    double *ours = bench_alloc(rounds * sizeof *ours), *whole = bench_alloc(rounds * sizeof *ours);
    double *best = bench_alloc(rounds * sizeof *ours);
    for (size_t i = 0; i < rounds; i++) {
        ours[i] = time_product(f, s, a, b, c);
        whole[i] = time_isal_product(s, a, b, other, tables, rows);
        best[i] = time_isal_encode(s, small, tables);
    }
    print_rounds("gf256", "of_one_encode", whole, ours, rounds);
    print_rounds("gf256.cached", "of_cached_encode", best, ours, rounds);
    print_rate("gf256", s, ours, rounds);
    free(a), free(b), free(c), free(other), free(small), free(tables), free(rows);
    free(ours), free(whole), free(best);
}

/* Encode: six results from four blocks, against ISA-L on the same bytes where it knows the field
 * and against memcpy of what is read and written otherwise. */
static void
measure_combine(const char *name, size_t bytes, size_t rounds)
{
    enum { INS = 4, OUTS = 6 };
    const kofn_field *f;
    must(kofn_field_new(name, &f, &error));
    unsigned char *at[INS + OUTS], tables[32 * INS * OUTS], coefs[INS * OUTS];
    double coef[INS * OUTS];
    kofn_rng rng;
    kofn_rng_init(&rng, 5, 0);
    for (size_t i = 0; i < INS + OUTS; i++)
        at[i] = new_elements(f, bytes / kofn_dtype_width(f->dtype), i);
    for (size_t i = 0; i < INS * OUTS; i++) {
        coef[i] = f->draw(f, &rng);
        coefs[i] = (unsigned char)coef[i];
    }
    ec_init_tables(INS, OUTS, coefs, tables);
    const size_t stride[INS + OUTS] = {0};
    const kofn_combination c = {.outs = OUTS,
                                .ins = INS,
                                .rows = 1,
                                .len = bytes / kofn_dtype_width(f->dtype),
                                .coef = coef,
                                .src = (const void *const *)at,
                                .dst = (void *const *)at + INS,
                                .src_stride = stride,
                                .dst_stride = stride,
                                .result_bytes = OUTS * bytes};
    double *ours = bench_alloc(rounds * sizeof *ours), *theirs = bench_alloc(rounds * sizeof *ours);
    for (size_t i = 0; i < rounds; i++) {
        double start = bench_now();
        f->combine(f, &c);
        ours[i] = bench_now() - start;
        start = bench_now();
        ec_encode_data((int)bytes, INS, OUTS, tables, at, at + INS);
        theirs[i] = bench_now() - start;
    }
    char line[64];
    (void)snprintf(line, sizeof line, "%s.combine", name);
    print_rounds(line, "of_isal_same_bytes", theirs, ours, rounds);
    for (size_t i = 0; i < INS + OUTS; i++)
        free(at[i]);
    free(ours), free(theirs);
    kofn_field_destroy(&f);
}

int
main(int argc, char **argv)
{
    (void)argc;
    kofn_blas_choose_kernel(argv);
    static const char *const primes[] = {"gfp:2", "gfp:65537", "gfp:1048573", "gfp:2147483647"};
    const size_t n = bench_setting("KOFN_BENCH_N", 2000),
                 rounds = bench_setting("KOFN_BENCH_ROUNDS", 15);
    const sides s = {.rows = n / 2, .inner = n, .cols = n / 2};
    kofn_blas_set_threads(1);
    printf("kernel %s -\n", kofn_blas_kernel());
    for (size_t i = 0; i < sizeof primes / sizeof primes[0]; i++)
        measure_prime(primes[i], s, rounds);
    measure_gf256(s, rounds);
    measure_combine("gf256", (size_t)4 << 20, rounds);
    measure_combine("gfp:65537", (size_t)4 << 20, rounds);
    measure_combine("gfp:2147483647", (size_t)4 << 20, rounds);
    return 0;
}
