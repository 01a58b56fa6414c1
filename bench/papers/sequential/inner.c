/* The error of inner codes over a long run: 100,000 jobs for each code and size, decoded from the
 * sets of answers that DIP and IDIP make do with.
 *
 *     bench_sequential_inner [--out DIR] [--jobs 100000] [--quick] [--seed 1] [--check]
 *
 * inner.csv  A line for each scheme, code and size; of the largest a fourth of the jobs.
 *
 *     A_i, B_j   columns of INNER standard normals; u_(i,j) := A_i^T B_j, one element of each block
 *                product, in long double
 *     answers    encoded and multiplied in doubles, as workers do
 *     u^         from the first k = x y answers of a job, by the coefficients of kofn_decoder;
 *                error |u^ - u| / |u|
 *
 * A code serves JOBS_A_CODE jobs, with ten sets of matrices, then the next seed makes another one:
 * drawn codes differ. `refused` are sets for which the decoder finds no coefficients in doubles,
 * `poor` those that it says to be worth one more answer. Both count as jobs; quantiles are over all
 * jobs, a refused one as infinite.
 *
 * Stragglers are independent, DELTA each worker and round; an answer is lost when its worker
 * straggles.
 *
 *     dip        Algorithm 1: rows in turn, one each worker in rounds 1 to T, and in round T + 1
 *                lists of ceil((x y - gamma) / lambda), of which the l-th answers all come before
 *                any (l + 1)-th. A job ends at its x y-th answer.
 *     idip       Algorithm 2, patterns with more than N stragglers drawn again: block products in
 *                turn, those that failed again, and coded rows where the list runs short.
 */
#include "bench/bench.h"
#include "common/base/rng.h"
#include "common/code/decoder.h"
#include "common/code/inner.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    INNER = 8,
    PARTS_MAX = 24, // of A and of B together
    ROWS_MAX = 128,
    K_MAX = 24,
    JOBS_A_CODE = 1000,
    JOBS_A_PRODUCT = 100,
};

static const double DELTA = 0.3;

/* P, T and lambda such that rounds 1 to T bring about x y answers at DELTA; W and N such that
 * P W - N = x y. */
typedef struct size {
    size_t x, y;
    size_t dip_workers, delay, lambda;
    size_t idip_workers, window, failures;
} size;

static const size SIZES[] = {
    {2, 2, 2, 3, 1, 2, 3, 2},
    {2, 3, 3, 3, 2, 3, 3, 3},
    {3, 4, 6, 3, 3, 4, 4, 4},
    {4, 6, 12, 3, 6, 8, 4, 8},
};

typedef struct rival {
    const char *name, *family, *set, *value;
    bool mixes; // fit for idip
} rival;

static const rival RIVALS[] = {
    {"polynomial_chebyshev", "polynomial", "points", "chebyshev", false},
    {"polynomial_random", "polynomial", "points", "random", true},
    {"polynomial_spread", "polynomial", "points", "spread", true},
    {"orthopoly_spread", "orthopoly", "points", "spread", true},
    {"rkrp", "rkrp", "systematic", "no", true}, // in idip kofn_inner_build says yes
    {"rkrp_systematic", "rkrp", "systematic", "yes", false},
};

enum {
    SIZES_COUNT = sizeof SIZES / sizeof SIZES[0],
    RIVALS_COUNT = sizeof RIVALS / sizeof RIVALS[0]
};

typedef enum scheme { DIP, IDIP } scheme;

static const char *const SCHEMES[] = {"dip", "idip"};

typedef struct settings {
    const char *folder;
    size_t jobs;
    uint64_t seed;
    bool check;
} settings;

static void
must(kofn_status status, const kofn_error *err)
{
    if (status)
        bench_die("%s", err->text);
}

/* ---- which answers a job gets ---------------------------------------------------------------- */

/* The rows of its first k answers, in their order. */
typedef struct answers {
    size_t count, row[K_MAX];
} answers;

static void
take(answers *a, size_t k, size_t row)
{
    if (a->count < k)
        a->row[a->count++] = row;
}

static bool
straggles(kofn_rng *rng)
{
    return kofn_rng_unit(rng) < DELTA;
}

static size_t
dip_rows(const size *s)
{
    const size_t k = s->x * s->y;
    return s->dip_workers * (s->delay + (k + s->lambda - 1) / s->lambda);
}

static void
draw_dip(const size *s, kofn_rng *rng, answers *a)
{
    const size_t k = s->x * s->y, workers = s->dip_workers;
    size_t row = 0;
    bool straggler[K_MAX];
    a->count = 0;
    for (size_t round = 0; round < s->delay; round++)
        for (size_t w = 0; w < workers; w++, row++)
            if (!straggles(rng))
                take(a, k, row);
    size_t fast = 0;
    for (size_t w = 0; w < workers; w++) {
        straggler[w] = straggles(rng);
        fast += !straggler[w];
    }
    for (size_t w = 0; fast < s->lambda && w < workers; w++) { // it waits for so many
        fast += straggler[w];
        straggler[w] = false;
    }
    const size_t length = (k - a->count + s->lambda - 1) / s->lambda;
    for (size_t l = 0; l < length; l++)
        for (size_t w = 0; w < workers; w++)
            if (!straggler[w])
                take(a, k, row + w * length + l); // a slot's rows follow each other
}

static size_t
idip_coded(const size *s)
{
    return s->idip_workers * s->window;
}

/* Of W rounds: at most N, or as many as there are. */
static void
draw_pattern(const size *s, kofn_rng *rng, bool *straggler)
{
    const size_t slots = s->idip_workers * s->window;
    size_t failures;
    do {
        failures = 0;
        for (size_t i = 0; i < slots; i++)
            failures += straggler[i] = straggles(rng);
    } while (failures > s->failures);
}

static void
draw_idip(const size *s, kofn_rng *rng, answers *a)
{
    const size_t k = s->x * s->y, workers = s->idip_workers;
    bool straggler[ROWS_MAX];
    size_t list[ROWS_MAX], first = 0, end = k, coded = k;
    draw_pattern(s, rng, straggler);
    for (size_t i = 0; i < k; i++)
        list[i] = i;
    a->count = 0;
    for (size_t round = 0; round < s->window; round++) {
        const size_t known = end; // what fails in this round comes back in the next
        for (size_t w = 0; w < workers; w++) {
            const size_t row = first < known ? list[first++] : coded++;
            if (!straggler[round * workers + w])
                take(a, k, row);
            else if (row < k)
                list[end++] = row;
        }
    }
}

/* ---- a product and its answers --------------------------------------------------------------- */

typedef struct product {
    double a[PARTS_MAX][INNER], b[PARTS_MAX][INNER];
    long double u[K_MAX], norm;
    double answer[ROWS_MAX];
} product;

static void
encode(const double *row, size_t parts, const double block[][INNER], double *ret)
{
    for (size_t i = 0; i < INNER; i++) {
        ret[i] = 0;
        for (size_t p = 0; p < parts; p++)
            ret[i] += row[p] * block[p][i];
    }
}

static void
draw_product(const kofn_code *code, kofn_rng *rng, product *p)
{
    const size_t x = code->part.x, y = code->part.y;
    for (size_t i = 0; i < INNER; i++) {
        for (size_t part = 0; part < x; part++)
            p->a[part][i] = kofn_rng_normal(rng);
        for (size_t part = 0; part < y; part++)
            p->b[part][i] = kofn_rng_normal(rng);
    }
    long double squares = 0;
    for (size_t t = 0; t < x * y; t++) {
        p->u[t] = 0;
        for (size_t i = 0; i < INNER; i++)
            p->u[t] += (long double)p->a[t / y][i] * p->b[t % y][i];
        squares += p->u[t] * p->u[t];
    }
    p->norm = sqrtl(squares);
    for (size_t task = 0; task < code->tasks; task++) {
        double a[INNER], b[INNER];
        encode(kofn_code_get_row(code, 0, task), x, p->a, a);
        encode(kofn_code_get_row(code, 1, task), y, p->b, b);
        p->answer[task] = 0;
        for (size_t i = 0; i < INNER; i++)
            p->answer[task] += a[i] * b[i];
    }
}

static double
error_of(const product *p, const kofn_decode_plan *plan)
{
    long double squares = 0;
    for (size_t t = 0; t < plan->targets; t++) {
        double sum = 0;
        for (size_t i = 0; i < plan->used; i++)
            sum += plan->coef[t * plan->used + i] * p->answer[plan->task[i]];
        squares += (sum - p->u[t]) * (sum - p->u[t]);
    }
    return (double)(sqrtl(squares) / p->norm);
}

/* ---- a line of the file ---------------------------------------------------------------------- */

typedef struct line {
    size_t jobs, refused, poor, coded; // coded: rows in all sets
    double *error;                     // [jobs]
} line;

static void
run_job(kofn_code *code, const product *p, const answers *a, line *l)
{
    kofn_error err;
    kofn_decoder *d;
    kofn_decode_plan plan;
    must(kofn_decoder_new(code, 0, &d, &err), &err);
    for (size_t i = 0; i < a->count; i++) {
        must(kofn_decoder_add(d, a->row[i], &err), &err);
        l->coded += kofn_code_plain_column(code, a->row[i]) == SIZE_MAX;
    }
    l->poor += kofn_decoder_get_state(d) == KOFN_DECODE_POOR;
    double found = INFINITY;
    if (kofn_decoder_get_state(d) == KOFN_DECODE_NOT_YET) {
        l->refused++;
    } else {
        must(kofn_decoder_plan(d, 0x1p-53, &plan, &err), &err);
        found = error_of(p, &plan);
        kofn_decode_plan_fini(&plan);
    }
    l->error[l->jobs++] = found;
    kofn_decoder_destroy(&d);
}

static kofn_code *
build(const size *s, const rival *r, scheme kind, uint64_t seed)
{
    kofn_error err;
    kofn_code *code;
    kofn_code_spec spec = {.part = {.x = s->x, .z = 1, .y = s->y},
                           .tasks = kind == DIP ? dip_rows(s) : idip_coded(s),
                           .has_seed = true,
                           .seed = seed};
    must(kofn_code_spec_set(&spec, "family", r->family, &err), &err);
    must(kofn_code_spec_set(&spec, r->set, r->value, &err), &err);
    must(kofn_inner_build(&spec, kofn_field_find("f64"), kind == IDIP, &code, &err), &err);
    if (code->tasks > ROWS_MAX)
        bench_die("%zu rows, there is room for %d", code->tasks, ROWS_MAX);
    return code;
}

/* One code's jobs. Stragglers and matrices are the same for each rival. */
static void
run_code(const size *s, const rival *r, scheme kind, uint64_t seed, size_t jobs, line *l)
{
    kofn_code *code = build(s, r, kind, seed);
    kofn_rng rng;
    kofn_rng_init(&rng, seed, (uint64_t)1 << 62); // no code draws from that stream
    product p;
    answers a;
    for (size_t job = 0; job < jobs; job++) {
        if (job % JOBS_A_PRODUCT == 0)
            draw_product(code, &rng, &p);
        if (kind == DIP)
            draw_dip(s, &rng, &a);
        else
            draw_idip(s, &rng, &a);
        if (a.count != s->x * s->y)
            bench_die("%s: %zu of %zu answers", SCHEMES[kind], a.count, s->x * s->y);
        run_job(code, &p, &a, l);
    }
    kofn_code_destroy(&code);
}

/* Doubles carry 1e-16; what is left of them must do for a training of networks. */
static void
check(const line *l, const rival *r)
{
    const bool stable = strcmp(r->family, "polynomial") != 0;
    if (stable && l->refused > 0)
        bench_die("%s: %zu of %zu sets are not decoded", r->name, l->refused, l->jobs);
    if (stable && bench_quantile(l->error, l->jobs, 0.99) > 1e-8)
        bench_die("%s: the error is %.1e in 1 of 100 jobs", r->name,
                  bench_quantile(l->error, l->jobs, 0.99));
}

static void
run_line(const size *s, const rival *r, scheme kind, const settings *o, FILE *file)
{
    const double start = bench_now();
    const size_t k = s->x * s->y, jobs = k < K_MAX ? o->jobs : (o->jobs + 3) / 4;
    line l = {.error = bench_alloc(jobs * sizeof(double))};
    for (uint64_t seed = o->seed; l.jobs < jobs; seed++) {
        const size_t left = jobs - l.jobs;
        run_code(s, r, kind, seed, left < JOBS_A_CODE ? left : JOBS_A_CODE, &l);
    }
    fprintf(file, "%s,%s,%zu,%zu,%zu,%zu,%zu,%zu,%.3f,%.3e,%.3e,%.3e,%.3e\n", SCHEMES[kind],
            r->name, k, s->x, s->y, l.jobs, l.refused, l.poor,
            (double)l.coded / (double)(l.jobs * k), bench_quantile(l.error, l.jobs, 0.5),
            bench_quantile(l.error, l.jobs, 0.99), bench_quantile(l.error, l.jobs, 0.999),
            bench_quantile(l.error, l.jobs, 1));
    fprintf(stderr, "%s %s x y=%zu: %.1f s\n", SCHEMES[kind], r->name, k, bench_now() - start);
    if (o->check)
        check(&l, r);
    free(l.error);
}

static void
run_all(const settings *o)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/inner.csv", o->folder) >= (int)sizeof path)
        bench_die("folder '%s': too long a name", o->folder);
    FILE *file = fopen(path, "w");
    if (!file)
        bench_die("%s: %s", path, strerror(errno));
    fprintf(file, "scheme,code,k,x,y,jobs,refused,poor,coded,median,q99,q999,max\n");
    for (scheme kind = DIP; kind <= IDIP; kind++)
        for (size_t r = 0; r < RIVALS_COUNT; r++)
            for (size_t s = 0; s < SIZES_COUNT; s++)
                if (kind == DIP || RIVALS[r].mixes)
                    run_line(&SIZES[s], &RIVALS[r], kind, o, file);
    if (fclose(file) != 0)
        bench_die("%s: %s", path, strerror(errno));
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {
        {"out", required_argument, NULL, 'o'},  {"jobs", required_argument, NULL, 'j'},
        {"seed", required_argument, NULL, 's'}, {"quick", no_argument, NULL, 'q'},
        {"check", no_argument, NULL, 'c'},      {0},
    };
    settings o = {.folder = ".", .jobs = 100000, .seed = 1};
    for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (key == 'o')
            o.folder = optarg;
        else if (key == 'j')
            o.jobs = strtoull(optarg, NULL, 10);
        else if (key == 's')
            o.seed = strtoull(optarg, NULL, 10);
        else if (key == 'q')
            o.jobs = 2000;
        else if (key == 'c')
            o.check = true;
        else
            bench_die("see the head of bench/papers/sequential/inner.c");
    if (o.jobs == 0)
        bench_die("--jobs: at least 1");
    run_all(&o);
    return 0;
}
