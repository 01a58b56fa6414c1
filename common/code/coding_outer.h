/* Decoding outer products: kofn_coding_decode for those codes, and its inside.
 *
 * Elements of one piece lie apart in C: neighbouring rows of a piece are neighbours in C only as
 * far as the last operands go that are not cut that way. So pieces are made tile by tile in memory
 * that stays in the caches, and copied from there:
 *
 *     answers [part.rows, part.cols]        tiles of all pieces            C
 *       |::::|                               |::| piece 0          --->   :: .. :: ..
 *       |::::|  ... one tile of each, D ---> |..| piece 1          --->   runs, where they belong
 *
 * Cost       Each answer is read once and each element of C written twice, once of which to the
 *            caches.
 * Threads    Any thread; different rows may be decoded side by side.
 */
#ifndef KOFN_CODE_CODING_OUTER_H
#define KOFN_CODE_CODING_OUTER_H

#include "common/code/coding.h"

/* As kofn_coding_decode, which has checked its arguments. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_coding_decode_outer(const kofn_coding *coding,
                                                     const kofn_decode_plan *plan,
                                                     const kofn_bands *const *answers,
                                                     kofn_range rows, const kofn_bands *c,
                                                     kofn_error *err);

#endif
