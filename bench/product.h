/* The product that the end-to-end benchmarks run, through libkofn and real daemons.
 *
 * Daemons are started by the tests' own helper (tests/integration/cluster.h): four workers of one
 * BLAS thread on loopback, the code rkrp 2,1,2 with five tasks, of which any four suffice.
 */
#ifndef KOFN_BENCH_PRODUCT_H
#define KOFN_BENCH_PRODUCT_H

#include "tests/integration/cluster.h"

enum { PRODUCT_WORKERS = 4, PRODUCT_TASKS = 5 };

typedef struct product {
    size_t n;
    const double *a, *b; // [n, n]
    kofn_product_options options;
} product;

product product_new(size_t n);
void product_fini(product *p);

/* One job, in seconds from the call to the last element; `while_running` (may be NULL) is called
 * once, `after` seconds into it, unless it has ended by then. */
double product_time(const product *p, kofn_client *client, double after,
                    void (*while_running)(void *context), void *context, kofn_account *ret_account);

#endif
