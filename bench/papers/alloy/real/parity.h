/* Parity of files, as a product over GF(2^8), and files restored from it.
 *
 *     parity [PARITIES x L] = P [PARITIES x k] D [k x L]       row i of D: file i, zeros behind it
 *
 * P is ISA-L's Cauchy matrix, so any k of the k + PARITIES rows give all. Then as many files are
 * lost as there are parities, and the lost rows are the rows that belong to them of (the inverse of
 * what is left's matrix) times what is left: a product again.
 */
#ifndef KOFN_ALLOY_PARITY_H
#define KOFN_ALLOY_PARITY_H

#include "bench/papers/alloy/real/site.h"

/* Both products; false when one of them is wrong. Ends the program when a file cannot be read. */
bool parity_run(site *s, const char *const *paths, size_t count);

#endif
