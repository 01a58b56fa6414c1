/* For a program that ends at the first error: must(kofn_multiply(..., &error)). Each file that
 * includes this has an error of its own.
 */
#ifndef KOFN_BENCH_MUST_H
#define KOFN_BENCH_MUST_H

#include "bench/bench.h"
#include "common/base/status.h"

static kofn_error error;

static inline void
must(kofn_status status)
{
    if (status != KOFN_OK)
        bench_die("%s", error.text);
}

#endif
