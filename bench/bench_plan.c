/* The planner's times against those of real daemons: the best code of each family, for the workers as
 * the master measured them, undisturbed and with one worker that is late.
 *
 * The late worker waits before each task, four times what the plan says that a task computes, so
 * that it takes `slowdown` 5 times as long without taking processors from the others. Where workers
 * share processors the model's rates are what they had while they shared them, in jobs just run.
 */
#include "bench/bench.h"
#include "bench/product.h"
#include "common/linalg/blas.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static kofn_error error;

static void
must(kofn_status status)
{
    if (status != KOFN_OK)
        bench_die("%s", error.text);
}

static void
warm_up(const product *p, kofn_client *client)
{
    for (size_t i = 0; i < 4; i++)
        (void)product_time(p, client, 0, NULL, NULL, NULL);
}

static double
measure(product *p, const kofn_plan_choice *choice, cluster *daemons, size_t rounds)
{
    double *times = bench_alloc(rounds * sizeof *times);
    p->options.code = choice->code;
    p->options.policy = choice->policy;
    for (size_t i = 0; i < rounds + 1; i++) { // the first one builds the code
        times[i == 0 ? 0 : i - 1] =
            product_time(p, cluster_get_client(daemons), 0, NULL, NULL, NULL);
        for (size_t w = 0; w < PRODUCT_WORKERS; w++)
            cluster_await_running(daemons, w, 0);
    }
    const double median = bench_median(times, rounds);
    free(times);
    return median;
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

static void
print_one(const char *family, const char *kind, double measured, double predicted, double *ratios,
          size_t *count)
{
    char name[96];
    ratios[(*count)++] = measured / predicted;
    (void)fprintf(stderr, "%-12s %-6s predicted %6.1f ms, measured %6.1f ms\n", family, kind,
                  predicted * 1e3, measured * 1e3);
    (void)snprintf(name, sizeof name, "plan.%s.%s", family, kind);
    bench_print(name, measured / predicted, "of_predicted");
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
    kofn_client *client = cluster_get_client(daemons);
    warm_up(&p, client);

    const kofn_plan_question question = {.dtype = KOFN_F64,
                                         .rows = n,
                                         .inner = n,
                                         .cols = n,
                                         .stragglers = 1,
                                         .limit = 1};
    kofn_plan_answer plan;
    must(kofn_client_plan(client, &question, &plan, &error));
    if (!plan.measured || plan.count == 0)
        bench_die("the workers were not measured");
    (void)fprintf(stderr, "%.3g Gflop/s, %.3g GB/s\n%s\n", plan.gflops, plan.link_rate * 1e-9,
                  plan.verdict);
    const double task = plan.choices[0].flops / (plan.gflops * 1e9);
    cluster *late = start_late(&late_state, 4 * task);
    warm_up(&p, cluster_get_client(late));

    double *ratios = bench_alloc(2 * plan.count * sizeof *ratios);
    size_t count = 0;
    for (size_t i = 0; i < plan.count; i++) {
        const kofn_plan_choice *choice = &plan.choices[i];
        const char *family = choice->code.family;
        print_one(family, "calm", measure(&p, choice, daemons, rounds), choice->seconds, ratios,
                  &count);
        print_one(family, "late", measure(&p, choice, late, rounds), choice->seconds_late, ratios,
                  &count);
    }
    bench_print("plan.ratio.median", bench_median(ratios, count), "of_predicted");
    bench_print("plan.ratio.least", bench_quantile(ratios, count, 0), "of_predicted");
    bench_print("plan.ratio.most", bench_quantile(ratios, count, 1), "of_predicted");
    bench_print("plan.gflops", plan.gflops, "Gflop/s");
    bench_print("plan.link", plan.link_rate * 1e-9, "GB/s");
    free(ratios);
    kofn_plan_answer_fini(&plan);
    (void)cluster_teardown(&late_state);
    (void)cluster_teardown(&state);
    product_fini(&p);
    return 0;
}
