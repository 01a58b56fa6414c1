/* Staged codes: rows for the products that are missing, made when it is known which those are.
 *
 *     row      0 .. n-1                     n .. n + reserve - 1
 *     before   the products, as they are    zeros
 *     after    the same                     coded rows for products 2, 5 and 7, which are late
 *
 * Where any coded row makes up for any product there is no need for that: then they can be there
 * from the beginning. Of a batch they would have to be of all
 * pairs, and take 2 k - 1 answers where only 3 are missing; made for those 3, and for the relations
 * that they have among each other, they take 5 or fewer. A late product that comes after all is an
 * answer beside them.
 *
 * Source     Rudow, Charalambides, Hero, Rashmi, "Compression-Informed Coded Computing", section
 *            IV, two-stage matrix multiplication.
 * Threads    Any thread.
 */
#ifndef KOFN_CODE_STAGED_H
#define KOFN_CODE_STAGED_H

#include "common/code/spec.h"

/* Rows to send beyond `needed` ones, so that the odds are 1 in 20 that too few are in time when
 * each is late with probability `rate` < 1 on its own. By the normal approximation: within one of
 * the exact number where that is up to 20. */
size_t kofn_staged_count_spare(size_t needed, double rate);

/* The code of a complete spec for a job in two stages. Of a product the spec's own, and of a family
 * without plain rows, where they mix with its own (inner.h), these behind the products. Of a batch
 * its own where no row has to be made later, and else its pairs, with room for as many rows as the
 * spec has tasks, and for two of each pair. Errors of kofn_code_spec_build. */
KOFN_MUST_CHECK kofn_status kofn_staged_build(const kofn_code_spec *spec, const kofn_field *field,
                                              kofn_code **ret_code, kofn_error *err);

/* That code again, and in rows of the reserve that are zeros the spec's family's for these products
 * (ascending): as few as suffice for them, and as many more as keep the odds that too few of them
 * come in time below 1 in 20, where each is late with probability `rate`; or as there is room for.
 * INVALID_ARGUMENT: `from` has not so many such rows as suffice. Errors of kofn_code_spec_build. */
KOFN_MUST_CHECK kofn_status kofn_staged_fill(const kofn_code_spec *spec, const kofn_code *from,
                                             const size_t *products, size_t count, double rate,
                                             kofn_code **ret_code, kofn_error *err);

#endif
