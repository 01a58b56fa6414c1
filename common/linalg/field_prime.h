/* GF(P) for any prime P below 2^31: integers 0 to P - 1 in u32.
 *
 * Method     Sums of many products are taken with one reduction at the end, as long as they are
 *            exact: in 64-bit integers for combinations (combine_prime.c), in doubles through
 *            OpenBLAS for matrix products (multiply_prime.c).
 * Accuracy   Exact.
 * Cost       Of the speed of dgemm on the same shape, measured in bench/: two thirds to three
 *            quarters up to P near 2^23, a third above.
 * Threads    Any thread.
 */
#ifndef KOFN_LINALG_FIELD_PRIME_H
#define KOFN_LINALG_FIELD_PRIME_H

#include "common/linalg/field.h"

enum { KOFN_PRIME_MAX = INT32_MAX }; // itself a prime

/* What arithmetic modulo p needs. A number x below 2^32 is x - (x inverse >> 32) p or that - p. */
typedef struct kofn_modulus {
    uint32_t p;
    uint32_t inverse; // floor(2^32 / p)
    uint32_t wrap;    // 2^32 mod p
    uint32_t wrapped; // floor(wrap 2^32 / p)
    /* Of matrix products: multiply_prime.c. */
    uint32_t limbs; // 1 or 2: pieces of each element of B
    double radix;   // of the pieces
    size_t chunk;   // inner size up to which all sums are exact in doubles
} kofn_modulus;

void kofn_modulus_init(kofn_modulus *m, uint32_t p);

/* x mod p: the quotient's estimate is at most one too small. */
static inline uint32_t
kofn_modulus_reduce_32(const kofn_modulus *m, uint32_t x)
{
    const uint32_t quotient = (uint64_t)x * m->inverse >> 32, rest = x - quotient * m->p;
    return rest < m->p ? rest : rest - m->p;
}

/* high 2^32 + low mod p: high times 2^32 mod p as in add_multiple of field_prime.c. */
static inline uint32_t
kofn_modulus_reduce_64(const kofn_modulus *m, uint64_t x)
{
    const uint32_t high = (uint32_t)(x >> 32);
    const uint32_t quotient = (uint64_t)high * m->wrapped >> 32;
    const uint32_t product = high * m->wrap - quotient * m->p; // below 2 p
    const uint32_t sum =
        (product < m->p ? product : product - m->p) + kofn_modulus_reduce_32(m, (uint32_t)x);
    return sum < m->p ? sum : sum - m->p;
}

typedef struct kofn_field_prime {
    kofn_field field;
    atomic_size_t refs;
    char name[KOFN_FIELD_NAME_MAX];
    kofn_modulus modulus;
} kofn_field_prime;

/* `p` as in "gfp:P"; errors of kofn_field_new. */
KOFN_MUST_CHECK kofn_status kofn_field_prime_new(const char *p, const kofn_field **ret_field,
                                                 kofn_error *err);

/* The functions of the table that have a file of their own. */
void kofn_prime_combine(const kofn_field *f, const kofn_combination *c);
void kofn_prime_multiply_panel(const kofn_field *f, const kofn_panel *panel);
size_t kofn_prime_scratch_bytes(const kofn_field *f, size_t rows, size_t cols, size_t inner);
void kofn_prime_plan_products(kofn_modulus *m); // fills limbs, radix, chunk

#endif
