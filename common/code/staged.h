/* Staged codes: rows for the products that are missing, made when it is known which those are.
 *
 *     row      0 .. n-1                     n .. n + reserve - 1
 *     before   the products, as they are    zeros
 *     after    the same                     coded rows for products 2, 5 and 7, which are late
 *
 * Where any coded row makes up for any product (kofn_code_is_certain, a threshold of n) there is no need
 * for that: then coded rows can be there from the beginning. Of a batch they would have to be of all
 * pairs, and take 2 k - 1 answers where only 3 are missing; made for those 3, and for the relations that
 * they have among each other, they take 5 or fewer. A late product that comes after all is an answer
 * beside them.
 *
 * Source     Rudow, Charalambides, Hero, Rashmi, "Compression-Informed Coded Computing", section IV,
 *            two-stage matrix multiplication.
 * Threads    Any thread.
 */
#ifndef KOFN_CODE_STAGED_H
#define KOFN_CODE_STAGED_H

#include "common/code/code.h"

/* Rows to send beyond `needed` ones, so that the odds are 1 in 20 that too few are in time when each is
 * late with probability `rate` < 1 on its own. By the normal approximation: within one of the exact
 * number where that is up to 20. */
size_t kofn_staged_count_spare(size_t needed, double rate);

#endif
