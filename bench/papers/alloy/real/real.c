/* Real uses of exact products, end to end: parity of files over GF(2^8), and Gram matrices of whole
 * numbers, by alloy codes, through daemons of which some are killed in the middle of each product.
 *
 *     bench_alloy_real DIGITS.npy FILE...      a table; exit status 1 when anything is wrong
 */
#include "bench/papers/alloy/real/gram.h"
#include "bench/papers/alloy/real/parity.h"

#include "bench/bench.h"

#include <stdio.h>

int
main(int argc, char **argv)
{
    if (argc < 3)
        bench_die("usage: bench_alloy_real DIGITS.npy FILE...");
    site *s = site_new(KOFN_SOURCE_DIR "/config/algorithms");
    site_print_head();
    const bool kept = parity_run(s, (const char *const *)argv + 2, (size_t)argc - 2);
    const bool exact = gram_run(s, argv[1]);
    const bool proven = site_is_proven(s);
    site_destroy(&s);
    printf("\n%s\n", !kept || !exact ? "Something is WRONG."
                     : !proven ? "All is right, but a product was done before all victims were "
                                 "dead: run it again."
                               : "All is right.");
    return kept && exact && proven ? 0 : 1;
}
