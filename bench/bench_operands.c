/* What a stored operand saves: a product with A sent, the first that names a stored A, and the
 * second, in turns; for a square A and for a tall one times a few columns, where A is all there is
 * to send and to encode.
 *
 *     sent     A and B travel, both are encoded
 *     first    B travels; A lies with the master and is encoded
 *     second   B travels; the workers have the coded blocks of A
 *     bare     the second product of workers without a cache: the master has the coded blocks, and
 *              sends them
 *
 * Each round puts A anew, so that there is a first product in it.
 */
#include "bench/must.h"
#include "bench/product.h"

#include <stdio.h>
#include <stdlib.h>

enum { WARM_UP = 2 };

typedef struct shape {
    const char *name;
    size_t rows, inner, cols;
} shape;

typedef struct column { // of the rounds
    double *time, *encode, *receive;
} column;

/* Every task's blocks by arithmetic: no row of this code is plain. */
static kofn_product_options
dense_code(void)
{
    kofn_product_options options = {.policy = "oneshot", .code = {.tasks = PRODUCT_TASKS}};
    must(kofn_code_choice_set(&options.code, "family", "polynomial", &error));
    must(kofn_code_choice_set(&options.code, "partition", "2,1,2", &error));
    return options;
}

static void
measure(kofn_client *client, const kofn_matrix *a, const kofn_matrix *b,
        const kofn_product_options *options, const column *to, size_t at)
{
    kofn_result *result = NULL;
    const double start = bench_now();
    must(kofn_client_multiply(client, a, b, options, &result, &error));
    to->time[at] = bench_now() - start;
    to->encode[at] = kofn_result_get_account(result)->seconds.encode;
    to->receive[at] = kofn_result_get_account(result)->seconds.receive;
    kofn_result_destroy(&result);
}

static column
column_new(size_t count)
{
    const size_t bytes = count * sizeof(double);
    return (column){bench_alloc(bytes), bench_alloc(bytes), bench_alloc(bytes)};
}

static void
column_fini(column *c)
{
    free(c->time);
    free(c->encode);
    free(c->receive);
}

static void
print(const char *of, const char *what, double value, const char *unit)
{
    char name[96];
    (void)snprintf(name, sizeof name, "operands.%s.%s", of, what);
    bench_print(name, value, unit);
}

static void
print_all(const shape *s, const column *sent, const column *first, const column *second,
          const column *bare, double *put, size_t count)
{
    print(s->name, "second_to_bare", bench_median_ratio(second->time, bare->time, count), "times");
    print(s->name, "second_to_first", bench_median_ratio(second->time, first->time, count),
          "times");
    print(s->name, "second_to_sent", bench_median_ratio(second->time, sent->time, count), "times");
    print(s->name, "encode.second_to_first",
          bench_median_ratio(second->encode, first->encode, count), "times");
    print(s->name, "sent.time", 1e3 * bench_median(sent->time, count), "ms");
    print(s->name, "put.time", 1e3 * bench_median(put, count), "ms");
    print(s->name, "first.time", 1e3 * bench_median(first->time, count), "ms");
    print(s->name, "bare.time", 1e3 * bench_median(bare->time, count), "ms");
    print(s->name, "second.time", 1e3 * bench_median(second->time, count), "ms");
    print(s->name, "sent.receive", 1e3 * bench_median(sent->receive, count), "ms");
    print(s->name, "second.receive", 1e3 * bench_median(second->receive, count), "ms");
    print(s->name, "first.encode", 1e3 * bench_median(first->encode, count), "ms");
    print(s->name, "second.encode", 1e3 * bench_median(second->encode, count), "ms");
}

/* The second product where workers keep no blocks. */
static void
measure_bare(kofn_client *client, const kofn_matrix *a, const kofn_matrix *b,
             const kofn_product_options *options, const column *to, size_t at)
{
    char id[KOFN_CLIENT_JOB_MAX];
    const kofn_matrix stored = {.operand = id};
    must(kofn_client_put(client, a, NULL, id, &error));
    measure(client, &stored, b, options, to, at);
    measure(client, &stored, b, options, to, at); // over the first
    must(kofn_client_drop(client, id, &error));
}

static void
run(kofn_client *client, kofn_client *without, const shape *s, size_t count)
{
    const double *a = bench_matrix_new(s->rows, s->inner, 1);
    const double *b = bench_matrix_new(s->inner, s->cols, 2);
    const kofn_matrix a_view = test_view(a, s->rows, s->inner),
                      b_view = test_view(b, s->inner, s->cols);
    const kofn_product_options options = dense_code();
    column sent = column_new(count), first = column_new(count), second = column_new(count);
    column bare = column_new(count);
    double *put = bench_alloc(count * sizeof *put);
    for (size_t i = 0; i < count + WARM_UP; i++) { // the first rounds are overwritten
        const size_t at = i < WARM_UP ? 0 : i - WARM_UP;
        char id[KOFN_CLIENT_JOB_MAX];
        const kofn_matrix stored = {.operand = id};
        measure(client, &a_view, &b_view, &options, &sent, at);
        const double start = bench_now();
        must(kofn_client_put(client, &a_view, NULL, id, &error));
        put[at] = bench_now() - start;
        measure(client, &stored, &b_view, &options, &first, at);
        measure(client, &stored, &b_view, &options, &second, at);
        must(kofn_client_drop(client, id, &error));
        measure_bare(without, &a_view, &b_view, &options, &bare, at);
    }
    print_all(s, &sent, &first, &second, &bare, put, count);
    column_fini(&sent);
    column_fini(&first);
    column_fini(&second);
    column_fini(&bare);
    free(put);
    free((void *)a);
    free((void *)b);
}

static cluster *
new_cluster_without_cache(void **state)
{
    cluster *c = cluster_new(state, "");
    cluster_start_master(c);
    for (size_t i = 0; i < PRODUCT_WORKERS; i++)
        cluster_start_worker(c, i, "cache: 0\n");
    cluster_await_workers(c, PRODUCT_WORKERS);
    return c;
}

int
main(void)
{
    const size_t n = bench_setting("KOFN_BENCH_N", 2000);
    const size_t count = bench_setting("KOFN_BENCH_ROUNDS", 15);
    const shape shapes[] = {{"square", n, n, n}, {"tall", 4 * n, n, 32}};
    void *state = NULL, *bare_state = NULL;
    kofn_client *client = cluster_get_client(cluster_new_ready(&state, "", PRODUCT_WORKERS));
    kofn_client *without = cluster_get_client(new_cluster_without_cache(&bare_state));
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        run(client, without, &shapes[i], count);
    (void)cluster_teardown(&state);
    (void)cluster_teardown(&bare_state);
    return 0;
}
