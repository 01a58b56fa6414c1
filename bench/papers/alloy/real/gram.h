/* Gram matrices of whole numbers, exactly: the handwritten digits of tests/data.
 *
 *     G = X^T X, K = X X^T by one prime, G G and G (G G) by more; (G G) (G G) is more than 64 bits
 *     hold
 */
#ifndef KOFN_ALLOY_GRAM_H
#define KOFN_ALLOY_GRAM_H

#include "bench/papers/alloy/real/site.h"

/* All products; false when one is wrong, or when the last one is not refused. */
bool gram_run(site *s, const char *path);

#endif
