/* Locally random alloy codes: a fast algorithm inside, a small random code around each of its
 * products.
 *
 *     C = sum_t W_t (U_t . A) (V_t . B)        strassen: 7 products of sums of 2 x 2 super-blocks
 *                    |          |
 *              rows strips x cols strips       2 x 2 outer product: any 4 good tasks give product t
 *
 *     task     0   1   2   3   4   5   6  |  7   8   9  ...         task i codes product i mod 7
 *     product  0   1   2   3   4   5   6  |  0   1   2  ...
 *
 * Source     Soto, "Random Alloy Codes and the Fundamental Limits of Coded Distributed Tensors",
 *            sections I.A and II.D; algorithms: bilinear.h. Tasks in turn over the products, and
 *            not group after group, so that n need not be a multiple of r and more tasks can
 *            follow.
 * Shapes     Partition (X rows, Z, Y cols) for an algorithm <X, Z, Y; r> with `rows` by `cols`
 *            strips. With t = i mod r, and vectors g_A, g_B of task i (alloy.h): E_A[i, (p rows +
 *            s, q)] = U[t, (p, q)] g_A[s], E_B[i, (q, p cols + s)] likewise. Rows depend on seed
 *            and task number only. code->groups is r.
 * Threshold  r rows cols answers can suffice, and do if each product has rows cols good ones. The
 *            worst case is one product that has one fewer and all the others: `threshold` is
 *            n - (floor(n / r) - rows cols), 34 of 35 for Strassen with 5 tasks a product, while 28
 *            may do. Likely, as for alloy_global, but for normals in the reals. Entangled
 *            polynomials need 33 there, whichever they are: better while few tasks are lost, worse
 *            when many are.
 * Accuracy   Exact in finite fields. In the reals that of the algorithm, times what its groups'
 *            normals cost. Growth of errors (amplification) from 28 of 28 tasks of Strassen, 2 by
 *            2, in 300 codes: median 94, 440 at 90 %, 3400 at 99 %.
 */
#ifndef KOFN_CODE_ALLOY_LOCAL_H
#define KOFN_CODE_ALLOY_LOCAL_H

#include "common/code/alloy.h"
#include "common/code/algorithms.h"

typedef struct kofn_alloy_local_params {
    kofn_alloy_params alloy; // first: its keys start at 0
    char algorithm[KOFN_BILINEAR_NAME_MAX];
    int64_t rows, cols; // strips of each product; 0: by the partition, or 2
} kofn_alloy_local_params;

extern const kofn_family kofn_alloy_local_family;

#endif
