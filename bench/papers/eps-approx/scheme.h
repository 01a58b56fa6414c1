/* Schemes: a code for C := sum_k A_k B_k, and what to do with each set of answers that may come.
 *
 * Source     Jeong, Devulapalli, Cadambe, Calmon, "Epsilon-Approximate Coded Matrix Multiplication
 *            is Nearly Twice as Efficient as Exact Multiplication", 2021, and the authors' programs
 *            (github.com/Ateet-dev/ApproxCodedMatrixMulArxiv), from which the decoders are.
 * Shapes     The target is one row: the decoding row d of a pattern R gives C^ = sum_u d_u
 *            answer_u. G_R [answers, m^2], V_R [answers, 2 m - 1] of the points' powers.
 * Patterns   All subsets of `answers` out of `nodes` tasks, in lexicographic order.
 * Threads    Any thread, once made.
 */
#ifndef KOFN_BENCH_EPS_SCHEME_H
#define KOFN_BENCH_EPS_SCHEME_H

#include "common/code/coding.h"

typedef enum decoding {
    DECODING_POWERS,   // row m - 1 of the pseudo-inverse of V_R: the authors' for MatDot
    DECODING_PRODUCTS, // vec(I) times the pseudo-inverse of G_R: the authors' for Chebyshev
    DECODING_THEOREM,  // coefficient m - 1 of the polynomial through all answers: Theorem 2
    DECODING_BALANCED, // kofn_decoder_estimate: truncation and rounding together
    DECODING_SUM,      // what answers there are, added up: no code
} decoding;

typedef struct scheme {
    kofn_code *code;
    size_t m, nodes, answers;
    double gamma; // the points are cos() / gamma; 0 where there are none
    size_t patterns;
    size_t *task; // [patterns, answers]
    double *row;  // [patterns, answers]: d
    double *loss; // [patterns]: |d G_R - vec(I)|^2, as the authors compute it
    size_t worst; // pattern of the largest loss
} scheme;

/* Exits when there is no memory or the family refuses. `family`: matdot with a gamma of 1 or more,
 * or chebyshev with gamma 1, both as the authors have them; or a family of kofn's, whose gamma is
 * then noted where it has one (pass 0). `shape`: of the product, whose rounding the balanced
 * decoder weighs. */
scheme *scheme_new(const char *family, size_t m, size_t nodes, size_t answers, double gamma,
                   kofn_shape shape, decoding how);
void scheme_destroy(scheme **s_p);

/* d := row m - 1 of pinv(V), or vec(I) pinv(G): target [cols] times the pseudo-inverse of a
 * [rows, cols] as numpy's pinv computes it (singular values below 1e-15 of the largest are taken as
 * zero). */
void scheme_pseudo_inverse_row(const double *a, size_t rows, size_t cols, const double *target,
                               double *ret_d);

#endif
