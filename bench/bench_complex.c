/* What complex products cost as real ones: parts, encode, the tasks that suffice, decode and parts
 * again, one after another on one thread, beside one zgemm of the same operands in the same round;
 * how far each is off; and how many tasks it takes so that any 1, 2 or 3 may be lost. Of one task
 * more than suffice the first one is lost, so there is something to decode.
 *
 * One line of CSV for each method and size, after a line with the names of the columns. `error` is
 * |C' - C| / |C|, Frobenius norms over some rows, C in long double.
 */
#include "bench/must.h"
#include "common/base/rng.h"
#include "common/code/coding.h"
#include "common/code/complex.h"
#include "common/code/spec.h"
#include "common/linalg/blas.h"
#include "common/linalg/multiply.h"
#include "common/linalg/planes.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS_MAX = 32, LOSSES = 3, SAMPLED_ROWS = 16 };

typedef struct way {
    const char *name;
    kofn_complex_method method;
    const char *family;
} way;

static const way ways[] = {
    {"3m", KOFN_COMPLEX_3M, "locality"},         {"3m_lagrange", KOFN_COMPLEX_3M, "lagrange"},
    {"4m", KOFN_COMPLEX_4M, "locality"},         {"4m_lagrange", KOFN_COMPLEX_4M, "lagrange"},
    {"plain", KOFN_COMPLEX_PLAIN, "polynomial"}, // in four blocks: tasks as large as those of both
};

static const kofn_partition plain_part = {2, 1, 2};

typedef struct problem {
    size_t size;         // of all dimensions
    kofn_mat a, b, c;    // c128
    long double *sample; // some rows of C: pairs of parts
    double norm;         // of these
} problem;

/* ---- the problem ----------------------------------------------------------------------------- */

static kofn_mat
new_mat(kofn_dtype dtype, size_t rows, size_t cols)
{
    const size_t bytes = rows * cols * kofn_dtype_width(dtype);
    return kofn_mat_wrap(memset(bench_alloc(bytes), 0, bytes), dtype, rows, cols);
}

static kofn_mat
new_operand(size_t size, uint64_t seed)
{
    kofn_mat m = new_mat(KOFN_C128, size, size);
    double *parts = m.data;
    kofn_rng rng;
    kofn_rng_init(&rng, seed, 0);
    for (size_t i = 0; i < 2 * size * size; i++)
        parts[i] = kofn_rng_normal(&rng);
    return m;
}

static size_t
sampled_row(const problem *p, size_t i)
{
    return i * (p->size / SAMPLED_ROWS);
}

static void
multiply_sample(problem *p)
{
    const double *a = p->a.data, *b = p->b.data;
    long double sum = 0;
    p->sample = bench_alloc(2 * SAMPLED_ROWS * p->size * sizeof *p->sample);
    memset(p->sample, 0, 2 * SAMPLED_ROWS * p->size * sizeof *p->sample);
    for (size_t i = 0; i < SAMPLED_ROWS; i++)
        for (size_t k = 0; k < p->size; k++) {
            const double *z = a + 2 * (sampled_row(p, i) * p->size + k), *w = b + 2 * k * p->size;
            long double *to = p->sample + 2 * i * p->size;
            for (size_t j = 0; j < 2 * p->size; j += 2) {
                to[j] += (long double)z[0] * w[j] - (long double)z[1] * w[j + 1];
                to[j + 1] += (long double)z[0] * w[j + 1] + (long double)z[1] * w[j];
            }
        }
    for (size_t i = 0; i < 2 * SAMPLED_ROWS * p->size; i++)
        sum += p->sample[i] * p->sample[i];
    p->norm = (double)sqrtl(sum);
}

static double
find_error(const problem *p)
{
    const double *c = p->c.data;
    long double sum = 0;
    for (size_t i = 0; i < SAMPLED_ROWS; i++)
        for (size_t j = 0; j < 2 * p->size; j++) {
            const long double off =
                c[2 * sampled_row(p, i) * p->size + j] - p->sample[2 * i * p->size + j];
            sum += off * off;
        }
    return (double)sqrtl(sum) / p->norm;
}

static problem
new_problem(size_t size)
{
    problem p = {.size = size,
                 .a = new_operand(size, 1),
                 .b = new_operand(size, 2),
                 .c = new_mat(KOFN_C128, size, size)};
    multiply_sample(&p);
    return p;
}

static void
free_problem(problem *p)
{
    free(p->a.data);
    free(p->b.data);
    free(p->c.data);
    free(p->sample);
}

/* ---- codes ----------------------------------------------------------------------------------- */

static kofn_batch *
new_batch(const way *w)
{
    static const bool as_stored[2] = {false};
    kofn_batch *batch = NULL;
    if (w->method != KOFN_COMPLEX_PLAIN)
        must(kofn_complex_batch_new(w->method, (kofn_partition){1, 1, 1}, as_stored, NULL,
                                    kofn_field_find("f64"), &batch, &error));
    return batch;
}

/* NULL: so many tasks are too few. */
static kofn_code *
new_code(const way *w, const kofn_batch *batch, size_t tasks)
{
    const kofn_field *f = kofn_field_find("f64");
    kofn_code_spec spec = {.tasks = tasks, .has_seed = true};
    kofn_code *code = NULL;
    const kofn_code_context context = {.field = f, .rows = 4, .inner = 4, .cols = 4, .workers = 1};
    must(kofn_code_spec_set(&spec, "family", w->family, &error));
    if (batch)
        must(kofn_code_spec_set_batch(&spec, batch, &error));
    else
        spec.part = plain_part;
    if (kofn_code_spec_complete(&spec, &context, &error) == KOFN_OK)
        (void)!kofn_code_spec_build(&spec, f, &code, &error); // NULL then
    return code;
}

/* The fewest of which any `losses` may be lost. */
static kofn_code *
find_code(const way *w, const kofn_batch *batch, size_t losses)
{
    for (size_t tasks = 1; tasks <= TASKS_MAX; tasks++) {
        kofn_code *code = new_code(w, batch, tasks);
        if (code && code->tasks >= code->threshold + losses)
            return code;
        kofn_code_destroy(&code);
    }
    bench_die("%s: no %d tasks lose %zu", w->name, TASKS_MAX, losses);
}

/* ---- products -------------------------------------------------------------------------------- */

typedef struct job {
    const problem *p;
    kofn_code *code;
    kofn_coding coding;
    kofn_decode_plan plan;
    kofn_mat planes[2], c;
    kofn_mat blocks[2], answers[TASKS_MAX];
} job;

static void
plan_job(job *j)
{
    kofn_decoder *d = NULL;
    must(kofn_decoder_new(j->code, INFINITY, &d, &error));
    for (size_t task = j->code->tasks - j->code->threshold; task < j->code->tasks; task++)
        must(kofn_decoder_add(d, task, &error));
    must(kofn_decoder_plan(d, 0, &j->plan, &error));
    kofn_decoder_destroy(&d);
}

static void
start_job(job *j, const problem *p, kofn_code *code, const kofn_batch *batch)
{
    static const bool as_stored[2] = {false};
    const size_t n = p->size, wide = batch ? n : 2 * n;
    const kofn_extents operands = {.count = 2, .rows = {2 * n, 2 * n}, .cols = {wide, n}};
    kofn_shape shape = {.rows = 2 * n, .inner = wide, .cols = n};
    *j = (job){.p = p, .code = code};
    if (batch) {
        must(kofn_batch_get_shape(batch, &operands, &shape, &error));
        kofn_coding_init_batch(&j->coding, code, shape, &operands, as_stored);
    } else {
        kofn_coding_init(&j->coding, code, shape, false, false);
    }
    plan_job(j);
    for (size_t side = 0; side < 2; side++) {
        size_t rows, cols;
        kofn_coding_block_shape(&j->coding, side, &rows, &cols);
        j->planes[side] = new_mat(KOFN_F64, operands.rows[side], operands.cols[side]);
        j->blocks[side] = new_mat(KOFN_F64, rows, cols);
    }
    for (size_t u = 0; u < j->plan.used; u++)
        j->answers[u] = new_mat(KOFN_F64, j->coding.part.rows, j->coding.part.cols);
    j->c = new_mat(KOFN_F64, 2 * n, n);
}

static void
end_job(job *j)
{
    for (size_t side = 0; side < 2; side++) {
        free(j->planes[side].data);
        free(j->blocks[side].data);
    }
    for (size_t u = 0; u < j->plan.used; u++)
        free(j->answers[u].data);
    free(j->c.data);
    kofn_decode_plan_fini(&j->plan);
    kofn_code_destroy(&j->code);
}

static kofn_mat
view_of(const kofn_mat *m, size_t row, size_t col, size_t size)
{
    kofn_mat view = *m;
    view.data = (double *)m->data + row * m->stride + col;
    view.rows = view.cols = size;
    return view;
}

static void
split(job *j, size_t side, const kofn_mat *from)
{
    const size_t n = j->p->size;
    kofn_mat *all = &j->planes[side], re = view_of(all, 0, 0, n), im = view_of(all, n, 0, n);
    must(kofn_planes_split("it", from, &re, &im, &error));
    if (all->cols == n)
        return;
    kofn_mat minus = view_of(all, 0, n, n), again = view_of(all, n, n, n); // the real embedding
    kofn_planes_negate(&im, &minus);
    for (size_t row = 0; row < n; row++)
        memcpy(kofn_mat_get_row(&again, row), kofn_mat_get_row(&re, row), n * sizeof(double));
}

static kofn_bands
bands_of(const kofn_mat *m)
{
    kofn_bands bands;
    must(kofn_bands_from_mat(m, &bands, &error));
    return bands;
}

static void
run_task(job *j, size_t used)
{
    for (size_t side = 0; side < 2; side++) {
        kofn_bands from = bands_of(&j->planes[side]), to = bands_of(&j->blocks[side]);
        must(kofn_coding_encode(&j->coding, side, &from, 1, &j->plan.task[used], &to, &error));
        kofn_bands_fini(&from);
        kofn_bands_fini(&to);
    }
    const kofn_product product = {.a = &j->blocks[0], .b = &j->blocks[1]};
    kofn_bands to = bands_of(&j->answers[used]);
    must(kofn_multiply(kofn_field_find("f64"), &product, &to, &error));
    kofn_bands_fini(&to);
}

static void
run_job(job *j)
{
    kofn_bands answers[TASKS_MAX], c = bands_of(&j->c);
    const kofn_bands *used[TASKS_MAX];
    kofn_mat whole = j->p->c;
    split(j, 0, &j->p->a);
    split(j, 1, &j->p->b);
    for (size_t u = 0; u < j->plan.used; u++) {
        run_task(j, u);
        answers[u] = bands_of(&j->answers[u]);
        used[u] = &answers[u];
    }
    must(kofn_coding_decode(&j->coding, &j->plan, used, kofn_coding_all_rows(&j->coding), &c,
                            &error));
    kofn_planes_join(&c, &whole);
    for (size_t u = 0; u < j->plan.used; u++)
        kofn_bands_fini(&answers[u]);
    kofn_bands_fini(&c);
}

static void
run_zgemm(const problem *p)
{
    static const double one[2] = {1, 0}, zero[2] = {0, 0};
    const int n = (int)p->size;
    cblas_zgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, one, p->a.data, n, p->b.data, n,
                zero, p->c.data, n);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void
print_line(const char *name, size_t size, double ratio, double off, const size_t tasks[LOSSES])
{
    printf("%s,%zu,%zu,%zu,%.4f,%.3e,%zu,%zu,%zu\n", name, size, size, size, ratio, off, tasks[0],
           tasks[1], tasks[2]);
}

static void
measure(const way *w, const problem *p, size_t rounds)
{
    double *ours = bench_alloc(rounds * sizeof *ours), *bare = bench_alloc(rounds * sizeof *bare);
    kofn_batch *batch = new_batch(w);
    size_t tasks[LOSSES];
    job j;
    for (size_t s = LOSSES; s >= 1; s--) {
        kofn_code *code = find_code(w, batch, s);
        tasks[s - 1] = code->tasks;
        if (s == 1)
            start_job(&j, p, code, batch); // which ends with the code
        else
            kofn_code_destroy(&code);
    }
    run_job(&j); // touches all memory
    for (size_t i = 0; i < rounds; i++) {
        double start = bench_now();
        run_zgemm(p);
        bare[i] = bench_now() - start;
        start = bench_now();
        run_job(&j);
        ours[i] = bench_now() - start;
    }
    print_line(w->name, p->size, bench_median_ratio(ours, bare, rounds), find_error(p), tasks);
    end_job(&j);
    kofn_batch_destroy(&batch);
    free(ours);
    free(bare);
}

int
main(int argc, char **argv)
{
    static const size_t none[LOSSES];
    (void)argc;
    kofn_blas_choose_kernel(argv);
    const size_t rounds = bench_setting("KOFN_BENCH_ROUNDS", 7);
    const size_t sizes[] = {256, 512, bench_setting("KOFN_BENCH_N", 1024)};
    kofn_blas_set_threads(1);
    (void)fprintf(stderr, "kernel %s\n", kofn_blas_kernel());
    puts("method,m,k,n,seconds_ratio_to_zgemm,error,tasks_s1,tasks_s2,tasks_s3");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        problem p = new_problem(sizes[i]);
        run_zgemm(&p);
        print_line("zgemm", p.size, 1, find_error(&p), none);
        for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++)
            measure(&ways[w], &p, rounds);
        free_problem(&p);
    }
    return 0;
}
