/* Generalised PolyDot codes: C := A B in any partition, between polynomial (z = 1) and matdot
 * (x = y = 1).
 *
 * Source     Construction 2 of the paper in entangled.h; there, too: shapes, powers, accuracy.
 * Threshold  k = x y z + z - 1: one answer for each product of blocks, and z - 1 more for what the
 *            sums over the inner dimension drag along.
 */
#ifndef KOFN_CODE_POLYDOT_H
#define KOFN_CODE_POLYDOT_H

#include "common/code/family.h"

extern const kofn_family kofn_polydot_family;

#endif
