/* The planner's times against those of real daemons: the best code of each family, for the workers
 * as the master measured them, undisturbed and with one worker that is late.
 *
 * The late worker waits before each task, four times what the plan says that a task computes, so
 * that it takes `slowdown` 5 times as long without taking processors from the others. Where workers
 * share processors the model's rates are what they had while they shared them, in jobs just run.
 */
#include "bench/must.h"
#include "bench/product.h"
#include "common/linalg/blas.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
warm_up(const product *p, kofn_client *client)
{
    for (size_t i = 0; i < 4; i++)
        (void)product_time(p, client, 0, NULL, NULL, NULL);
}

static cluster *
start_late(void **state, double wait)
{
    char late[64];
    cluster *daemons = cluster_new_ready(state, "", 0);
    (void)snprintf(late, sizeof late, "inject:\n  sleep: %dms\n", (int)ceil(wait * 1e3));
    cluster_start_worker(daemons, 0, late);
    for (size_t w = 1; w < PRODUCT_WORKERS; w++)
        cluster_start_worker(daemons, w, "");
    cluster_await_workers(daemons, PRODUCT_WORKERS);
    return daemons;
}

/* What is measured in turns: a family on one of the clusters. */
typedef struct turn {
    product *p;
    cluster *daemons;
    const char *family;
    bool late; // a worker is
    size_t rounds;
} turn;

/* The family's best code by the rates of now. False: it has none. */
static bool
choose(const turn *t, kofn_plan_choice *ret_choice)
{
    const size_t n = t->p->n;
    const kofn_plan_question question = {
        .dtype = KOFN_F64, .rows = n, .inner = n, .cols = n, .stragglers = 1, .limit = 1};
    kofn_plan_answer plan;
    bool found = false;
    must(kofn_client_plan(cluster_get_client(t->daemons), &question, &plan, &error));
    for (size_t i = 0; i < plan.count && !found; i++) {
        found = strcmp(plan.choices[i].code.family, t->family) == 0;
        *ret_choice = plan.choices[i];
    }
    kofn_plan_answer_fini(&plan);
    return found;
}

static bool
is_same(const kofn_code_choice *a, const kofn_code_choice *b)
{
    return a->x == b->x && a->z == b->z && a->y == b->y && a->tasks == b->tasks;
}

static double
run(const turn *t, const kofn_plan_choice *choice)
{
    t->p->options.code = choice->code;
    t->p->options.policy = choice->policy;
    const double seconds = product_time(t->p, cluster_get_client(t->daemons), 0, NULL, NULL, NULL);
    for (size_t w = 0; w < PRODUCT_WORKERS; w++)
        cluster_await_running(t->daemons, w, 0); // the losers are free before the next job
    return seconds;
}

/* Each round plans anew, for the rates of the job that ran just before: a machine's load
 * changes. */
static double
compare(const turn *t)
{
    double *ratios = bench_alloc(t->rounds * sizeof *ratios);
    kofn_plan_choice choice = {.seconds = 0};
    double measured = 0, predicted = 0;
    for (size_t i = 0; i < t->rounds; i++) {
        if (!choose(t, &choice))
            bench_die("%s: no code fits any more", t->family);
        (void)run(t, &choice); // builds the code, and measures workers and link by it
        const kofn_plan_choice before = choice;
        if (choose(t, &choice) && !is_same(&before.code, &choice.code))
            (void)run(t, &choice);
        predicted = t->late ? choice.seconds_late : choice.seconds;
        measured = run(t, &choice);
        ratios[i] = measured / predicted;
    }
    const double median = bench_median(ratios, t->rounds);
    (void)fprintf(stderr, "%-12s %s last: predicted %6.1f ms, measured %6.1f ms\n", t->family,
                  t->late ? "late" : "calm", predicted * 1e3, measured * 1e3);
    free(ratios);
    return median;
}

static void
print_one(const turn *t, double *ratios, size_t *count)
{
    char name[96];
    const double ratio = compare(t);
    ratios[(*count)++] = ratio;
    (void)snprintf(name, sizeof name, "plan.%s.%s", t->family, t->late ? "late" : "calm");
    bench_print(name, ratio, "of_predicted");
}

int
main(int argc, char **argv)
{
    (void)argc;
    kofn_blas_choose_kernel(argv);
    const size_t n = bench_setting("KOFN_BENCH_N", 2000);
    const size_t rounds = bench_setting("KOFN_BENCH_PLAN_ROUNDS", 5);
    product p = product_new(n);
    void *state = NULL, *late_state = NULL;
    cluster *daemons = cluster_new_ready(&state, "", PRODUCT_WORKERS);
    warm_up(&p, cluster_get_client(daemons));

    const kofn_plan_question question = {
        .dtype = KOFN_F64, .rows = n, .inner = n, .cols = n, .stragglers = 1, .limit = 1};
    kofn_plan_answer plan;
    must(kofn_client_plan(cluster_get_client(daemons), &question, &plan, &error));
    if (!plan.measured || plan.count == 0)
        bench_die("the workers were not measured");
    (void)fprintf(stderr, "%.3g Gflop/s, %.3g GB/s\n%s\n", plan.gflops, plan.link_rate * 1e-9,
                  plan.verdict);
    cluster *late = start_late(&late_state, 4 * plan.choices[0].flops / (plan.gflops * 1e9));
    warm_up(&p, cluster_get_client(late));

    double *ratios = bench_alloc(2 * plan.count * sizeof *ratios);
    size_t count = 0;
    for (size_t i = 0; i < 2 * plan.count; i++) {
        const turn t = {.p = &p,
                        .daemons = i % 2 ? late : daemons,
                        .family = plan.choices[i / 2].code.family,
                        .late = i % 2,
                        .rounds = rounds};
        print_one(&t, ratios, &count);
    }
    bench_print("plan.ratio.median", bench_median(ratios, count), "of_predicted");
    bench_print("plan.ratio.least", bench_quantile(ratios, count, 0), "of_predicted");
    bench_print("plan.ratio.most", bench_quantile(ratios, count, 1), "of_predicted");
    free(ratios);
    kofn_plan_answer_fini(&plan);
    (void)cluster_teardown(&late_state);
    (void)cluster_teardown(&state);
    product_fini(&p);
    return 0;
}
