/* The regression through real daemons: a master, eleven workers, libkofn.
 *
 *     bench_eps_cluster --mnist DIR --out cluster.csv [--iterations 300]
 *
 *     Z = W X      orthomatdot 1,5,1   X cut into 5 row blocks     any 9 of 11 answers
 *     G = H X^T    orthopoly 1,1,5     X^T into 5 column blocks    any 5 of 11
 *
 *     Z = W X      eps_matdot 1,5,1    for nearly Z                any 5 of 11
 *
 * Column blocks of X^T are the row blocks of X, and both codes mix blocks of B with T_0 to T_4 at
 * the same eleven points. So X is stored once an iteration, and what the master coded for the first
 * product serves the second, transposed by the workers. (Approximate MatDot cannot do that with its
 * own second product, which cuts X by samples.)
 *
 * Runs of the same regression: on one core by BLAS alone; with X sent in each product; with X
 * stored, and with two workers killed halfway; with eps_matdot for Z.
 */
#include "bench/must.h"
#include "bench/papers/eps-approx/regression.h"
#include "common/linalg/blas.h"
#include "tests/integration/cluster.h"

#include <cblas.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = MNIST_CLASSES, BATCH = REGRESSION_BATCH, WORKERS = 11, KILLED = 2, PARTS = 5 };

typedef enum way { WAY_LOCAL, WAY_SENT, WAY_STORED, WAY_NEARLY } way;

typedef struct site {
    cluster *daemons;
    kofn_client *client;
    kofn_product_options exactly, nearly; // of W X
    kofn_product_options backward;        // of H X^T
} site;

typedef struct run {
    const char *name;
    const regression_params *p;
    way way;
    bool kills; // KILLED workers, halfway
    double *w;  // [CLASSES, features]
    double seconds;
    uint64_t blocks_reused, answers[2]; // answers used in each product, over all iterations
    regression_accuracy accuracy;
} run;

static kofn_product_options
options_new(const char *family, const char *partition)
{
    kofn_product_options o = {0};
    must(kofn_code_choice_set(&o.code, "family", family, &error));
    must(kofn_code_choice_set(&o.code, "partition", partition, &error));
    o.code.tasks = WORKERS;
    return o;
}

static kofn_matrix
view(const double *at, size_t rows, size_t cols)
{
    return (kofn_matrix){.data = at, .dtype = KOFN_F64, .rows = rows, .cols = cols};
}

/* to := a b, [CLASSES, cols], by the cluster. */
static void
multiply(run *r, const site *s, const kofn_product_options *options, const kofn_matrix *a,
         const kofn_matrix *b, double *to)
{
    kofn_result *result;
    must(kofn_client_multiply(s->client, a, b, options, &result, &error));
    must(kofn_result_copy(result, to, 0, &error));
    const kofn_account *account = kofn_result_get_account(result);
    r->blocks_reused += account->blocks_reused;
    r->answers[options == &s->backward] += account->answers_used;
    kofn_result_destroy(&result);
}

/* z := W X. */
static void
go_forward(run *r, const site *s, const kofn_matrix *x, double *z)
{
    const size_t features = r->p->data->features;
    const kofn_matrix w = view(r->w, CLASSES, features);
    if (r->way == WAY_LOCAL)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, CLASSES, BATCH, (int)features, 1,
                    r->w, (int)features, x->data, BATCH, 0, z, BATCH);
    else
        multiply(r, s, r->way == WAY_NEARLY ? &s->nearly : &s->exactly, &w, x, z);
}

/* g := H X^T. */
static void
go_backward(run *r, const site *s, const double *h, const kofn_matrix *x, double *g)
{
    const size_t features = r->p->data->features;
    const kofn_matrix left = view(h, CLASSES, BATCH);
    kofn_matrix turned = *x;
    turned.transposed = true;
    if (r->way == WAY_LOCAL)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, CLASSES, (int)features, BATCH, 1, h,
                    BATCH, x->data, BATCH, 0, g, (int)features);
    else
        multiply(r, s, &s->backward, &left, &turned, g);
}

static void
iterate(run *r, const site *s, const uint32_t *sample, double *x, double *z, double *h, double *g)
{
    const mnist *data = r->p->data;
    for (size_t i = 0; i < BATCH; i++) {
        for (size_t k = 0; k < data->features; k++)
            x[k * BATCH + i] = data->image[sample[i] * data->features + k];
    }
    char id[KOFN_CLIENT_JOB_MAX];
    kofn_matrix operand = view(x, data->features, BATCH);
    const bool is_stored = r->way == WAY_STORED || r->way == WAY_NEARLY;
    if (is_stored) {
        must(kofn_client_put(s->client, &operand, NULL, id, &error));
        operand = (kofn_matrix){.operand = id};
    }
    go_forward(r, s, &operand, z);
    regression_residual(data, sample, z, h, BATCH, BATCH);
    go_backward(r, s, h, &operand, g);
    if (is_stored)
        must(kofn_client_drop(s->client, id, &error));
    cblas_daxpy((int)(CLASSES * data->features), -r->p->rate, g, 1, r->w, 1);
}

static void
train(run *r, const site *s)
{
    const size_t features = r->p->data->features;
    regression_draws draws = regression_draws_new(r->p);
    double *x = bench_alloc(features * BATCH * sizeof *x), *z = bench_alloc(CLASSES * BATCH * 8);
    double *h = bench_alloc(CLASSES * BATCH * 8), *g = bench_alloc(CLASSES * features * 8);
    uint32_t sample[BATCH];
    r->w = bench_alloc(CLASSES * features * sizeof *r->w);
    regression_draw_weights(r->p, r->w, features);
    const double start = bench_now();
    for (size_t t = 0; t < r->p->iterations; t++) {
        for (size_t i = 0; r->kills && t == r->p->iterations / 2 && i < KILLED; i++)
            cluster_signal_worker(s->daemons, i, SIGKILL);
        regression_draw_batch(&draws, sample);
        iterate(r, s, sample, x, z, h, g);
    }
    r->seconds = bench_now() - start;
    r->accuracy = regression_measure(r->p->data, &draws, r->w, features);
    free(g);
    free(h);
    free(z);
    free(x);
    regression_draws_fini(&draws);
}

/* |W - W_local|_F / |W_local|_F. */
static double
distance(const run *one, const run *local)
{
    const size_t count = CLASSES * local->p->data->features;
    double square = 0;
    for (size_t i = 0; i < count; i++)
        square += (one->w[i] - local->w[i]) * (one->w[i] - local->w[i]);
    return sqrt(square) / cblas_dnrm2((int)count, local->w, 1);
}

static void
print_run(FILE *out, const run *r, const run *local)
{
    const double iterations = (double)r->p->iterations;
    fprintf(out, "%s_ms,%.3g\n", r->name, 1e3 * r->seconds / iterations);
    fprintf(out, "%s_test,%.2f\n", r->name, r->accuracy.test_top);
    fprintf(out, "%s_distance,%.2g\n", r->name, distance(r, local));
    fprintf(out, "%s_reused,%.2f\n", r->name, (double)r->blocks_reused / iterations);
    fprintf(out, "%s_forward_answers,%.2f\n", r->name, (double)r->answers[0] / iterations);
    fprintf(out, "%s_backward_answers,%.2f\n", r->name, (double)r->answers[1] / iterations);
}

static void
run_all(FILE *out, const regression_params *p)
{
    run runs[] = {{.name = "local", .p = p, .way = WAY_LOCAL},
                  {.name = "sent", .p = p, .way = WAY_SENT},
                  {.name = "stored", .p = p, .way = WAY_STORED},
                  {.name = "nearly", .p = p, .way = WAY_NEARLY},
                  {.name = "lost", .p = p, .way = WAY_STORED, .kills = true}}; // the last: for good
    enum { RUNS = sizeof runs / sizeof runs[0] };
    void *state = NULL;
    site s = {.daemons = cluster_new_ready(&state, "", WORKERS),
              .exactly = options_new("orthomatdot", "1,5,1"),
              .nearly = options_new("eps_matdot", "1,5,1"),
              .backward = options_new("orthopoly", "1,1,5")};
    s.client = cluster_get_client(s.daemons);
    fprintf(out, "name,value\niterations,%zu\nworkers,%d\nkilled,%d\nparts,%d\n", p->iterations,
            WORKERS, KILLED, PARTS);
    for (size_t i = 0; i < RUNS; i++) {
        train(&runs[i], &s);
        print_run(out, &runs[i], &runs[0]);
    }
    (void)cluster_teardown(&state); // says nothing: it kills what runs
    for (size_t i = 0; i < RUNS; i++)
        free(runs[i].w);
}

typedef struct settings {
    const char *folder, *out;
    size_t synthetic, iterations;
} settings;

static settings
parse(int argc, char **argv)
{
    static const struct option options[] = {{"mnist", required_argument, NULL, 'm'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"synthetic", required_argument, NULL, 's'},
                                            {"iterations", required_argument, NULL, 'i'},
                                            {NULL, 0, NULL, 0}};
    settings s = {.iterations = 300};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'm':
            s.folder = optarg;
            break;
        case 'o':
            s.out = optarg;
            break;
        case 's':
            s.synthetic = strtoul(optarg, NULL, 10);
            break;
        case 'i':
            s.iterations = strtoul(optarg, NULL, 10);
            break;
        default:
            bench_die("see the head of eps_cluster.c for the options");
        }
    }
    if (!s.out || (!s.folder && s.synthetic == 0) || s.iterations == 0)
        bench_die("need --out FILE, --mnist DIR or --synthetic IMAGES, and an iteration");
    return s;
}

int
main(int argc, char **argv)
{
    kofn_blas_choose_kernel(argv);
    openblas_set_num_threads(1);
    const settings set = parse(argc, argv);
    mnist data = set.folder ? mnist_load(set.folder) : mnist_synthesize(set.synthetic, 8, 1);
    const regression_params params = {
        .data = &data, .seed = 1, .iterations = set.iterations, .rate = 0.001};
    FILE *out = fopen(set.out, "w");
    if (!out)
        bench_die("%s cannot be written", set.out);

    run_all(out, &params);
    if (fclose(out) != 0)
        bench_die("%s cannot be written", set.out);
    mnist_fini(&data);
    return 0;
}
