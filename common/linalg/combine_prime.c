/* Combinations over GF(p): dst = coef src mod p, with few reductions.
 *
 * A product of two elements is below (p - 1)^2 < 2^62, so a 64-bit sum takes four of them for any
 * p, and `most` = (2^64 - 1) / (p - 1)^2 for smaller ones: 2^32 for p = 65537. Sums of that many
 * sources are reduced once and added to the result, which stays below p.
 *
 * Sources are taken four at a time, so that a sum is loaded and stored once for four products.
 * All multiplications are of 32 by 32 bits: vectors of 64-bit products exist everywhere. */
#include "common/linalg/field_prime.h"

#include <string.h>

enum {
    FOUR = 4,    // sources in one pass
    PANEL = 512, // columns whose sums stay in the first-level cache
};

typedef uint32_t loose __attribute__((aligned(1), may_alias)); // elements lie anywhere

/* One result: its sources that count. */
typedef struct sources {
    size_t count;
    const loose *at[FOUR];
    uint32_t coef[FOUR];
} sources;

#define PASTE_(a_, b_) a_##b_

#define TARGET
#define NAME(x_) PASTE_(x_, _baseline)
#include "common/linalg/combine_prime_kernel.h"

#if defined(__x86_64__)
#define TARGET   __attribute__((target("avx2")))
#define NAME(x_) PASTE_(x_, _avx2)
#include "common/linalg/combine_prime_kernel.h"

#define TARGET   __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw")))
#define NAME(x_) PASTE_(x_, _avx512)
#include "common/linalg/combine_prime_kernel.h"
#endif

void
kofn_prime_combine(const kofn_field *f, const kofn_combination *c)
{
    const kofn_modulus *m = &((const kofn_field_prime *)f)->modulus;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw")) {
        combine_avx512(m, c);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        combine_avx2(m, c);
        return;
    }
#endif
    combine_baseline(m, c);
}
