/* Tables I and II: every scheme, every row, every fold, each appended to a file as it ends.
 *
 *     bench_eps_tables --mnist DIR --out runs.csv [--folds 10] [--iterations 40000] [--jobs 2]
 *     bench_eps_tables --synthetic 2000 --out runs.csv --iterations 200 --folds 1
 *
 * A chunk of work is one row of the tables in one fold: its schemes, each with worst-case and
 * random losses, side by side. Chunks go fold by fold, so that every cell has its first folds
 * early; what the file holds already is not run again, so an interrupted run goes on when started
 * again.
 *
 * Processes  `jobs` children take chunks from a shared counter; a chunk ends as one write.
 */
#include "bench/bench.h"
#include "bench/papers/eps-approx/regression.h"
#include "common/linalg/blas.h"

#include <cblas.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct unit {
    const char *scheme; // as RESULTS.md names it
    const char *family;
    decoding how;
    double gamma;
    size_t m, answers, nodes;
} unit;

/* gamma of approximate MatDot: what the names of the authors' code files say; the paper does not.
 * That of eps_matdot: as the family tunes itself. */
static const unit units[] = {
    {"uncoded", "uncoded", DECODING_SUM, 0, 1, 1, 1},
    {"two-lost", "uncoded", DECODING_SUM, 0, 5, 3, 5},
    {"two-lost", "uncoded", DECODING_SUM, 0, 20, 18, 20},
    {"approx-matdot", "matdot", DECODING_POWERS, 2, 20, 20, 22},
    {"chebyshev", "chebyshev", DECODING_PRODUCTS, 1, 20, 20, 22},
    {"balanced", "eps_matdot", DECODING_BALANCED, 0, 20, 20, 22},
    {"approx-matdot", "matdot", DECODING_POWERS, 400, 5, 5, 7},
    {"chebyshev", "chebyshev", DECODING_PRODUCTS, 1, 5, 5, 7},
    {"balanced", "eps_matdot", DECODING_BALANCED, 0, 5, 5, 7},
    {"approx-matdot", "matdot", DECODING_POWERS, 400, 5, 6, 8},
    {"chebyshev", "chebyshev", DECODING_PRODUCTS, 1, 5, 6, 8},
    {"balanced", "eps_matdot", DECODING_BALANCED, 0, 5, 6, 8},
    {"approx-matdot", "matdot", DECODING_POWERS, 400, 5, 7, 9},
    {"chebyshev", "chebyshev", DECODING_PRODUCTS, 1, 5, 7, 9},
    {"balanced", "eps_matdot", DECODING_BALANCED, 0, 5, 7, 9},
    {"approx-matdot", "matdot", DECODING_POWERS, 400, 5, 8, 10},
    {"chebyshev", "chebyshev", DECODING_PRODUCTS, 1, 5, 8, 10},
    {"balanced", "eps_matdot", DECODING_BALANCED, 0, 5, 8, 10},
    {"approx-matdot", "matdot", DECODING_POWERS, 1, 5, 9, 11},
    {"chebyshev", "chebyshev", DECODING_PRODUCTS, 1, 5, 9, 11},
    {"balanced", "eps_matdot", DECODING_BALANCED, 0, 5, 9, 11},
};

enum { UNITS = sizeof units / sizeof units[0], JOBS_MAX = 64, LINE_SIZE = 512 };

typedef struct settings {
    const char *folder, *out;
    size_t synthetic; // images; 0: MNIST
    size_t folds, iterations, jobs;
    uint64_t seed;
} settings;

static const char columns[] = "scheme,m,answers,nodes,scenario,fold,iterations,seed,"
                              "gamma,loss,train_sure,test_sure,train_top,test_top,seconds\n";

/* Of the lines' beginnings up to `seed`: what tells one run from another. */
static void
format_key(const settings *s, const unit *u, const char *scenario, size_t fold,
           char ret_key[LINE_SIZE])
{
    (void)snprintf(ret_key, LINE_SIZE, "%s,%zu,%zu,%zu,%s,%zu,%zu,%llu,", u->scheme, u->m,
                   u->answers, u->nodes, scenario, fold, s->iterations,
                   (unsigned long long)s->seed);
}

static bool
has_line(const char *text, const char *key)
{
    for (const char *at = text; (at = strstr(at, key)) != NULL; at++) {
        if (at == text || at[-1] == '\n')
            return true;
    }
    return false;
}

/* What the file holds, with the columns as its first line should it be new. */
static char *
read_done(const char *path)
{
    FILE *file = fopen(path, "a+");
    if (!file)
        bench_die("%s cannot be written", path);
    (void)fseek(file, 0, SEEK_END);
    if (ftell(file) == 0)
        (void)fputs(columns, file);
    const long size = ftell(file);
    char *text = bench_alloc((size_t)size + 1);
    rewind(file);
    if (fread(text, 1, (size_t)size, file) != (size_t)size)
        bench_die("%s cannot be read", path);
    (void)fclose(file);
    return text;
}

/* Schemes of one row that one fold still lacks. */
typedef struct chunk {
    size_t fold, count;
    const unit *unit[UNITS];
} chunk;

static int
format_line(const settings *s, const unit *u, const scheme *code, const char *scenario, size_t fold,
            double loss, const regression_accuracy *a, double seconds, char *ret_line)
{
    char key[LINE_SIZE];
    format_key(s, u, scenario, fold, key);
    return snprintf(ret_line, LINE_SIZE, "%s%.6g,%.3g,%.4f,%.4f,%.4f,%.4f,%.1f\n", key, code->gamma,
                    loss, a->train_sure, a->test_sure, a->train_top, a->test_top, seconds);
}

/* One line, or two where patterns differ: `loss` of the worst, and the mean of all. */
static int
format_unit(const settings *s, const unit *u, const scheme *code, size_t fold,
            const regression_result *r, char *ret_lines)
{
    double mean = 0;
    for (size_t i = 0; i < code->patterns; i++)
        mean += code->loss[i] / (double)code->patterns;
    int length = format_line(s, u, code, "worst", fold, code->loss[code->worst], &r->worst,
                             r->seconds, ret_lines);
    if (code->patterns > 1)
        length += format_line(s, u, code, "random", fold, mean, &r->random, r->seconds,
                              ret_lines + length);
    return length;
}

static void
run_chunk(const settings *s, const mnist *data, const chunk *c)
{
    scheme *code[UNITS];
    regression_result result[UNITS];
    const kofn_shape shape = {MNIST_CLASSES, data->features, REGRESSION_BATCH}; // of W X
    for (size_t i = 0; i < c->count; i++) {
        const unit *u = c->unit[i];
        code[i] = scheme_new(u->family, u->m, u->nodes, u->answers, u->gamma, shape, u->how);
    }
    const regression_params params = {.data = data,
                                      .schemes = c->count,
                                      .scheme = (const scheme *const *)code,
                                      .seed = s->seed,
                                      .fold = c->fold,
                                      .iterations = s->iterations,
                                      .rate = 0.001};
    regression_run(&params, result);

    char text[UNITS * 2 * LINE_SIZE];
    int length = 0;
    for (size_t i = 0; i < c->count; i++) {
        length += format_unit(s, c->unit[i], code[i], c->fold, &result[i], text + length);
        scheme_destroy(&code[i]);
    }
    const int file = open(s->out, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (file < 0 || write(file, text, (size_t)length) != length)
        bench_die("%s cannot be written", s->out);
    (void)close(file);
}

typedef struct list {
    size_t count;
    chunk *at;
} list;

static bool
is_same_row(const unit *a, const unit *b)
{
    return a->m == b->m && a->answers == b->answers && a->nodes == b->nodes;
}

static list
list_new(const settings *s)
{
    char *done = read_done(s->out), key[LINE_SIZE];
    list todo = {.at = bench_alloc(s->folds * UNITS * sizeof *todo.at)};
    for (size_t fold = 0; fold < s->folds; fold++) {
        chunk *last = NULL; // of this fold
        for (size_t u = 0; u < UNITS; u++) {
            format_key(s, &units[u], "worst", fold, key);
            if (has_line(done, key))
                continue;
            if (!last || !is_same_row(last->unit[0], &units[u])) {
                last = &todo.at[todo.count++];
                last->fold = fold;
            }
            last->unit[last->count++] = &units[u];
        }
    }
    free(done);
    return todo;
}

static void
work(const settings *s, const mnist *data, const list *todo, atomic_size_t *next, double start)
{
    size_t i;
    while ((i = atomic_fetch_add(next, 1)) < todo->count) {
        const chunk *c = &todo->at[i];
        const double before = bench_now();
        run_chunk(s, data, c);
        const double now = bench_now();
        fprintf(stderr, "%3zu of %zu: fold %zu, (%zu,%zu,%zu) in %.0f s; about %.0f min left\n",
                i + 1, todo->count, c->fold, c->unit[0]->m, c->unit[0]->answers, c->unit[0]->nodes,
                now - before, (now - start) / (double)(i + 1) * (double)(todo->count - i - 1) / 60);
    }
}

static settings
parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"mnist", required_argument, NULL, 'm'},      {"out", required_argument, NULL, 'o'},
        {"synthetic", required_argument, NULL, 's'},  {"folds", required_argument, NULL, 'f'},
        {"iterations", required_argument, NULL, 'i'}, {"jobs", required_argument, NULL, 'j'},
        {"seed", required_argument, NULL, 'S'},       {NULL, 0, NULL, 0},
    };
    settings s = {.folds = REGRESSION_FOLDS, .iterations = 40000, .jobs = 2, .seed = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        const size_t number = optarg ? strtoul(optarg, NULL, 10) : 0;
        switch (option) {
        case 'm':
            s.folder = optarg;
            break;
        case 'o':
            s.out = optarg;
            break;
        case 's':
            s.synthetic = number;
            break;
        case 'f':
            s.folds = number;
            break;
        case 'i':
            s.iterations = number;
            break;
        case 'j':
            s.jobs = number;
            break;
        case 'S':
            s.seed = number;
            break;
        default:
            bench_die("see the head of eps_tables.c for the options");
        }
    }
    if (!s.out || (!s.folder && s.synthetic == 0))
        bench_die("need --out FILE, and --mnist DIR or --synthetic IMAGES");
    if (s.folds < 1 || s.folds > REGRESSION_FOLDS || s.jobs < 1 || s.jobs > JOBS_MAX)
        bench_die("folds=%zu, jobs=%zu: 1 to %d folds, 1 to %d jobs", s.folds, s.jobs,
                  REGRESSION_FOLDS, JOBS_MAX);
    return s;
}

int
main(int argc, char **argv)
{
    kofn_blas_choose_kernel(argv);
    openblas_set_num_threads(1); // the folds are what runs side by side
    const settings s = parse(argc, argv);
    list todo = list_new(&s);
    mnist data = s.folder ? mnist_load(s.folder) : mnist_synthesize(s.synthetic, 8, s.seed);
    atomic_size_t *next =
        mmap(NULL, sizeof *next, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (next == MAP_FAILED)
        bench_die("no shared memory");
    atomic_init(next, 0);

    const double start = bench_now();
    for (size_t i = 0; i < s.jobs; i++) {
        const pid_t child = fork();
        if (child < 0)
            bench_die("no process");
        if (child == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGTERM); // without it, children go on; no harm but load
            work(&s, &data, &todo, next, start);
            _exit(0);
        }
    }
    int status, failed = 0;
    while (wait(&status) > 0)
        failed |= status != 0;
    mnist_fini(&data);
    free(todo.at);
    return failed;
}
