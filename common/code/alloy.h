/* Random alloy codes: what the global and the local family share. How rows are drawn, and how many
 * of them it takes.
 *
 * Source     Soto, "Random Alloy Codes and the Fundamental Limits of Coded Distributed Tensors":
 *            equations (5) and (7), Theorem 2, Lemma 1. Vectors that are uniform but never zero are
 *            not in the paper.
 * Draws      A task has one vector for each operand; its row of G is their Kronecker product.
 *              nonzero    each vector uniform among those that are not zero
 *              product    numbers i.i.d. by equation (7), which for two operands is (5): zero more
 *                         seldom than uniform ones, so that products of one of each are uniform
 *              uniform    numbers i.i.d. uniform
 *              normal     the reals only: standard normals, as rkrp
 *            A set of 4 rows of the 2 x 2 outer product decodes with probability
 *                 q            2        3        4        5        7      17
 *                 nonzero    0.296    0.461    0.578    0.659    0.762   0.917
 *                 product    0.094    0.291    0.453    0.568    0.711   0.908
 *                 uniform    0.030    0.180    0.345    0.475    0.647   0.891
 *                 Theorem 1  0.308    0.564    0.689    0.761
 *            (exact up to 5; then to two digits and a half). So `nonzero` is what `auto` takes in
 *            finite fields. The paper's formula is not what is measured: it takes each row for
 *            uniform among all vectors, but products of numbers are uniform one by one, not
 *            jointly, and rows of rank one are few among all. Both tend to 1 - 1/q.
 * Reals      Draws but `normal` are taken in GF(p) and lifted to whole numbers (Lemma 1:
 *            independent mod p is independent), from [0, p) or from (-p/2, p/2), over the power of
 *            two above p.
 * Threads    Any thread.
 */
#ifndef KOFN_CODE_ALLOY_H
#define KOFN_CODE_ALLOY_H

#include "common/code/family.h"

typedef enum kofn_alloy_draw {
    KOFN_ALLOY_AUTO, // nonzero, in the reals normal
    KOFN_ALLOY_NONZERO,
    KOFN_ALLOY_PRODUCT,
    KOFN_ALLOY_UNIFORM,
    KOFN_ALLOY_NORMAL,
} kofn_alloy_draw;

typedef enum kofn_alloy_lift {
    KOFN_ALLOY_SYMMETRIC, // (-p/2, p/2)
    KOFN_ALLOY_POSITIVE,  // [0, p)
} kofn_alloy_lift;

/* From this probability on all tasks together may well not decode: such a code is refused. */
#define KOFN_ALLOY_HOPELESS 0.5

/* First in both families' params. */
typedef struct kofn_alloy_params {
    int draw;    // kofn_alloy_draw
    int lift;    // kofn_alloy_lift
    int64_t p;   // of the lift
    double miss; // probability that the answers for which tasks are chosen do not suffice
} kofn_alloy_params;

/* The keys of the struct above, for the table of a family whose params start with it. */
#define KOFN_ALLOY_KEYS                                                                            \
    {.name = "draw",                                                                               \
     .type = KOFN_KEY_CHOICE,                                                                      \
     KOFN_KEY_FIELD(kofn_alloy_params, draw),                                                      \
     .fallback = "auto",                                                                           \
     .choices = "auto|nonzero|product|uniform|normal",                                             \
     .help = "How rows are drawn; auto: nonzero, which decodes most often, in the reals normal"},  \
        {.name = "lift",                                                                           \
         .type = KOFN_KEY_CHOICE,                                                                  \
         KOFN_KEY_FIELD(kofn_alloy_params, lift),                                                  \
         .fallback = "symmetric",                                                                  \
         .choices = "symmetric|positive",                                                          \
         .help = "In the reals, without normals: numbers of GF(p) around zero, or from zero on"},  \
        {.name = "p",                                                                              \
         .type = KOFN_KEY_INT,                                                                     \
         KOFN_KEY_FIELD(kofn_alloy_params, p),                                                     \
         .min = 2,                                                                                 \
         .max = 2147483647,                                                                        \
         .fallback = "2147483647",                                                                 \
         .help = "In the reals, without normals: the prime of the field that rows are lifted "     \
                 "from"},                                                                          \
    {                                                                                              \
        .name = "miss", .type = KOFN_KEY_REAL, KOFN_KEY_FIELD(kofn_alloy_params, miss),            \
        .min = 1e-15, .max = 0.5, .fallback = "1e-06",                                             \
        .help = "Where tasks are left open: probability that answers do not suffice though no "    \
                "more are missing than were allowed for"                                           \
    }

/* KOFN_OK where rows can be drawn. INVALID_ARGUMENT: normals in a finite field; p is no prime; p or
 * lift, of which this draw in this field takes none, is not as it would be left open. */
KOFN_MUST_CHECK kofn_status kofn_alloy_check(const char *family, const kofn_field *f,
                                             const kofn_alloy_params *params, kofn_error *err);

/* The draw that AUTO stands for in this field. */
kofn_alloy_draw kofn_alloy_settle(const kofn_field *f, const kofn_alloy_params *params);

/* Any d_1 d_2 rows are independent with probability 1, not only with a high one. */
bool kofn_alloy_is_certain(const kofn_field *f, const kofn_alloy_params *params);

/* One vector, of `order` that a row is the product of. */
void kofn_alloy_fill(const kofn_field *f, const kofn_alloy_params *params, size_t order,
                     kofn_rng *rng, size_t len, double *ret);

/* A bound on the probability that m rows of d_1 d_2 numbers do not span all: the expected number of
 * hyperplanes that hold them all (as matrices d_1 by d_2, by rank), at most 1. Exact enough to be
 * used: above by less than a factor of 2 where it is below 0.1, but for `product` in the smallest
 * fields. 0 for normals. */
double kofn_alloy_miss(const kofn_field *f, const kofn_alloy_params *params, size_t d1, size_t d2,
                       size_t m);

/* The same for n rows of which each is lost with probability `failure`, with the odds that fewer
 * than d_1 d_2 are left. For normals that is not a bound but so. */
double kofn_alloy_miss_lost(const kofn_field *f, const kofn_alloy_params *params, size_t d1,
                            size_t d2, size_t n, double failure);

/* The smallest m >= d_1 d_2 with a bound of `miss` at most; SIZE_MAX where d_1 d_2 is. */
size_t kofn_alloy_answers(const kofn_field *f, const kofn_alloy_params *params, size_t d1,
                          size_t d2, double miss);

/* The same for rows that are products of d.count vectors of d.of[i] numbers. Of more than two it is
 * an estimate and no bound: hyperplanes are counted that are generic in the space of those modes of
 * which they see more than a line, and taken for average there. Against 20,000 codes for each of 33
 * cases, orders 3 and 4, fields of 5 to 257 elements: never below what was counted, but for chance,
 * and above it by less than a factor of 1.8; more for `uniform`, where each hyperplane is said to
 * hold vectors of zeros (test_outer_code). */
double kofn_alloy_miss_of(const kofn_field *f, const kofn_alloy_params *params, const kofn_cuts *d,
                          size_t m);
double kofn_alloy_miss_of_lost(const kofn_field *f, const kofn_alloy_params *params,
                               const kofn_cuts *d, size_t n, double failure);
size_t kofn_alloy_answers_of(const kofn_field *f, const kofn_alloy_params *params,
                             const kofn_cuts *d, double miss);

#endif
