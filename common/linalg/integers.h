/* Exact products of integers, by several primes and the Chinese remainder theorem.
 *
 *     A, B: i32 or i64 --reduce--> A mod p, B mod p --GF(p)--> C mod p --restore--> C: i64
 *                                       one product for each of k primes
 *
 * Primes      The largest below 2^23. A matrix product over GF(p) costs the least for each bit of p
 *             from about 2^22.5 to 2^23.5: doubles hold 512 products at 2^23 before a reduction is
 *             due. Near 2^24 they hold 128, and above each element is two limbs: half the speed.
 * Range       |C_ij| <= inner max|A| max|B| =: b, and k primes tell -(M-1)/2 to (M-1)/2 apart, M
 *             their product. With b <= (M-1)/2 what comes back is the true product, whatever its
 *             size: one that passes 64 bits is seen and refused. Nine primes do for any operands.
 * Accuracy    Exact.
 * Cost        One pass over the elements each. Measured, one thread, in GB/s of what is read and
 *             written: the largest 5; two primes: reduce 5 of i32, 2.7 of i64, restore 4.7; nine
 *             primes: 4, 1.6 and 1.2. About a hundredth of the products of 4000 x 4000.
 * Threads     Any thread; different rows may be worked on side by side.
 */
#ifndef KOFN_LINALG_INTEGERS_H
#define KOFN_LINALG_INTEGERS_H

#include "common/linalg/field.h"

enum { KOFN_INTEGERS_PRIMES_MAX = 9 };

/* Descending; a product by k primes takes the first k. */
extern const uint32_t kofn_integers_primes[KOFN_INTEGERS_PRIMES_MAX];

bool kofn_integers_has_dtype(kofn_dtype dtype);               // i32 or i64
kofn_dtype kofn_integers_get_product_dtype(kofn_dtype dtype); // i64 for those, else as it is

/* What a product of such elements is over. Of i32 and i64: integers (*ret_integers), which the name
 * may say or leave to the dtype, and *ret_field is that of the first prime. INVALID_ARGUMENT: the
 * name is another, or "integers" of another dtype. Else as kofn_field_choose. */
KOFN_MUST_CHECK kofn_status kofn_integers_choose(const char *name, kofn_dtype dtype,
                                                 const kofn_field **ret_field, bool *ret_integers,
                                                 kofn_error *err);

/* The largest |element|, 0 when there is none. `m` is complete. */
uint64_t kofn_integers_find_largest(const kofn_bands *m);

/* The smallest k with 2 inner a b < M, at least 1; a and b at most 2^63. */
size_t kofn_integers_count_primes(size_t inner, uint64_t largest_a, uint64_t largest_b);

/* residues[i]'s elements := those of `from` mod prime i, in 0 to p - 1, for i < primes, in rows
 * [first, end). All are complete and of one shape, residues u32; bands may differ. */
void kofn_integers_reduce(const kofn_bands *from, size_t primes, const kofn_bands *residues,
                          size_t first, size_t end);

/* The reverse: into's elements (i64) := the number in -(M-1)/2 to (M-1)/2 that has these residues,
 * in rows [first, end). Residues that are no elements of their field make it some other number.
 * OUT_OF_RANGE: a number is not one of 64 bits; the text has the first of these rows that has one,
 * its place and about its value. Elements are then undefined. */
KOFN_MUST_CHECK kofn_status kofn_integers_restore(size_t primes, const kofn_bands *residues,
                                                  size_t first, size_t end, const kofn_bands *into,
                                                  kofn_error *err);

#endif
