#include "bench/papers/alloy/real/site.h"

#include "bench/bench.h"
#include "tests/integration/cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 7, VICTIMS = 2 }; // the last ones

struct site {
    void *state; // of the cluster
    cluster *daemons;
    kofn_client *client;
    bool proven;
    site_product product; // the latest, its account and its time
    kofn_account account;
    size_t killed;
    double seconds;
    kofn_error error;
};

/* ---- daemons --------------------------------------------------------------------------------- */

static void
start_victims(site *s)
{
    for (size_t i = WORKERS - VICTIMS; i < WORKERS; i++)
        cluster_start_worker(s->daemons, i, "inject: {sleep: 10min}\n");
    cluster_await_workers(s->daemons, WORKERS);
}

site *
site_new(const char *directory)
{
    char yaml[1024];
    site *s = calloc(1, sizeof *s);
    if (!s)
        bench_die("no memory");
    s->proven = true;
    (void)snprintf(yaml, sizeof yaml, "heartbeat: 100ms\nsilence: 1s\nalgorithms: %s\n", directory);
    s->daemons = cluster_new(&s->state, yaml);
    cluster_start_master(s->daemons);
    for (size_t i = 0; i < WORKERS - VICTIMS; i++)
        cluster_start_worker(s->daemons, i, "inject: {sleep: 20ms}\n");
    start_victims(s);
    s->client = cluster_get_client(s->daemons);
    return s;
}

void
site_destroy(site **site_p)
{
    site *s = *site_p;
    *site_p = NULL;
    if (!s)
        return;
    (void)cluster_teardown(&s->state); // says nothing: it kills what runs
    free(s);
}

/* ---- products -------------------------------------------------------------------------------- */

static void
must(kofn_status status, const kofn_error *error)
{
    if (status != KOFN_OK)
        bench_die("%s", error->text);
}

static kofn_product_options
fill_options(const site_product *p)
{
    const char *const sets[][2] = {{"family", p->family},
                                   {"partition", p->partition},
                                   {"tasks", p->tasks},
                                   {"algorithm", p->algorithm}};
    kofn_product_options options = {.field = p->field};
    kofn_error error;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        if (sets[i][1])
            must(kofn_code_choice_set(&options.code, sets[i][0], sets[i][1], &error), &error);
    return options;
}

/* Each victim, once it holds a task, until all are dead or the product is there. */
static void
kill_victims(site *s, kofn_call *call)
{
    bool dead[VICTIMS] = {false};
    s->killed = 0;
    while (s->killed < VICTIMS && !kofn_call_poll(call))
        for (size_t i = 0; i < VICTIMS; i++) {
            const size_t number = WORKERS - VICTIMS + i;
            if (dead[i] || cluster_get_worker(s->daemons, number).tasks_running == 0)
                continue;
            cluster_signal_worker(s->daemons, number, SIGKILL);
            dead[i] = true;
            s->killed++;
        }
    s->proven &= s->killed == VICTIMS;
    for (size_t i = 0; i < VICTIMS; i++)
        if (!dead[i])
            cluster_signal_worker(s->daemons, WORKERS - VICTIMS + i, SIGKILL);
}

kofn_status
site_multiply(site *s, const site_product *p, void *to)
{
    const kofn_product_options options = fill_options(p);
    kofn_result *result = NULL;
    kofn_call *call;
    s->product = *p;
    s->account = (kofn_account){0};
    const double start = bench_now();
    must(kofn_client_start(s->client, &p->a, &p->b, &options, &call, &s->error), &s->error);
    kill_victims(s, call);
    kofn_status status = kofn_call_finish(&call, &result, &s->error);
    s->seconds = bench_now() - start;
    if (status == KOFN_OK) {
        s->account = *kofn_result_get_account(result);
        status = kofn_result_copy(result, to, 0, &s->error);
    }
    kofn_result_destroy(&result);
    for (size_t i = WORKERS - VICTIMS; i < WORKERS; i++)
        (void)cluster_await_worker_end(s->daemons, i); // killed
    start_victims(s);
    return status;
}

bool
site_is_proven(const site *s)
{
    return s->proven;
}

/* ---- the table ------------------------------------------------------------------------------- */

void
site_print_head(void)
{
    printf("A master and %d workers; %d of them are killed while they hold tasks of a product.\n\n",
           WORKERS, VICTIMS);
    printf("%-22s %-9s %-18s %-24s %-10s %6s %6s  %s\n", "product", "field", "shape", "code",
           "answers", "killed", "s", "checked");
}

void
site_print(site *s, const char *found)
{
    const site_product *p = &s->product;
    const size_t rows = p->a.transposed ? p->a.cols : p->a.rows;
    const size_t inner = p->a.transposed ? p->a.rows : p->a.cols;
    const size_t cols = p->b.transposed ? p->b.rows : p->b.cols;
    char shape[64], code[64], answers[64] = "-", field[64];
    (void)snprintf(shape, sizeof shape, "%zu x %zu x %zu", rows, inner, cols);
    (void)snprintf(code, sizeof code, "%s%s%s", p->family, p->algorithm ? " " : "",
                   p->algorithm ? p->algorithm : "");
    (void)snprintf(field, sizeof field, "%s", p->field);
    if (s->account.prime_count > 0)
        (void)snprintf(field, sizeof field, "%zu prime%s", s->account.prime_count,
                       s->account.prime_count > 1 ? "s" : "");
    if (s->account.tasks > 0)
        (void)snprintf(answers, sizeof answers, "%" PRIu64 " of %" PRIu64, s->account.answers_used,
                       s->account.tasks);
    printf("%-22s %-9s %-18s %-24s %-10s %6zu %6.2f  %s\n", p->name, field, shape, code, answers,
           s->killed, s->seconds, found);
    (void)fflush(stdout);
}
