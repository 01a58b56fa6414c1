#include "bench/product.h"

#include "bench/must.h"

#include <stdlib.h>

product
product_new(size_t n)
{
    product p = {.n = n, .options = {.policy = "oneshot"}};
    p.a = bench_matrix_new(n, n, 1);
    p.b = bench_matrix_new(n, n, 2);
    must(kofn_code_choice_set(&p.options.code, "family", "rkrp", &error));
    must(kofn_code_choice_set(&p.options.code, "partition", "2,1,2", &error));
    p.options.code.tasks = PRODUCT_TASKS;
    p.options.code.has_seed = true; // the same code in every run
    p.options.code.seed = 7;
    return p;
}

void
product_fini(product *p)
{
    free((void *)p->a);
    free((void *)p->b);
}

double
product_time(const product *p, kofn_client *client, double after,
             void (*while_running)(void *context), void *context, kofn_account *ret_account)
{
    const kofn_matrix a = test_view(p->a, p->n, p->n), b = test_view(p->b, p->n, p->n);
    kofn_call *call = NULL, *done = NULL;
    kofn_result *result = NULL;
    const double start = bench_now();
    must(kofn_client_start(client, &a, &b, &p->options, &call, &error));
    while (while_running) {
        const double left = start + after - bench_now();
        must(kofn_client_next(client, left > 0 ? (int64_t)(left * 1e3) + 1 : 0, &done, &error));
        if (done)
            break;
        if (bench_now() - start >= after) {
            while_running(context);
            break;
        }
    }
    must(kofn_call_finish(&call, &result, &error));
    const double seconds = bench_now() - start;
    if (ret_account)
        *ret_account = *kofn_result_get_account(result);
    kofn_result_destroy(&result);
    return seconds;
}
