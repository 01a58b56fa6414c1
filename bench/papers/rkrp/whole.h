/* Whole matrices: what y = G u leaves out.
 *
 * The paper computes the answers from the products that are looked for, so its errors are the
 * decoder's alone. Workers multiply coded blocks instead: encoding and multiplying round, too. This
 * is a product of (20 m) x 200 by 200 x (20 n) standard normals through kofn_coding_encode,
 * kofn_multiply and kofn_coding_decode, as the daemons do it.
 */
#ifndef KOFN_BENCH_PAPERS_RKRP_WHOLE_H
#define KOFN_BENCH_PAPERS_RKRP_WHOLE_H

#include "bench/papers/rkrp/trial.h"

/* |C' - A B|_F / |A B|_F with code `r`, stragglers as in trial_run; NAN when kofn's decoder says
 * that the set is not decodable. */
double whole_run(rival r, const setting *s, uint64_t seed);

#endif
