/* Inner codes: what the mini-tasks of a stream's jobs are made of.
 *
 *     rows 0 .. plain-1                    plain .. plain+coded-1
 *     the block products, as they are      coded: any `threshold` answers of all rows suffice
 *
 * A family's code with its plain block products in front, in the order (i, j), j fastest: row
 * i y + j is X_i Y_j. Coded rows are taken one after another over several rounds, so any first ones of
 * them, and almost any of them that come back, must decode well: points are spread from the start
 * and not sorted (points=spread, random).
 *
 * Source     Krishnan, Hosseini, Khisti, "Coded Sequential Matrix Multiplication", section 3; there
 *            the coded rows are a polynomial code at random points. Any family of code.h will do
 *            whose rows of any number suffice (kofn_code_is_certain).
 * Mixed sets Plain rows are unit rows of G: the decoder (decoder.h) solves whatever mixture came
 *            back, and what is left to invert is as large as the entries that are missing.
 */
#ifndef KOFN_CODE_INNER_H
#define KOFN_CODE_INNER_H

#include "common/code/spec.h"

/* Build the code of `spec`, whose family, partition (z = 1 where plain is wanted), seed and parameters
 * are complete and whose `tasks` is the number of coded rows, with the block products in front if
 * `plain`. INVALID_ARGUMENT: the family gives no certain threshold, or is none for z; errors of
 * kofn_code_spec_build. Ownership: kofn_code_destroy. */
KOFN_MUST_CHECK kofn_status kofn_inner_build(const kofn_code_spec *spec, const kofn_field *field,
                                             bool plain, kofn_code **ret_code, kofn_error *err);

#endif
