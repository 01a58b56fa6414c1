/* Inner codes: what the mini-tasks of a stream's jobs are made of.
 *
 *     rows 0 .. plain-1                    plain .. plain+coded-1
 *     the block products, as they are      coded: any `threshold` answers of all rows suffice
 *
 * A family's code with its plain block products in front, in the order (i, j), j fastest: row
 * i y + j is X_i Y_j. Coded rows are taken one after another over several rounds, so any first ones
 * of them, and almost any of them that come back, must decode well: points are spread from the
 * start and not sorted (points=spread, random).
 *
 * Source     Krishnan, Hosseini, Khisti, "Coded Sequential Matrix Multiplication", section 3; there
 *            the coded rows are a polynomial code at random points. Any family of code.h will do
 *            whose rows of any number suffice (kofn_code_is_certain).
 * Mixed sets Plain rows are unit rows of G: the decoder (decoder.h) solves whatever mixture came
 *            back, and what is left to invert is as large as the entries that are missing. Which
 *            ones came back need not be a prefix, so every minor of the coded rows has to be other
 *            than 0. In exact arithmetic it is
 *
 *                polynomial, orthopoly   reals, points=spread: always (points.h)
 *                polynomial              reals, points=random: with probability 1
 *                                        reals, points=chebyshev: no; refused
 *                                        finite fields, not at point 0: for k <= 2 always; above
 *                                        that the code is `likely`. Of drawn points a set with e
 *                                        coded rows falls short with probability e k / q at most,
 *                                        and in fact with about 1 / q: 0.35 % in gf256 at x y = 6
 *                rkrp                    with probability 1
 *
 *            Over finite fields, where a set of `threshold` answers falls short, one more nearly
 *            always helps; without plain rows, none falls short.
 * Accuracy   Relative error (f64) of 100,000 jobs at stragglers of 30 %, 25,000 for x y = 24: what
 *            1 of 100 exceeds, and of those jobs how many the decoder took for undecodable in
 *            doubles (bench/papers/sequential/inner.c, where the others are).
 *
 *                x y = 4, 12, 24       coded rows alone, as dip        mixed, as idip
 *                polynomial, random    7e-12, 7e-6, 19 % undecodable   5e-16, 2e-14, 3e-11
 *                polynomial, spread    2e-14, 6e-11, 5e-6              3e-16, 2e-15, 4e-13
 *                orthopoly, spread     1e-14, 6e-12, 3e-9              2e-15, 6e-15, 1e-14
 *                rkrp                  8e-15, 5e-14, 7e-14             1e-15, 1e-14, 4e-14
 */
#ifndef KOFN_CODE_INNER_H
#define KOFN_CODE_INNER_H

#include "common/code/spec.h"

/* What an inner code should be where the spec leaves it open, to be asked before
 * kofn_code_spec_complete: family rkrp, or polynomial over finite fields; points=spread, or random
 * over finite fields, where the family has such points. RESOURCE_EXHAUSTED: the spec has no room
 * for a parameter. */
KOFN_MUST_CHECK kofn_status kofn_inner_set_defaults(kofn_code_spec *spec, const kofn_field *field,
                                                    kofn_error *err);

/* Coded rows that an inner code of this family can have: over a finite field as many as there are
 * points other than 0, where it evaluates at points; else SIZE_MAX. */
size_t kofn_inner_count_rows(const kofn_code_spec *spec, const kofn_field *field);

/* Build the code of `spec`, whose family, partition (z = 1 where plain is wanted), seed and
 * parameters are complete and whose `tasks` is the number of coded rows, with the block products in
 * front if `plain`, and nothing else if that number is 0; else the family's code as it is. Of
 * families with `systematic` that parameter is set for plain rows: rkrp chooses its draw by mixed
 * sets. INVALID_ARGUMENT: the family gives no certain threshold, more than x y or plain rows of its
 * own where plain is wanted, or is none for z; a reserve; an outer product; errors of
 * kofn_code_spec_build. Ownership: kofn_code_destroy. */
KOFN_MUST_CHECK kofn_status kofn_inner_build(const kofn_code_spec *spec, const kofn_field *field,
                                             bool plain, kofn_code **ret_code, kofn_error *err);

#endif
