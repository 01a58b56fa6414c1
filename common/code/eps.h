/* epsilon-approximate MatDot and PolyDot codes: nearly the product from half the answers.
 *
 * Source     Jeong, Devulapalli, Cadambe, Calmon, "epsilon-Approximate Coded Matrix Multiplication
 *            Is Nearly Twice as Efficient as Exact Multiplication", Constructions 3 (eps_polydot,
 *            here for any x, z, y) and 4 (eps_matdot, x = y = 1), and gamma of its Fig. 1. Added
 *            here: gamma tuned to dtype, blocks and tasks.
 * Shapes     entangled.h with N = x y z; its points divided by gamma. So A(t) B(t) has hardly
 *            anything but its first N coefficients, the targets are among them, and N answers know
 *            them.
 * Threshold  enough = N answers for the estimate, exact = N + z - 1; n may be as small as N. Equal
 *            for z = 1, and where gamma is so small that N answers say nothing.
 * Accuracy   Of the estimate from the worst N of n answers, relative to |A| |B| in Frobenius norms:
 *
 *                truncation  h / gamma                   h = sin(pi N / n) / (2 sin(pi / 2 n))
 *                rounding    epsilon (q gamma)^(N - 1)   q = 2 / sin^2(pi N / 2 n)
 *
 *            h is the sum of the N greatest nodes (in the worst set of a MatDot code, the sum of
 *            the points is what a missing coefficient adds to the one wanted), q their capacity,
 *            epsilon the dtype's. All n = N points sum to zero; then the next coefficient
 *            counts, n / (4 gamma^2).
 *            Measured against the paper's decoder on all sets or the 400 most telling: truncation
 *            as said within 0.3 %, rounding / formula 0.64 to 1.9 for n <= N + 2, N <= 12 and for n
 *            <= 2 N, N <= 5; 5 at N = 8, n = 16; 2.3 at N = 20, n = 22.
 * Gamma      By default where the sum is least, gamma^N = h / ((N - 1) epsilon q^(N - 1)), to 3
 *            digits and not below 1. Predicted, worst by the paper's decoder, by the balanced one:
 *
 *                 z, n        f64: gamma                           f32: gamma
 *                 2, 3         5.41e7   3.2e-8 3.0e-8 3.0e-8          2330    7.4e-4 6.9e-4 6.9e-4
 *                 3, 3           6410   3.7e-8 3.0e-8 3.1e-8            42.1  8.5e-4 7.0e-4 7.0e-4
 *                 3, 4          91200   1.5e-5 1.5e-5 1.5e-5           112    0.012  0.012  0.012
 *                 3, 6          81600   3.6e-5 3.6e-5 3.8e-5           100    0.029  0.030  0.030
 *                 5, 6            635   1.9e-3 1.9e-3 1.9e-3            11.4  0.11   0.11   0.11
 *                 5, 7            640   3.4e-3 3.6e-3 3.7e-3            11.5  0.19   0.22   0.20
 *                 8, 10            41.8 0.051  0.057  0.055              3.39 0.63   1.1    0.65
 *                12, 14             9.34 0.23  0.30   0.25               1.75 refused
 *                20, 22             2.85 0.73  2.7    1.0                1.04 refused
 *
 *            Within 15 % of it no other gamma is better by more than 4 %, for either decoder. These
 *            are bounds for all matrices and all sets; for random ones, expect a fraction.
 * Epsilon    The paper's bound, for exact arithmetic: any N answers give every element of C within
 *            epsilon, if |A|, |B| <= eta and |t| < min(epsilon / (eta^2 z (N - 1)), 1 / (N - 1)).
 *            What rounding would drown at that scale is refused.
 */
#ifndef KOFN_CODE_EPS_H
#define KOFN_CODE_EPS_H

#include "common/code/family.h"

typedef struct kofn_eps_params {
    double epsilon; // NAN: points are scaled by gamma
    double eta;     // |A|_F and |B|_F are no greater
    double gamma;   // NAN: tuned, if epsilon is NAN as well
    int decoder;    // a kofn_estimator
} kofn_eps_params;

extern const kofn_family kofn_eps_matdot_family, kofn_eps_polydot_family;

/* What the points of these arguments are divided by. */
double kofn_eps_gamma(const kofn_family_args *args);

#endif
